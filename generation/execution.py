"""Carrying a plan out: what is there already, which generators to try, all of them side by side, a row each.

A row of `generation_attempts` is committed as soon as a generator ends. A rerun of the same plan tries only what
is missing and may still succeed, so that it adds nothing when all is done or given up.
"""

import contextlib
import shutil
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import polars as pl

from etl.errors import LockHeld
from etl.lake import snapshot, storage
from etl.lake.lock import table_lock
from etl.lake.schemas import GENERATION_ATTEMPTS, REJECTS
from generation.attempts import LONGEST_WAIT_SECONDS, STAGE, Outcome, decide, rejects, row
from generation.devices import places
from generation.disk import DiskBudget
from generation.failures import Code, GenerationFailure, plain
from generation.landing import Landing, slug
from generation.model_run import run_model, vetted
from generation.plan import ModelTask, Plan, Request
from generation.settings import GenerateSettings
from generation.workers import Workers

LOOK_EVERY_SECONDS = 1.0
"""How often who waits for a generator's lock looks whether the job is stopping."""
PERMANENT = {str(code) for code in Code if code.permanent}


@dataclass(frozen=True)
class Work:
    """A generator that is to be tried: the requests without an image yet, and the number of the try."""

    task: ModelTask
    wanted: tuple[Request, ...]
    landing: Landing
    attempt: int


@dataclass(frozen=True)
class Standing:
    """A plan against what is there: work to do, images that exist, and images that were given up.

    Given up are images that were refused (rows of `rejects`), failures that will not pass, and generators that
    the catalogue refuses since they were planned. The latter leave no try: `generators.reason` is the row that
    says why, and they are tried once it is gone.
    """

    work: tuple[Work, ...]
    already_there: int
    given_up: int
    exhausted: frozenset[str] = frozenset()
    """Codes that may pass, at which generators had their last try."""


def standing(plan: Plan, settings: GenerateSettings) -> Standing:
    """Return what is left of `plan`. Writes the row that a kill kept from a generator that had all its images."""
    history, retry = _history(settings.root, plan.plan_id), settings.retry or []
    refused = _refused(settings.root, plan.plan_id)
    final = {key for key, code in refused.items() if code not in retry}
    work, there, given_up, exhausted = [], 0, 0, set()
    for task in plan.tasks:
        generator_id = task.generator.generator_id
        landing = Landing(settings.root, plan.plan_id, generator_id)
        done = landing.there(request.request_id for request in task.requests)
        missing = [request for request in task.requests if request.request_id not in done]
        wanted = tuple(request for request in missing if request.request_id not in final)
        tried = history.get(generator_id, [])
        attempt = max((past["attempt"] for past in tried), default=0) + 1
        there, given_up = there + len(done), given_up + len(missing) - len(wanted)
        decision = decide(len(wanted), tried, settings.max_attempts, retry)
        if any(request.request_id in refused for request in wanted):  # by a code that is to be retried
            decision = "try"
        if decision == "given-up" and tried[-1]["code"] == Code.TOO_BIG and _fits(task, settings):
            decision = "try"  # the limits are others now
        match decision:
            case "try" if not task.generator.refused:
                work.append(Work(task, wanted, landing, attempt))
            case "try":
                given_up += len(wanted)
            case "given-up":
                given_up += len(wanted)
                exhausted |= {tried[-1]["code"]} - PERMANENT
            case "whole" if not missing and (not tried or tried[-1]["status"] != "ok"):
                done_before = Work(task, (), landing, attempt)
                record(settings.root, plan.plan_id, [(done_before, _completed(generator_id))])
    return Standing(tuple(work), there, given_up, frozenset(exhausted))


def start_workers(settings: GenerateSettings) -> Workers:
    """Return the places in which models run: one a GPU, or one a core. Raises ConfigError where a GPU lacks."""
    device, at_a_time = places(settings.device, settings.workers)
    disk = DiskBudget(int(settings.max_disk_gb * 1e9))
    return Workers(device, at_a_time, storage.workplace(settings.root) / "landing" / "home", disk)


def carry_out(
    plan: Plan, work: tuple[Work, ...], settings: GenerateSettings, workers: Workers
) -> Generator[tuple[Work, Outcome]]:
    """Try every generator of `work`, several at a time; yield each as it ends, its row already committed."""
    ordered = largest_first(work)  # so that none of them is left over for the end
    # Twice as many threads as places: each place has a model downloaded ahead while another samples there.
    with ThreadPoolExecutor(2 * workers.places, "generate") as threads:
        running = {
            threads.submit(try_generator, w.task, w.wanted, w.landing, settings, workers): w for w in ordered
        }
        try:
            for future in as_completed(running):
                work_done, outcome = running[future], future.result()
                record(settings.root, plan.plan_id, [(work_done, outcome)])
                yield work_done, outcome
        finally:
            if not all(future.done() for future in running):  # interrupted: do not wait for models to finish
                for future in running:
                    future.cancel()
                workers.stop()


def try_generator(
    task: ModelTask, wanted: Sequence[Request], landing: Landing, settings: GenerateSettings, workers: Workers
) -> Outcome:
    """Try one generator, wherever this is called; the outcome counts all of `wanted` that have an image then.

    The generator's lock keeps out a process that was given up for lost and still works: a Spark task's first try,
    or what a killed driver left behind. Images that such a one has landed are not sampled again.
    Whatever goes wrong in this process for one generator is that generator's CRASH, and not the plan's end.
    """
    generator_id, started = task.generator.generator_id, datetime.now(UTC)
    try:
        with _alone(settings.root, slug(generator_id), settings.deadline_seconds, workers):
            done = landing.there(request.request_id for request in wanted)
            left = tuple(request for request in wanted if request.request_id not in done)
            try:
                outcome = run_model(task, left, landing, settings, workers) if left else _completed(generator_id)
            finally:
                landing.close()
            return replace(outcome, images=outcome.images + len(done))
    except Exception as error:
        message = plain(f"{type(error).__name__}: {error}")
        return Outcome(generator_id, Code.CRASH, message, 0.0, 0, 0, None, started)


@contextlib.contextmanager
def _alone(root: str, folder: str, seconds: float, workers: Workers) -> Iterator[None]:
    """Hold a generator's lock. Raises LockHeld once it took too long, or when the job is stopping."""
    until = time.monotonic() + seconds
    with contextlib.ExitStack() as held:
        while True:
            wait = min(LOOK_EVERY_SECONDS, max(0.0, until - time.monotonic()))
            try:
                held.enter_context(table_lock(root, _lock_of(folder), wait_seconds=wait))
                break
            except LockHeld:
                if workers.stopping.is_set() or time.monotonic() >= until:
                    raise
        yield


def sweep(root: str) -> None:
    """Remove what a kill left: models' homes, and downloads but for those that are still worked at elsewhere."""
    shutil.rmtree(storage.workplace(root) / "landing" / "home", ignore_errors=True)
    for folder in (storage.workplace(root) / "landing" / "downloads").glob("*"):
        with contextlib.suppress(LockHeld), table_lock(root, _lock_of(folder.name)):
            shutil.rmtree(folder, ignore_errors=True)


def record(root: str, plan_id: str, tried: Sequence[tuple[Work, Outcome]]) -> None:
    """Commit a row for each try, and one for each image that it refused, unless they are there already."""
    now = datetime.now(UTC)
    refused = [found for work, outcome in tried for found in rejects(plan_id, work.attempt, outcome, now)]
    if refused:
        # Ingest and describe write there too, whole waves at a time.
        snapshot.append(root, REJECTS, refused, wait_seconds=LONGEST_WAIT_SECONDS)
    snapshot.append(root, GENERATION_ATTEMPTS, [row(plan_id, work.attempt, outcome) for work, outcome in tried])


def largest_first(work: Sequence[Work]) -> list[Work]:
    """Return the work in the order in which it is begun, by the bytes in the repositories that it needs."""

    def size(one: Work) -> int:
        generator = one.task.generator
        origins = [generator.repository, *([generator.base] if generator.base else [])]
        return sum(file.size for origin in origins for file in origin.files)

    return sorted(work, key=size, reverse=True)


def _fits(task: ModelTask, settings: GenerateSettings) -> bool:
    """Whether a generator is within the limits on downloads, which its listing alone tells."""
    try:
        return vetted(task.generator, settings).size <= settings.max_disk_gb * 1e9
    except GenerationFailure:
        return False


def _history(root: str, plan_id: str) -> dict[str, list[dict[str, Any]]]:
    if not snapshot.exists(root, GENERATION_ATTEMPTS):
        return {}
    rows = snapshot.scan(root, GENERATION_ATTEMPTS).filter(pl.col("plan_id") == plan_id).collect()
    found: dict[str, list[dict[str, Any]]] = {}
    for past in rows.sort("attempt").to_dicts():
        found.setdefault(past["generator_id"], []).append(past)
    return found


def _refused(root: str, plan_id: str) -> dict[str, str]:
    """Return the codes of the plan's requests that were refused, by their ids."""
    if not snapshot.exists(root, REJECTS):
        return {}
    of_plan = (pl.col("stage") == STAGE) & (pl.col("run_id") == plan_id)
    return dict(snapshot.scan(root, REJECTS).filter(of_plan).select("key", "code").collect().iter_rows())


def _lock_of(folder: str) -> str:
    return f"landing/{folder}"


def _completed(generator_id: str) -> Outcome:
    message = "an interrupted run had made every image"
    return Outcome(generator_id, None, message, 0.0, 0, 0, None, datetime.now(UTC))
