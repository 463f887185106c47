"""Two runs on the same images: how far their metrics differ, slice by slice, and where their verdicts do.

Both are judged under the same draws of the bootstrap, so that the interval of a difference does not count twice
what is easy or hard for both.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import polars as pl

from etl.errors import NothingUsable
from training import baselines, bootstrap, evaluation, scoring, targets
from training.evaluation import Judging
from training.judging_settings import CompareSettings
from training.metrics import METRICS
from training.tracking import Tracker

Row = dict[str, Any]


class Compared(NamedTuple):
    """Differences B - A by slice and metric, images with different verdicts, and how many images both scored."""

    differences: list[Row]
    flipped: pl.DataFrame
    images: int
    alone: tuple[int, int]
    """Images that only A, and only B, has scored; they are left out"""


def compare(settings: CompareSettings) -> Compared:
    """Compare the two runs of the settings.

    Raises NothingUsable for a run that there is not, and where they share no scored image.
    """
    target = targets.find(settings.root, settings.collection)
    ids, runs = zip(*(_scored(settings, target, name) for name in settings.runs), strict=True)
    a, b = (one.join(other.select("image_id"), on="image_id", how="semi") for one, other in (runs, runs[::-1]))
    if a.is_empty():
        raise NothingUsable(f"the runs have no image of {target.name} in common")
    judgings = [_judging(settings, run_id) for run_id in ids]
    figures = [
        evaluation.evaluate(settings.root, found, how, target.pairs)
        for found, how in zip((a, b), judgings, strict=True)
    ]
    differences = [row for pair in zip(*figures, strict=True) for row in _differences(*pair)]
    alone = runs[0].height - a.height, runs[1].height - b.height
    return Compared(differences, _flipped(a, b, judgings), a.height, alone)


def _scored(settings: CompareSettings, target: targets.Target, name: str) -> tuple[str, pl.DataFrame]:
    """Return the id of a run, a baseline or a registered detector's run, and what it has scored of the images."""
    run_id = name
    found = scoring.predictions(settings.root, target, run_id, settings.transform)
    if found.is_empty() and not name.startswith(baselines.PREFIX):
        run_id = Tracker(settings.root).finished_run(name).run_id
        found = scoring.predictions(settings.root, target, run_id, settings.transform)
    if found.is_empty():
        raise NothingUsable(
            f"run '{name}' has scored no image of {target.name} under '{settings.transform}'; run `forensics "
            "evaluate` with it first"
        )
    return run_id, found


def _judging(settings: CompareSettings, run: str) -> Judging:
    points = list(evaluation.points_of(settings.root, run).values())
    how = Judging(settings.pool, settings.balanced, None, settings.seed, settings.bootstrap_draws)
    return replace(how, threshold=evaluation.threshold_of(points))


def _differences(a: bootstrap.Figures, b: bootstrap.Figures) -> list[Row]:
    rows = []
    for at, metric in enumerate(METRICS):
        reason = a.reasons[at] or b.reasons[at]
        values = [None if why else float(one.values[at]) for one, why in ((a, a.reasons[at]), (b, b.reasons[at]))]
        difference = None if reason else float(b.values[at] - a.values[at])
        found = None if difference is None else a.interval_of(b.draws[at] - a.draws[at], at, difference)
        low, high = found or (None, None)
        rows.append({
            "slice_kind": a.kind, "slice": a.name, "metric": metric, "a": values[0], "b": values[1],
            "difference": difference, "ci_low": low, "ci_high": high,
            "n_real": a.n_real, "n_fake": a.n_fake, "reason": reason,
        })  # fmt: skip
    return rows


def _flipped(a: pl.DataFrame, b: pl.DataFrame, judgings: Sequence[Judging]) -> pl.DataFrame:
    """Return the images that one run calls fake and the other real, each by its own threshold (0 without one)."""
    at = [0.0 if how.threshold is None else how.threshold for how in judgings]
    both = a.join(b.select("image_id", logit_b="logit"), on="image_id", how="inner")
    told = both.with_columns(a_says=_says("logit", at[0]), b_says=_says("logit_b", at[1]))
    differ = told.filter(pl.col("a_says") != pl.col("b_says")).rename({"logit": "logit_a"})
    columns = ("image_id", "label", "generator_id", "real_source", "logit_a", "logit_b", "a_says", "b_says")
    return differ.select(*columns).sort("image_id")


def _says(column: str, threshold: float) -> pl.Expr:
    return pl.when(pl.col(column) > threshold).then(pl.lit("fake")).otherwise(pl.lit("real"))
