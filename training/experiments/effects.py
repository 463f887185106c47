"""What an experiment shows: differences between two points, their intervals, and the verdict of the rule.

A point's score of a unit in a seed is the mean over its draws (and folds, where a unit is in several). Treatment
less control is paired by unit and seed; its interval is a two-way bootstrap that draws units and seeds, each with
replacement (Owen, The pigeonhole bootstrap, Annals of Applied Statistics 1(2), 2007): neither units within a seed
nor seeds within a unit are independent. Percentiles are taken further out, as of a t distribution on the number of
units, since plain ones are too narrow (`training.intervals.interval`).
"""

from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from training import intervals
from training.experiments.design import Design, Effect, Point
from training.experiments.judging import COLUMNS

Floats = NDArray[np.float64]
SHOWN, NOT_SHOWN, CONTRARY = "shown", "not shown", "contrary"
NO_PAIRS = "NO_PAIRS"
FEW_UNITS = "FEW_UNITS"


class Paired(NamedTuple):
    """Scores of control and treatment where both have them: [units, seeds], NaN elsewhere."""

    control: Floats
    treatment: Floats

    @property
    def difference(self) -> Floats:
        return self.treatment - self.control


def effects(design: Design, scores: pl.DataFrame, draws: int) -> list[dict[str, Any]]:
    """Return the rows of `experiment_effects` (without experiment, hash and time), one an effect and detector.

    `scores` are as `scored` gives them.
    """
    found = []
    for number, (name, effect) in enumerate(design.effects.items()):
        for detector in design.detectors:
            row = _effect(design, effect, scores.filter(pl.col("detector") == detector), draws)
            headline = number == 0 and detector == design.primary
            found.append({"effect": name, "detector": detector, "is_headline": headline, **row})
    return found


def scored(cells: pl.DataFrame, units: pl.DataFrame) -> pl.DataFrame:
    """Return one row a cell, test and unit: arm, x, seed, fold, draw, detector, and the metrics."""
    known = cells.select("cell", "cell_hash", "arm", "x", "seed", "fold", "draw", "detector")
    return known.join(units, on=["cell", "cell_hash"], how="inner")


def verdict(low: float, high: float, difference: float, minimum: float) -> str:
    """Return the rule's verdict: shown where the interval lies above 0 and the difference reaches the minimum."""
    if low > 0 and difference >= minimum:
        return SHOWN
    return CONTRARY if high < 0 else NOT_SHOWN


def two_way(values: Floats, draws: int, level: float, seed: int = 0) -> tuple[float, float] | None:
    """Return the interval of the mean over [units, seeds], NaN where a unit is not in a seed.

    None where there are fewer than two units. A single seed is not drawn: the interval is over units alone.
    """
    n_units, n_seeds = values.shape
    random = np.random.default_rng(seed)
    drawn_units = random.multinomial(n_units, np.full(n_units, 1 / n_units), draws).astype(float)
    drawn_seeds = random.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), draws).astype(float)
    there = np.isfinite(values)
    weight = np.einsum("du,us,ds->d", drawn_units, there.astype(float), drawn_seeds)
    sums = np.einsum("du,us,ds->d", drawn_units, np.where(there, values, 0.0), drawn_seeds)
    with np.errstate(invalid="ignore"):
        means = (sums / weight).astype(np.float32)
    return intervals.interval(means, n_units, level=level)


def of_point(design: Design, scores: pl.DataFrame, point: Point, test: str, column: str) -> pl.DataFrame:
    """Return unit, seed and value of a point: the mean over draws and folds, or what hindsight picks."""
    at = scores.filter(
        pl.col("arm") == point.arm, pl.col("x") == design.x_of(point), pl.col("test") == test
    ).drop_nulls(column)
    if point.pick == "best":
        places = at.group_by("seed", "fold", "draw").agg(pl.col(column).mean().alias("mean"))
        best = places.sort("mean", "draw", descending=[True, False]).unique(["seed", "fold"], keep="first")
        at = at.join(best.select("seed", "fold", "draw"), on=["seed", "fold", "draw"], how="semi")
    return at.group_by("unit", "seed").agg(pl.col(column).mean().alias("value")).sort("unit", "seed")


def paired(control: pl.DataFrame, treatment: pl.DataFrame) -> Paired:
    """Lay the common (unit, seed) of two points out as matrices."""
    both = control.join(treatment, on=["unit", "seed"], how="inner", suffix="_treated")
    units, seeds = (sorted(both[name].unique().to_list()) for name in ("unit", "seed"))
    place = {name: at for at, name in enumerate(units)}, {name: at for at, name in enumerate(seeds)}
    matrices = np.full((2, len(units), len(seeds)), np.nan)
    for unit, seed, value, treated in both.select("unit", "seed", "value", "value_treated").iter_rows():
        matrices[:, place[0][unit], place[1][seed]] = value, treated
    return Paired(matrices[0], matrices[1])


def _effect(design: Design, effect: Effect, scores: pl.DataFrame, draws: int) -> dict[str, Any]:
    column = COLUMNS[effect.metric]
    points = (effect.control, effect.treatment)
    pair = paired(*(of_point(design, scores, point, effect.test, column) for point in points))
    names = [f"{point.arm}/{design.x_of(point):g}" + ("/best" if point.pick == "best" else "") for point in points]
    row: dict[str, Any] = {
        "test": effect.test, "metric": effect.metric, "control": names[0], "treatment": names[1],
        "level": effect.level, "minimum": effect.minimum, "units": pair.control.shape[0],
        "seeds": pair.control.shape[1], "pairs": int(np.isfinite(pair.difference).sum()),
    }  # fmt: skip
    if not row["pairs"]:
        return row | {"verdict": NOT_SHOWN, "reason": NO_PAIRS}
    difference = float(np.nanmean(pair.difference))
    row |= {
        "control_value": float(np.nanmean(pair.control)),
        "treatment_value": float(np.nanmean(pair.treatment)),
        "difference": difference,
        "units_up": int((np.nanmean(pair.difference, axis=1) > 0).sum()),
    }
    found = two_way(pair.difference, draws, effect.level)
    if found is None:
        return row | {"verdict": NOT_SHOWN, "reason": FEW_UNITS}
    low, high = found
    told = verdict(low, high, difference, effect.minimum)
    return row | {"ci_low": low, "ci_high": high, "verdict": told}
