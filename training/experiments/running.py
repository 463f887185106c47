"""Running an experiment: features first, then cell after cell in processes, each written as it is done."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing import get_context
from typing import Any, NamedTuple

from tqdm import tqdm

from etl.faults import fault_point
from etl.lake.lock import table_lock
from etl.lake.schemas import IMAGES
from training import targets
from training.experiments import features, planning, records, trained, work
from training.experiments.cells import Chosen
from training.experiments.planning import Plan
from training.experiments.work import Result
from training.watchdog import leave_with_parent

_FLUSH_SECONDS = float(os.environ.get("FORENSICS_FLUSH_SECONDS", "20"))
"""Between writes: what a kill can cost. The variable is for tests."""
_MOST_UNDER_WAY = 8
_SAY_SECONDS = 15.0
"""Between lines of progress where nobody watches."""


class Ran(NamedTuple):
    """Cells of a run by what became of them."""

    done: int
    failed: int
    results: list[Result]


class Progress:
    """A bar where a person watches, lines with an estimate where none does."""

    def __init__(self, noun: str, total: int):
        self._noun, self._total, self._done = noun, total, 0
        self._bar = tqdm(total=total, desc=noun, disable=not sys.stderr.isatty(), leave=False)
        self._started = self._said = time.monotonic()

    def add(self, count: int) -> None:
        self._done += count
        self._bar.update(count)
        now = time.monotonic()
        if self._bar.disable and (now - self._said >= _SAY_SECONDS or self._done == self._total):
            left = (now - self._started) / max(1, self._done) * (self._total - self._done)
            print(
                f"experiment: {self._noun} {self._done}/{self._total}, {now - self._started:.0f} s, "
                f"about {left:.0f} s left",
                flush=True,
            )
            self._said = now
        if self._done == self._total:
            self._bar.close()


def run(plan: Plan, run_id: str | None, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Ran:
    """Run the cells that are not done and write what comes of them; a kill costs what is not written yet.

    Raises LockHeld when another process runs the same experiment.
    """
    settings = plan.settings
    with (
        table_lock(settings.root, f"experiments/{settings.name}"),
        _executor(0 if settings.cell else settings.processes) as submit,
    ):
        to_do = plan.to_do
        _measure(plan, to_do, submit)
        progress = Progress("cells", sum(len(one.cells) for one in to_do))
        finished: list[Result] = []
        waiting: list[tuple[Chosen, list[Result]]] = []
        flushed = time.monotonic()
        for chosen, results in _finished(plan, to_do, submit):
            waiting.append((chosen, results))
            progress.add(len(results))
            if time.monotonic() - flushed >= _FLUSH_SECONDS:
                _write(plan, waiting, run_id, now())
                fault_point("experiment:after-write")
                waiting, flushed = [], time.monotonic()
            finished += results
        _write(plan, waiting, run_id, now())
    failed = sum(result.failure is not None for result in finished)
    return Ran(len(finished) - failed, failed, finished)


def _measure(plan: Plan, to_do: list[Chosen], submit: Callable[..., Future[Any]]) -> None:
    """Compute the features that the training sets need and the lake does not keep."""
    lacking = features.missing(planning.wanted(planning.task(plan, one) for one in to_do))
    ids = {image_id for group in lacking.values() for image_id in group}
    if not ids:
        return
    root = plan.settings.root
    progress = Progress("images measured", len(ids))
    encoded = targets.encoded(root, IMAGES, plan.versions[IMAGES.name], ids)
    for count in features.compute(lacking, encoded, submit):
        progress.add(count)
    features.load.cache_clear()


def _finished(
    plan: Plan, to_do: list[Chosen], submit: Callable[..., Future[Any]]
) -> Iterator[tuple[Chosen, list[Result]]]:
    """Yield each training set with its results as they come; a few are under way at a time."""
    futures: dict[Future[Any], Chosen] = {}
    for one in to_do:
        task = planning.task(plan, one)
        if task.cells:
            futures[submit(work.run, task)] = one
        while len(futures) >= _MOST_UNDER_WAY:
            yield from _taken(futures)
    while futures:
        yield from _taken(futures)
    design = plan.settings.design
    for one in to_do:
        for cell in one.cells:
            if not features.is_fixed(design.detector(cell.detector)):
                yield replace(one, cells=(cell,)), [trained.run(plan, one, cell)]


def _taken(futures: dict[Future[Any], Chosen]) -> Iterator[tuple[Chosen, list[Result]]]:
    for future in wait(futures, return_when=FIRST_COMPLETED).done:
        yield futures.pop(future), future.result()


def _write(plan: Plan, waiting: list[tuple[Chosen, list[Result]]], run_id: str | None, now: datetime) -> None:
    results = [result for _, some in waiting for result in some]
    if not results:
        return
    known: dict[str, dict[str, Any]] = {}
    tests: dict[str, Mapping[str, list[str]]] = {}
    for chosen, _ in waiting:
        known |= planning.known(plan, chosen, run_id)
        ids = planning.test_ids(plan, chosen)
        tests |= {cell.id: ids for cell in chosen.cells}
    records.write(plan.settings.root, plan.settings.name, results, known, tests, now)


@contextlib.contextmanager
def _executor(processes: int) -> Iterator[Callable[..., Future[Any]]]:
    """Yield what submits a call: to processes of their own, or with 0 to this one, at once."""
    if processes == 0:
        yield _at_once
        return
    context = get_context("forkserver")
    context.set_forkserver_preload(["training.experiments.work"])
    with ProcessPoolExecutor(processes, context, initializer=leave_with_parent) as pool:
        try:
            yield pool.submit
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _at_once(call: Callable[..., Any], *arguments: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(call(*arguments))
    return future
