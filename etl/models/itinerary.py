"""Which walks a crawl makes, and what they will cost: decided before the first request."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from etl.errors import NothingUsable
from etl.models.landing import DONE, INCREMENTAL, MODIFIED, CrawlState, Landing, Walk
from etl.models.settings import CrawlSettings

OVERLAP = timedelta(days=1)
"""How far below the newest change seen an incremental crawl goes back: what changed while that crawl walked."""

ANONYMOUS, WITH_TOKEN = 500, 1000
"""API requests that the Hub grants in 5 minutes (its documentation, August 2026)."""
_WINDOW_MINUTES = 5
_KNOWN_SIZES = {"filter=diffusers": 111_000, "pipeline_tag=text-to-image": 105_000}
"""Models in the listings of huggingface.co, from its pages in 2026; used until a crawl has counted them."""


def open_crawl(landing: Landing, settings: CrawlSettings, now: datetime) -> CrawlState:
    """Return the unfinished crawl of these settings, or a new one named by the time, saved.

    Every run that finds no unfinished crawl is a new one: what the Hub said then is history worth a row each.
    Raises NothingUsable for an incremental crawl that has nothing to go on from.
    """
    hub = str(urlsplit(settings.endpoint).hostname)
    asked = (hub, settings.listings, settings.limit, settings.mode)
    crawls = landing.crawls()
    for crawl in reversed(crawls):
        if (crawl.hub, crawl.listings, crawl.limit, crawl.mode) == asked:
            if crawl.phase != DONE:
                return crawl
            break
    state = CrawlState(landing.name(now), hub, settings.listings, settings.limit, settings.mode)
    if settings.mode == INCREMENTAL:
        _follow(state, crawls)
    else:
        state.walks = [Walk(listing) for listing in settings.listings]
    landing.save(state)
    return state


def _follow(state: CrawlState, crawls: list[CrawlState]) -> None:
    """Let `state` go on where the last whole crawl of its scope ended.

    New models follow its last page by creation, whose cursor is asked for again; changed ones (and new ones too)
    stand at the head of the listing by change.
    """
    before = [crawl for crawl in crawls if crawl.same_scope(state) and crawl.phase == DONE and crawl.whole]
    if not before or before[-1].newest_change is None:
        raise NothingUsable(
            "an incremental crawl goes on from a whole one of the same Hub and listings, and the lake has none; "
            "run `forensics crawl --mode sweep` (or --mode bulk) without a limit first"
        )
    last = before[-1]
    state.watermark = (datetime.fromisoformat(str(last.newest_change)) - OVERLAP).isoformat()
    state.newest_change = last.newest_change
    for listing in state.listings:
        if start := last.last_path(listing):
            state.walks.append(Walk(listing, start=start))
        state.walks.append(Walk(listing, MODIFIED))


@dataclass(frozen=True)
class Cost:
    """What a crawl is expected to ask of the Hub."""

    pages: int
    details: int
    """Models whose details are asked for at most: one API request each, and up to two small files."""
    quota: int

    @property
    def minutes(self) -> float:
        """How long the Hub's quota makes it, at least."""
        return (self.pages + self.details) / self.quota * _WINDOW_MINUTES


def expected_cost(
    state: CrawlState, crawls: list[CrawlState], settings: CrawlSettings, has_token: bool
) -> Cost | None:
    """Return the cost of a crawl, None where nothing tells how large its Hub is.

    A sweep is taken to be as large as the last one of its scope. How many models changed since the last crawl
    nobody can know, so an incremental crawl counts its least: a page a walk.
    """
    quota = WITH_TOKEN if has_token else ANONYMOUS
    if state.mode == INCREMENTAL:
        return Cost(len(state.walks), 0, quota)
    before = [crawl for crawl in crawls if crawl.same_scope(state) and crawl.phase == DONE and not crawl.limit]
    if before:
        sizes, asked = [before[-1].records], before[-1].details_asked
    elif state.hub == "huggingface.co" and set(state.listings) <= set(_KNOWN_SIZES):
        sizes = [_KNOWN_SIZES[listing] for listing in state.listings]
        asked = max(sizes)
    elif state.limit:
        sizes, asked = [state.limit], state.limit
    else:
        return None
    most = state.limit or sum(sizes)
    pages = sum(math.ceil(min(size, most) / settings.page_size) for size in sizes)
    return Cost(pages, min(asked, most) if settings.details else 0, quota)


def told(state: CrawlState, cost: Cost | None, has_token: bool) -> str:
    """Return the line that a person reads before the first request."""
    token = "HF_TOKEN is set" if has_token else "without HF_TOKEN; a free token doubles it"
    if cost is None:
        return f"crawl {state.crawl_id}: {state.mode} of {state.hub}, whose size is not known yet ({token})"
    at_least = "at least " if state.mode == INCREMENTAL else "about "
    details = f" and details of up to {cost.details:,} models" if cost.details else ""
    return (
        f"crawl {state.crawl_id}: {state.mode} of {state.hub}, {at_least}{cost.pages:,} pages{details}; at "
        f"{cost.quota:,} requests in {_WINDOW_MINUTES} minutes ({token}) {at_least}{_duration(cost.minutes)}"
    )


def _duration(minutes: float) -> str:
    return f"{minutes / 60:.1f} hours" if minutes >= 90 else f"{max(1, math.ceil(minutes))} minutes"
