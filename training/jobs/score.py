"""Score files, folders or images of the lake with a detector: forensics score PATH … [--key value …]"""

import sys
from collections.abc import Sequence
from itertools import chain, takewhile

from etl.command import Stage, run
from etl.config import parse
from etl.errors import ConfigError
from training.judging_settings import ScoreSettings

_WIDTHS = {"source": 48, "verdict": 7, "probability": 11, "operating_point": 15, "threshold": 9, "stated_fpr": 10}


def main(argv: Sequence[str] | None = None) -> int:
    """Parse paths and settings, score, print a row an image; return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    leading = list(takewhile(lambda word: not word.startswith("--"), words))
    settings = parse(ScoreSettings, words[len(leading) :], prog="forensics score", description=__doc__)
    paths = [*leading, *settings.paths]
    if not paths:
        raise ConfigError("name the files, folders or lake:NAME to score, before the options or by --paths")
    # Torch and timm take seconds to load: not for `--help` or a misspelt key.
    from training import verdicts
    from training.output import Printer

    stage = Stage("score", "images")
    judge = verdicts.judge(settings)
    in_table = settings.format == "table"
    wide = (*verdicts.COLUMNS, *(verdicts.MAPPED if settings.heat_map else ()))
    printer = Printer((*_WIDTHS, "code", "detail") if in_table else wide, settings.format, _WIDTHS)
    print(*printer.head(), sep="\n", end="\n" if settings.format != "json" else "")
    scored = refused = 0
    asked = ([line.rstrip("\n")] for line in sys.stdin) if paths == ["-"] else [paths]
    for rows in chain.from_iterable(verdicts.score(judge, settings, some) for some in asked):
        for line in printer.lines(rows):
            print(line, flush=paths == ["-"])
        bad = sum(row["code"] is not None for row in rows)
        scored, refused = scored + len(rows) - bad, refused + bad
    point, spared = judge.point, judge.spared
    rate = "unknown" if point.fpr is None else f"{point.fpr:.3f} [{point.fpr_low:.3f}, {point.fpr_high:.3f}]"
    band = f", abstaining down to logit {spared.threshold:.3f} ({spared.name})" if spared else ""
    run_ = f"run {judge.run_id}, " if judge.run_id else ""
    note = f"{judge.name}, {run_}weights {judge.weights}, fake above logit {point.threshold:.3f} ({point.name}), "
    return stage.finish(
        scored + refused,
        scored,
        refused,
        note=f"{note}false positives on validation images {rate}{band}",
        to=sys.stdout if in_table else sys.stderr,
    )


if __name__ == "__main__":
    sys.exit(run(main))
