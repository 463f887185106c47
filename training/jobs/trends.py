"""Lay a run's detection against lineage distance and release date, and raise alarms for new generators."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from etl.command import run
from etl.config import parse
from etl.errors import OK
from training.experiments.settings import TrendsSettings


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the settings, lay scores against what is known, write and print it; return the exit code."""
    settings = parse(TrendsSettings, argv, prog="forensics trends", description=__doc__)
    from training.experiments import surveillance

    training_set = settings.training_set
    if training_set is None:
        from training.tracking import Tracker

        tags = Tracker(settings.root).run(settings.run).tags
        training_set = f"{tags['training_set']}@{tags['training_set_version']}"
    surveyed = surveillance.survey(settings, training_set, datetime.now(UTC))
    surveillance.write(settings.root, surveyed)
    for line in surveillance.lines(surveyed):
        print(line)
    return OK


if __name__ == "__main__":
    sys.exit(run(main))
