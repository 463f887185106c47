"""An experiment's points, for its figure and tables: an arm at one x, judged over seeds, draws and units."""

import json
from typing import NamedTuple

import polars as pl

from training.experiments.design import Design
from training.experiments.judging import COLUMNS


class Measured(NamedTuple):
    """One point by one detector in one test."""

    arm: str
    label: str
    x: float
    place: float
    """On the figure's axis"""
    detector: str
    test: str
    metric: str
    value: float
    """Mean over units, draws and seeds"""
    spread: float
    """Standard deviation over (seed, draw) of the mean over units"""
    sets: int
    """(seed, draw) that it rests on"""
    units: int


def points(design: Design, cells: pl.DataFrame, scores: pl.DataFrame, metric: str, test: str) -> list[Measured]:
    """Return every point of a test by every detector that has it, in the order of the design.

    `cells` are rows of `experiments`, `scores` as `effects.scored` gives them.
    """
    column = COLUMNS[metric]
    chosen = scores.filter(pl.col("test") == test).drop_nulls(column)
    keys = ["arm", "x", "detector"]
    of_sets = chosen.group_by(*keys, "seed", "draw").agg(pl.col(column).mean())
    spread = of_sets.group_by(keys).agg(
        pl.col(column).std().fill_null(0.0).alias("spread"), pl.len().alias("sets")
    )
    by_unit = chosen.group_by(*keys, "unit", "seed").agg(pl.col(column).mean())
    value = by_unit.group_by(keys).agg(
        pl.col(column).mean().alias("value"), pl.col("unit").n_unique().alias("units")
    )
    places = _places(design, cells)
    joined = value.join(spread, on=keys).join(places, on=keys)
    found = []
    for row in joined.iter_rows(named=True):
        arm = design.arms[row["arm"]]
        found.append(
            Measured(
                *(row["arm"], arm.label or row["arm"], row["x"], row["place"], row["detector"], test, metric),
                *(row["value"], row["spread"], row["sets"], row["units"]),
            )
        )
    orders = [list(design.detectors), list(design.arms)]
    return sorted(found, key=lambda one: (orders[0].index(one.detector), orders[1].index(one.arm), one.x))


def _places(design: Design, cells: pl.DataFrame) -> pl.DataFrame:
    """Return where each point stands on the axis: at x, or at the mean of a measure of its training sets."""
    keys = ["arm", "x", "detector"]
    if design.axis.by == "x":
        return cells.select(*keys, pl.col("x").alias("place")).unique()
    measured = [json.loads(text).get(design.axis.by) for text in cells["diversity"]]
    placed = cells.with_columns(place=pl.Series(measured, dtype=pl.Float64)).drop_nulls("place")
    return placed.group_by(keys).agg(pl.col("place").mean())
