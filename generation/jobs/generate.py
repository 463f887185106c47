"""Sample images from the generators of a plan, or from all eligible ones, one child process a model."""

import contextlib
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from tqdm import tqdm

from etl.command import Stage, run
from etl.config import parse
from etl.errors import OK
from etl.lake import snapshot
from etl.lake.lock import table_lock
from etl.lake.schemas import GENERATION_ATTEMPTS, GENERATORS
from generation import nsfw
from generation.attempts import Breaker, Outcome, progress, wait_before
from generation.devices import places
from generation.execution import Standing, Work, carry_out, standing, start_workers, sweep
from generation.pinned import pinned_plan
from generation.plan import Plan
from generation.settings import GenerateSettings
from generation.status import report


def main(argv: Sequence[str] | None = None) -> int:
    settings = parse(GenerateSettings, argv, "forensics generate", __doc__)
    if settings.status:
        at_a_time = places(settings.device, settings.workers)[1]
        print("\n".join(report(settings.root, settings.plan, settings.max_attempts, at_a_time)))
        return OK
    nsfw.check(settings.nsfw_scorer)
    stage = Stage("generate", "images")
    snapshot.open_table(settings.root, GENERATORS)  # a missing lake is said before a lock makes its folder
    with table_lock(settings.root, GENERATION_ATTEMPTS.name):
        plan = pinned_plan(settings, datetime.now(UTC))
        sweep(settings.root)
        left = standing(plan, settings)
        new, refused = _sample(plan, left, settings) if left.work else (0, 0)
    note = f"{len(plan.tasks)} generators, plan {plan.plan_id}"
    if closed := [task.generator for task in plan.tasks if task.generator.refused]:
        for generator in closed:
            print(f"generate: {generator.generator_id}: not sampled, {generator.refused}", file=sys.stderr)
        note += f", {len(closed)} of them not eligible any more"
    if codes := ", ".join(sorted(left.exhausted)):
        print(f"generate: last tries ended with {codes}; --retry '[{codes}]' gives another", file=sys.stderr)
    return stage.finish(plan.images, new, refused + left.given_up, left.already_there, note)


def _sample(plan: Plan, left: Standing, settings: GenerateSettings) -> tuple[int, int]:
    """Do the work that is left, with a bar for people or lines for logs; return images made and refused.

    Failures that may pass are tried again when all else is done, each time after a longer wait; --retry names
    what is tried again now, not what is in every round.
    """
    new, work, breaker, once = 0, left.work, Breaker(), replace(settings, retry=None)
    with (
        _driver(settings) as tries,
        tqdm(total=plan.images, initial=left.already_there, unit="image", disable=None) as bar,
    ):
        while work:
            failed, started = [], time.monotonic()
            # Closed at once where the run ends early: what waits in line is not begun any more.
            with contextlib.closing(tries(plan, work, settings)) as ended:
                for number, (tried, outcome) in enumerate(ended, 1):
                    new += outcome.images
                    failed += [tried.task] if outcome.code else []
                    bar.update(outcome.images)
                    place = progress(number, len(work), time.monotonic() - started)
                    bar.write(f"generate: {outcome.told(len(tried.wanted))} ({place})", file=sys.stderr)
                    breaker.heed(outcome, tried.task.generator.pipeline_class)
            work = standing(replace(plan, tasks=tuple(failed)), once).work
            if work:
                seconds = wait_before(min(again.attempt for again in work), settings.backoff_seconds)
                bar.write(f"generate: {len(work)} generators are tried again in {seconds:.0f} s", file=sys.stderr)
                time.sleep(seconds)
    return new, sum(len(one.wanted) for one in left.work) - new


@contextlib.contextmanager
def _driver(settings: GenerateSettings) -> Iterator[Callable[..., Generator[tuple[Work, Outcome]]]]:
    """Start what carries a plan out. Only the one on Spark needs Java."""
    if settings.driver == "spark":
        from etl.lake.session import session
        from generation.waves import carry_out_in_waves

        # Spark's local masters end a job with the first loss of a task unless they are told a number.
        with session("generate", master="local[*,4]", root=settings.root) as spark:
            yield partial(carry_out_in_waves, spark=spark)
    else:
        with start_workers(settings) as workers:
            yield partial(carry_out, workers=workers)


if __name__ == "__main__":
    sys.exit(run(main))
