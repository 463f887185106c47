"""The crawl itself: walk the listings page by page, then ask for the details of models that may be samplable.

Every step lands what it got before the next begins, so that the same call goes on where a killed one stopped.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import islice
from typing import Any

import polars as pl

from etl.faults import fault_point
from etl.lake import snapshot
from etl.lake.schemas import MODELS
from etl.models.hub import CallFailed, Detail, HubClient
from etl.models.landing import DETAIL, LOAD, MODIFIED, WALK, CrawlState, Landing, changed_at
from etl.models.names import is_safe_id

log = logging.getLogger(__name__)

BATCH = 50
"""Details landed at a time: what a kill costs at most."""
_PATIENCE = 5
"""Models in a row that may end in HUB_ERROR before the crawl stops: it is the Hub then."""


class CrawlStopped(Exception):
    """The Hub would not go on; what was landed stays, and the next run takes it up."""

    def __init__(self, key: str, failed: CallFailed):
        super().__init__(f"{failed.code}, {failed.detail}")
        self.key, self.code, self.detail = key, failed.code, failed.detail
        self.refused = failed.code not in ("HUB_RATE_LIMIT", "HUB_ERROR", "BAD_ANSWER")
        """Whether waiting would not help: this is no Hub, or it does not let us in."""


def walk(client: HubClient, landing: Landing, state: CrawlState, page_size: int) -> None:
    """Land every page that is not landed yet, the cursor with each. Raises CrawlStopped, HubUnreachable."""
    if state.limit:
        page_size = min(page_size, state.limit)
    seen = landing.ids(state)
    while state.phase == WALK:
        leg = state.walks[state.walk]
        path = state.next or leg.start or client.first(leg.listing, page_size, newest_change=leg.order == MODIFIED)
        try:
            page = client.page(path)
        except CallFailed as failed:
            raise CrawlStopped(_page_key(state), failed) from None
        problem = page.problem
        following = page.next
        if following in {landed["path"] for landed in state.pages if landed["walk"] == state.walk}:
            problem, following = "the next page is one that was walked already", None
        if problem:
            log.warning("listing %s ends early: BAD_CURSOR, %s", leg.listing, problem)
            state.problems.append({"key": _page_key(state), "code": "BAD_CURSOR", "detail": problem})
        landing.land_page(state, path, page.records, seen)
        if leg.order == MODIFIED and _reaches(page.records, state.watermark):
            following = None
        _advance(state, following)
        fault_point("crawl:before-state")
        landing.save(state)
        log.info("page %d: %d records, %d in all", len(state.pages) - 1, len(page.records), state.records)
        fault_point("crawl:after-page")


def _reaches(records: list[Any], watermark: str | None) -> bool:
    """Whether a page, the newest changes first, goes down to the watermark."""
    times = [time for time in map(changed_at, records) if time is not None]
    older = sum(time < datetime.fromisoformat(watermark) for time in times) if watermark else 0
    return older > len(times) / 2  # one odd date tells nothing


def _advance(state: CrawlState, following: str | None) -> None:
    """Point the state at the page to ask for next, or at the next phase."""
    state.next = following
    if following is None:
        state.walk += 1
    if state.walk == len(state.walks) or (state.limit and state.records >= state.limit):
        state.phase = DETAIL


def _page_key(state: CrawlState) -> str:
    return f"{state.crawl_id}/page-{len(state.pages):05d}"


def ask_details(
    client: HubClient, landing: Landing, state: CrawlState, known: Callable[[str, str | None], bool], workers: int
) -> None:
    """Land the details of every model that passes `wants_detail` and is not `known` at its revision.

    Raises CrawlStopped, HubUnreachable.
    """
    if state.phase != DETAIL:
        return
    landed = {line["model_id"] for line in landing.lines(state, state.details)}
    wanted = _wanted(landing, state, landed, known)
    with ThreadPoolExecutor(workers) as pool:
        try:
            while batch := list(islice(wanted, BATCH)):
                answers = pool.map(lambda model_id: ask_detail(client, model_id), batch)
                _land(landing, state, answers)
                fault_point("crawl:after-details")
        except BaseException:  # whoever waits in a thread would keep the process for as long
            client.close()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    end_network(landing, state)


def _land(landing: Landing, state: CrawlState, answers: Iterable[dict[str, Any]]) -> None:
    """Land a batch of details; of one that the Hub ends, what came before. Raises CrawlStopped.

    Models on which the Hub fails time after time, and would again, stop one run only.
    """
    details: list[dict[str, Any]] = []
    stopped = None
    failing: list[str] = []
    for line in answers:
        again = line["model_id"] in state.failed
        if line["outcome"] != "HUB_ERROR":
            failing.clear()
        elif not again:
            failing.append(line["model_id"])
        if line["outcome"] == "HUB_RATE_LIMIT" or len(failing) == _PATIENCE:
            failed = CallFailed(line["outcome"], line["message"])
            stopped = CrawlStopped(f"{state.crawl_id}/{line['model_id']}", failed)
            break
        details.append(line)
    if stopped:
        details = [line for line in details if line["model_id"] not in failing]
        state.failed += failing
    if details:
        landing.land_details(state, details)
    landing.save(state)
    if stopped:
        raise stopped
    log.info("details: %d more models", len(details))


def end_network(landing: Landing, state: CrawlState) -> None:
    """Mark the crawl as ready to load; details that were not asked for are a later crawl's."""
    state.phase = LOAD
    landing.save(state)


def known_revisions(root: str) -> Callable[[str, str | None], bool]:
    """Return whether `models` has the files of a model at a revision, so that they need not be asked for again."""
    if not snapshot.exists(root, MODELS):
        return lambda model_id, revision: False
    detailed = snapshot.scan(root, MODELS).filter(pl.col("weight_bytes").is_not_null())
    known = set(detailed.select("model_id", "revision").collect().iter_rows())
    return lambda model_id, revision: (model_id, revision) in known


def _wanted(
    landing: Landing, state: CrawlState, landed: set[str], known: Callable[[str, str | None], bool]
) -> Iterator[str]:
    for line in landing.lines(state, state.pages):
        record = line["record"]
        if line["again"] or not wants_detail(record) or record["id"] in landed:
            continue
        revision = record.get("sha")
        if not known(record["id"], revision if isinstance(revision, str) else None):
            yield record["id"]


def ask_detail(client: HubClient, model_id: str) -> dict[str, Any]:
    """Return one line of a detail file: the id asked for, the outcome in one word, and what the Hub said."""
    try:
        detail = client.detail(model_id)
    except CallFailed as failed:
        return _detail_line(model_id, failed.code, failed.detail, None)
    outcome: str = "OK"
    message: str | None = None
    if detail.info.get("id") != model_id:
        outcome, message = "RENAMED", f"now {str(detail.info.get('id'))[:200]}"
    elif detail.gated:
        outcome, message = "GATED", "the files are behind a gate"
    return _detail_line(model_id, outcome, message, detail)


def _detail_line(model_id: str, outcome: str, message: str | None, detail: Detail | None) -> dict[str, Any]:
    said = {
        "outcome": outcome,
        "info": detail.info if detail else None,
        "model_index": detail.model_index if detail else None,
        "scheduler": detail.scheduler if detail else None,
    }
    return {"model_id": model_id, "outcome": outcome, "message": message, "detail": said}


def wants_detail(record: Any) -> bool:
    """Whether a listing record may be a pipeline or adapter of diffusers that anyone may download.

    The cheap filter before two requests a model: an honest id, open, enabled, and a sign of diffusers.
    """
    if not isinstance(record, dict) or not is_safe_id(record.get("id")):
        return False
    if record.get("gated") or record.get("disabled") or record.get("private"):
        return False
    tags, siblings = record.get("tags"), record.get("siblings")
    tags = {str(tag) for tag in tags} if isinstance(tags, list) else set()
    files = [s.get("rfilename") for s in siblings if isinstance(s, dict)] if isinstance(siblings, list) else []
    return (
        "diffusers" in tags
        or any(tag.startswith("diffusers:") for tag in tags)
        or record.get("library_name") == "diffusers"
        or "model_index.json" in files
    )
