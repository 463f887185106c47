"""Evaluation: metrics of a run's predictions by generator, into the table `evaluations`."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from etl.lake import snapshot
from etl.lake.schemas import EVALUATIONS
from training.metrics import Group, judge
from training.scoring import UNTRANSFORMED

_UNDATED = [column for column in EVALUATIONS.columns if column != "evaluated_at"]


def evaluate(predictions: pl.DataFrame, seed: int, draws: int) -> list[Group]:
    """Return the metrics of predictions, which are sorted by image so that equal rows give equal sums."""
    rows = predictions.sort("image_id")
    return judge(
        rows["label"].to_numpy().astype(np.int64),
        rows["logit"].to_numpy(),
        rows["generator_id"].to_list(),
        seed,
        draws,
    )


def store(root: str, groups: list[Group], run_id: str, collection: str) -> bool:
    """Write the metrics of one run on one collection; return False, and commit nothing, when they are there."""
    rows = _rows(groups, run_id, collection)
    snapshot.create(root, EVALUATIONS)
    there = snapshot.scan(root, EVALUATIONS).filter(
        (pl.col("run_id") == run_id) & (pl.col("collection") == collection)
    )
    if _same(there.select(_UNDATED).collect(), rows):
        return False
    snapshot.replace(root, EVALUATIONS, rows, where={"run_id": run_id, "collection": collection})
    return True


def table(groups: list[Group]) -> str:
    """Return the metrics as text for a person: one line a slice."""
    width = max(len("generator"), *(len(group.name) for group in groups))
    lines = [f"{'generator':<{width}}  {'AP':>6}  {'accuracy':>8}  {'real':>6}  {'fake':>6}"]
    for group in groups:
        precision, right = (
            value.reason or "" if value.value is None else f"{value.value:.3f}" for value in group.values
        )
        lines.append(f"{group.name:<{width}}  {precision:>6}  {right:>8}  {group.n_real:>6}  {group.n_fake:>6}")
    return "\n".join(lines)


def _rows(groups: list[Group], run_id: str, collection: str) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    return [
        {
            "run_id": run_id,
            "collection": collection,
            "slice_kind": group.kind,
            "slice": group.name,
            "transform": UNTRANSFORMED,
            "metric": value.metric,
            "value": value.value,
            "ci_low": value.low,
            "ci_high": value.high,
            "n_real": group.n_real,
            "n_fake": group.n_fake,
            "reason": value.reason,
            "evaluated_at": now,
        }
        for group in groups
        for value in group.values
    ]


def _same(there: pl.DataFrame, rows: list[dict[str, Any]]) -> bool:
    key = list(EVALUATIONS.key)
    held = {tuple(row[column] for column in key): row for row in there.iter_rows(named=True)}
    offered = {tuple(row[column] for column in key): {column: row[column] for column in _UNDATED} for row in rows}
    return held == offered
