"""Evaluation: metrics of a run's predictions by slice, into the table `evaluations`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from etl.errors import ConfigError
from etl.lake import snapshot
from etl.lake.schemas import EVALUATIONS, GENERATORS
from training import bootstrap, slices
from training.bootstrap import Figures
from training.metrics import METRICS
from training.operating_points import BALANCED, Point

VALIDATION = "validation"
"""What stands for a pool beside operating points."""
OPERATING_POINT = "operating_point"
FLIP_RATE = "flip_rate"
Row = dict[str, Any]


@dataclass(frozen=True)
class Judging:
    """How predictions become metrics."""

    pool: str = "all"
    balanced: bool = False
    """Whether the reals weigh as much as the fakes that they are judged with"""
    threshold: float | None = None
    """Fixed on validation data"""
    seed: int = 0
    draws: int = 2000

    @property
    def against(self) -> str:
        """The real pool as results name it."""
        return f"{self.pool}, balanced" if self.balanced else self.pool


def evaluate(
    root: str, predictions: pl.DataFrame, how: Judging, pairs: pl.DataFrame | None = None
) -> list[Figures]:
    """Return the figures of predictions. Raises ConfigError for paired reals where none are paired."""
    judged = slices.images(predictions, _generators(root))
    if how.pool == "paired" and pairs is None:
        raise ConfigError("--pool paired: the collection sets no real image beside a generator")
    parts = slices.slices(judged, how.pool, pairs)
    return bootstrap.figures(judged, parts, how.threshold, how.balanced, how.seed, how.draws)


def rows(figures: Sequence[Figures], how: Judging) -> list[Row]:
    """Return the figures as rows of `evaluations` without their keys of run, collection and transform."""
    found = []
    for figure in figures:
        for at, metric in enumerate(METRICS):
            value = None if figure.reasons[at] else float(figure.values[at])
            low, high = (None if value is None else figure.interval(at)) or (None, None)
            found.append({
                **_slice(figure.kind, figure.name, figure.n_real, figure.n_fake), "metric": metric,
                "value": value, "ci_low": low, "ci_high": high, "reason": figure.reasons[at], "pool": how.against,
                "interval_over": None if low is None else figure.level,
                "threshold": {"accuracy": 0.0, "accuracy_at_threshold": how.threshold}.get(metric),
            })  # fmt: skip
    return found


def flips(plain: pl.DataFrame, degraded: pl.DataFrame, how: Judging) -> list[Row]:
    """Return the share of verdicts that a degradation changes: over all images, by generator and by real source.

    A verdict is fake above the threshold that was fixed on validation data, or above 0 where there is none.
    """
    at = 0.0 if how.threshold is None else how.threshold
    both = plain.join(degraded.select("image_id", after="logit"), on="image_id", how="inner")
    told = both.with_columns(flipped=(pl.col("logit") > at) != (pl.col("after") > at))
    found = []
    for kind, column in (("all", pl.lit("all")), ("generator", "generator_id"), ("real_source", "real_source")):
        label = {"generator": 1, "real_source": 0}.get(kind)
        chosen = told if label is None else told.filter(pl.col("label") == label)
        named = chosen.with_columns(name=column if isinstance(column, pl.Expr) else pl.col(column))
        groups = named.drop_nulls("name").group_by("name").agg(
            pl.col("flipped").mean(), n_fake=(pl.col("label") == 1).sum(), n_real=(pl.col("label") == 0).sum()
        )  # fmt: skip
        for row in groups.sort("name").iter_rows(named=True):
            counts = _slice(kind, row["name"], row["n_real"], row["n_fake"])
            found.append(
                {**counts, "metric": FLIP_RATE, "value": row["flipped"], "pool": how.against, "threshold": at}
            )
    return found


def point_rows(points: Sequence[Point]) -> list[Row]:
    """Return operating points as rows of `evaluations` of their validation split."""
    found = []
    for point in points:
        shared = {**_slice(OPERATING_POINT, point.name, point.n_real, point.n_fake), "pool": VALIDATION}
        shared["threshold"] = point.threshold
        found.append({**shared, "metric": "threshold", "value": point.threshold})
        rate = {"value": point.fpr, "ci_low": point.fpr_low, "ci_high": point.fpr_high, "interval_over": "images"}
        found.append({**shared, "metric": "fpr", **rate})
        found.append({**shared, "metric": "tpr", "value": point.tpr})
    return found


def points_of(root: str, run_id: str) -> dict[str, Point]:
    """Return the operating points that are stored for a run, by name; none where it was not evaluated."""
    if not snapshot.exists(root, EVALUATIONS):
        return {}
    snapshot.require_columns(root, EVALUATIONS)
    wanted = (pl.col("run_id") == run_id) & (pl.col("slice_kind") == OPERATING_POINT)
    found: dict[str, dict[str, Row]] = {}
    for row in snapshot.scan(root, EVALUATIONS).filter(wanted).collect().iter_rows(named=True):
        found.setdefault(row["slice"], {})[row["metric"]] = row
    points = {}
    for name, told in found.items():
        fpr = told["fpr"]
        rates = fpr["value"], fpr["ci_low"], fpr["ci_high"], told["tpr"]["value"]
        points[name] = Point(name, told["threshold"]["value"], *rates, fpr["n_real"], fpr["n_fake"])
    return points


def threshold_of(points: Sequence[Point]) -> float | None:
    """Return the threshold that verdicts go by, where validation images allowed to fix one."""
    return next((point.threshold for point in points if point.name == BALANCED), None)


def store(root: str, rows: Sequence[Row], run_id: str, target: str, transform: str, pool: str) -> bool:
    """Write the metrics of one run, target, transform and pool; return False, and commit nothing, for the same."""
    where = {"run_id": run_id, "collection": target, "transform": transform, "pool": pool}
    now = datetime.now(UTC)
    offered = [{**row, **where, "evaluated_at": now} for row in rows]
    snapshot.create(root, EVALUATIONS)
    snapshot.require_columns(root, EVALUATIONS)
    there = snapshot.scan(root, EVALUATIONS).filter([pl.col(name) == value for name, value in where.items()])
    if _same(there.collect(), offered):
        return False
    snapshot.replace(root, EVALUATIONS, offered, where=where)
    return True


def _generators(root: str) -> pl.DataFrame:
    columns = ["generator_id", "family", "architecture"]
    if not snapshot.exists(root, GENERATORS):
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    return snapshot.scan(root, GENERATORS).select(columns).collect().unique("generator_id", keep="first")


def _slice(kind: str, name: str, n_real: int, n_fake: int) -> Row:
    return {"slice_kind": kind, "slice": name, "n_real": n_real, "n_fake": n_fake}


def _same(there: pl.DataFrame, offered: Sequence[Row]) -> bool:
    columns = [column for column in EVALUATIONS.columns if column != "evaluated_at"]

    def by_key(found: Sequence[Mapping[str, Any]]) -> dict[tuple[Any, ...], list[Any]]:
        return {tuple(row[k] for k in EVALUATIONS.key): [_plain(row.get(c)) for c in columns] for row in found}

    return by_key(there.to_dicts()) == by_key(offered)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
