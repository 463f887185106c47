"""What of an experiment stands in the lake: cells that are done, their scores and metrics, its effects."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from etl.lake import snapshot
from etl.lake.schemas import (
    EXPERIMENT_EFFECTS,
    EXPERIMENT_IMAGES,
    EXPERIMENT_SCORES,
    EXPERIMENT_UNITS,
    EXPERIMENTS,
    REJECTS,
)
from training.experiments import judging
from training.experiments.selection import id_checksum
from training.experiments.work import Result

Row = dict[str, Any]
STAGE = "experiment"


def versions_of(root: str, experiment: str) -> dict[str, int] | None:
    """Return the table versions of the experiment's newest cell, None where it has none."""
    rows = _rows(root, experiment, ["experiment", "table_versions", "finished_at"])
    if rows.is_empty():
        return None
    found: dict[str, int] = json.loads(rows.sort("finished_at")["table_versions"][-1])
    return found


def done(root: str, experiment: str, hashes: Mapping[str, str]) -> pl.DataFrame:
    """Return the rows of `experiments` of the cells with these hashes, by cell id."""
    wanted = pl.DataFrame({"cell": list(hashes), "cell_hash": list(hashes.values())}, schema=_KEY)
    return _rows(root, experiment, EXPERIMENTS.columns).join(wanted, on=["cell", "cell_hash"], how="semi")


def units(root: str, experiment: str, hashes: Mapping[str, str]) -> pl.DataFrame:
    """Return the rows of `experiment_units` of the cells with these hashes."""
    if not snapshot.exists(root, EXPERIMENT_UNITS):
        return pl.DataFrame(schema=dict.fromkeys(EXPERIMENT_UNITS.columns, pl.String))
    wanted = pl.DataFrame({"cell": list(hashes), "cell_hash": list(hashes.values())}, schema=_KEY)
    rows = snapshot.read(root, EXPERIMENT_UNITS).filter(pl.col("experiment") == experiment)
    return rows.join(wanted, on=["cell", "cell_hash"], how="semi")


def write(
    root: str,
    experiment: str,
    results: Sequence[Result],
    known: Mapping[str, Row],
    tests: Mapping[str, Mapping[str, Sequence[str]]],
    now: datetime,
) -> None:
    """Append what came of cells, scores first: a cell counts as done by its row in `experiments`, the last.

    `known` holds what is known of each cell beforehand, `tests` the image ids of each cell's tests. What failed
    goes to `rejects`.
    """
    sound = [result for result in results if result.failure is None]
    key = {result.cell.id: {"experiment": experiment, **_key(known[result.cell.id])} for result in sound}
    images = {id_checksum(list(ids)): list(ids) for result in sound for ids in tests[result.cell.id].values()}
    scores = [
        {
            **key[result.cell.id],
            "test": name,
            "images": id_checksum(list(tests[result.cell.id][name])),
            "logits": found,
        }
        for result in sound
        for name, found in result.scores.items()
    ]
    by_unit = [
        {**key[result.cell.id], "test": name, **row}
        for result in sound
        for name, rows in result.units.items()
        for row in rows
    ]
    cells = [
        {
            "experiment": experiment,
            **known[result.cell.id],
            **({"run_id": result.run_id} if result.run_id else {}),
            "metrics": json.dumps(
                {name: judging.means(rows) for name, rows in result.units.items()}, sort_keys=True
            ),
            "diversity": json.dumps(
                {**json.loads(known[result.cell.id]["diversity"]), **result.diversity}, sort_keys=True
            ),
            "seconds": result.seconds,
            "finished_at": now,
        }
        for result in sound
    ]
    if sound:
        snapshot.append(
            root, EXPERIMENT_IMAGES, [{"images": name, "image_ids": ids} for name, ids in images.items()]
        )
        snapshot.append(root, EXPERIMENT_SCORES, scores)
        snapshot.append(root, EXPERIMENT_UNITS, by_unit)
        snapshot.append(root, EXPERIMENTS, cells)
    failed = [
        {
            "stage": STAGE, "key": f"{experiment}/{result.cell.id}", "sha256": known[result.cell.id]["cell_hash"],
            "code": "CELL_FAILED", "detail": result.failure, "run_id": experiment, "ts": now,
        }
        for result in results
        if result.failure is not None
    ]  # fmt: skip
    if failed:
        snapshot.append(root, REJECTS, failed)


def conclude(root: str, experiment: str, effects: Collection[Row]) -> None:
    """Replace the experiment's effects."""
    snapshot.replace(root, EXPERIMENT_EFFECTS, list(effects), {"experiment": experiment})


_KEY: dict[str, Any] = {"cell": pl.String, "cell_hash": pl.String}


def _key(row: Row) -> Row:
    return {name: row[name] for name in _KEY}


def _rows(root: str, experiment: str, columns: Sequence[str]) -> pl.DataFrame:
    if not snapshot.exists(root, EXPERIMENTS):
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    return snapshot.read(root, EXPERIMENTS, columns=columns).filter(pl.col("experiment") == experiment)
