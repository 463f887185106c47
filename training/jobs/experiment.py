"""Run an experiment's cells that are not done, draw its figure, and state its effects and verdict."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from etl.command import Stage, run
from etl.config import parse
from training.experiments.settings import ExperimentSettings


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the settings, run what is left, print what it shows; return the exit code."""
    settings = parse(ExperimentSettings, argv, prog="forensics experiment", description=__doc__)
    # Torch and timm take seconds to load: not for `--help` or a misspelt key.
    from training.experiments import dry_run, publishing, running
    from training.experiments.outcome import conclude, lines, outcome
    from training.experiments.planning import plan

    stage = Stage("experiment", "cells")
    planned = plan(settings)
    total = sum(len(one.cells) for one in planned.chosen)
    if settings.dry_run:
        for line in dry_run.lines(planned):
            print(line)
        return stage.finish(
            total + len(planned.problems), total, rejected=len(planned.problems), note="nothing run"
        )
    for problem in planned.problems:
        print(f"experiment: {problem}", file=sys.stderr)
    parent = publishing.parent(planned)
    if not settings.cell:
        publishing.record(settings)
    ran = running.run(planned, parent)
    if settings.cell:
        for line in dry_run.cell_lines(ran.results, planned):
            print(line)
        return stage.finish(total, ran.done, rejected=ran.failed, note="one cell, run by itself")
    came = outcome(planned)
    conclude(came, datetime.now(UTC))
    publishing.publish(planned, came, ran_anything=ran.done > 0)
    for line in lines(came):
        print(line)
    note = f"figure {publishing.figure_path(settings)}"
    return stage.finish(
        total + len(planned.problems),
        ran.done,
        rejected=ran.failed + len(planned.problems),
        already_there=total - ran.done - ran.failed,
        note=note,
    )


if __name__ == "__main__":
    sys.exit(run(main))
