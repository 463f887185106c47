"""Name the generators that would add most to a training set: those with images in the lake, and those without."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from etl.command import run
from etl.config import parse
from etl.errors import OK
from training.experiments.settings import AdditionsSettings


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the settings, choose, write and print the choice; return the exit code."""
    settings = parse(AdditionsSettings, argv, prog="forensics additions", description=__doc__)
    from training.experiments import additions

    rows = additions.additions(settings, datetime.now(UTC))
    additions.write(settings.root, rows)
    for line in additions.lines(rows):
        print(line)
    return OK


if __name__ == "__main__":
    sys.exit(run(main))
