"""Compare two detectors on the images that both have scored: differences by generator, and flipped images."""

import sys
from collections.abc import Sequence

from etl.command import run
from etl.config import parse
from etl.errors import OK
from training.judging_settings import CompareSettings

_WIDTHS = {"slice_kind": 20, "slice": 44, "metric": 21, "image_id": 64, "generator_id": 44, "real_source": 16}
_IN_TABLE = ("average_precision", "roc_auc", "accuracy")


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the settings, compare, print; return the exit code."""
    settings = parse(CompareSettings, argv, prog="forensics compare", description=__doc__)
    # Torch takes seconds to load: not for `--help` or a misspelt key.
    from training.comparison import compare
    from training.output import Printer

    found = compare(settings)
    rows = found.flipped.to_dicts() if settings.flipped else found.differences
    if settings.format == "table" and not settings.flipped:
        rows = [row for row in rows if row["metric"] in _IN_TABLE]  # the other formats have all
    columns = found.flipped.columns if settings.flipped else [*found.differences[0]]
    printer = Printer(columns, settings.format, _WIDTHS)
    for line in (*printer.head(), *printer.lines(rows)):
        print(line)
    a, b = settings.runs
    print(
        f"compare: {found.images} images that both {a} and {b} have scored ({found.alone[0]} only the first, "
        f"{found.alone[1]} only the second), {found.flipped.height} with different verdicts; differences are the "
        "second less the first",
        file=sys.stdout if settings.format == "table" else sys.stderr,
    )
    return OK


if __name__ == "__main__":
    sys.exit(run(main))
