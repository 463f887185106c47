"""Write an experiment's report: one HTML file with figures, tables, configuration, versions, how to rerun."""

import sys
from collections.abc import Sequence

from etl.command import run
from etl.config import parse
from etl.errors import OK
from training.experiments.settings import ReportSettings


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the settings, write the report, say where; return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and not words[0].startswith("-"):
        words = [f"--name={words[0]}", *words[1:]]
    settings = parse(ReportSettings, words, prog="forensics report", description=__doc__)
    from training.experiments import report

    path = report.write(settings)
    print(f"report: {path} ({path.stat().st_size / 1000:.0f} kB)")
    return OK


if __name__ == "__main__":
    sys.exit(run(main))
