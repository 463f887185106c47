"""Generators that were withdrawn, and what the lake still holds of them. Read and recorded without a JVM.

A withdrawal is a row of `withdrawals`: from then on no training set takes the generator's images, ingest refuses
them, and generation leaves it alone. What stands in `images` stays, for the record of older builds, unless it is
erased (erasure.py).
"""

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from etl.errors import NothingUsable
from etl.images.splits import SPLITS
from etl.lake import snapshot
from etl.lake.schemas import GENERATORS, PREDICTIONS, TRAINING_SETS, WITHDRAWALS, training_rows


@dataclass(frozen=True)
class Held:
    """A version of a training set that holds images of generators."""

    name: str
    version: int
    newest: bool
    """Whether it is the newest version of its name: then it needs a successor."""
    rows: dict[str, int]
    """Rows of those generators by split."""

    @property
    def label(self) -> str:
        return f"{self.name}@{self.version}"

    def __str__(self) -> str:
        splits = ", ".join(f"{split} {count}" for split, count in self.rows.items())
        return f"{self.label}{' (newest)' if self.newest else ''}: {sum(self.rows.values())} rows, {splits}"


@dataclass(frozen=True)
class Scored:
    """A run's predictions of images of generators, in one collection."""

    run_id: str
    collection: str
    rows: int


def withdrawn(root: str) -> dict[str, str]:
    """Return the generators that were withdrawn, each with the reason, empty where none was given."""
    if not snapshot.exists(root, WITHDRAWALS):
        return {}
    rows = snapshot.read(root, WITHDRAWALS, columns=["generator_id", "reason"]).rows()
    return {generator_id: reason or "" for generator_id, reason in rows}


def require_known(root: str, generator_ids: Collection[str]) -> None:
    """Raise NothingUsable for an id that `generators` lacks, LakeMissing where there is no such table."""
    known = snapshot.scan(root, GENERATORS).select("generator_id").collect()["generator_id"].to_list()
    if unknown := sorted(set(generator_ids) - set(known)):
        near = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else "the explorer and the table `generators` list all of them"
        raise NothingUsable(f"the lake knows no generator {', '.join(unknown)}; {hint}")


def withdraw(root: str, generator_ids: Sequence[str], reason: str | None, now: datetime) -> int:
    """Record the withdrawals that are not on record yet; return how many. The first reason stays."""
    rows = [{"generator_id": one, "reason": reason, "withdrawn_at": now} for one in generator_ids]
    return snapshot.append(root, WITHDRAWALS, rows)


def held(root: str, generator_ids: Collection[str]) -> list[Held]:
    """Return the versions of training sets that hold images of these generators, by name and version."""
    if not snapshot.exists(root, TRAINING_SETS):
        return []
    builds = snapshot.read(root, TRAINING_SETS, columns=["name", "version", "rows_version"])
    newest = dict(builds.group_by("name").agg(pl.col("version").max()).rows())
    found = []
    for name, version, rows_version in builds.sort("name", "version").rows():
        rows = _rows_of(root, name, rows_version, generator_ids)
        if rows:
            found.append(Held(name, version, newest[name] == version, rows))
    return found


def scored(root: str, generator_ids: Collection[str]) -> list[Scored]:
    """Return which runs have predictions of these generators' images, in which collections, and how many."""
    if not snapshot.exists(root, PREDICTIONS):
        return []
    rows = snapshot.scan(root, PREDICTIONS).filter(pl.col("generator_id").is_in(list(generator_ids)))
    counts = rows.group_by("run_id", "collection").len().sort("run_id", "collection").collect()
    return [Scored(*row) for row in counts.rows()]


def _rows_of(root: str, name: str, rows_version: int, generator_ids: Collection[str]) -> dict[str, int]:
    rows = snapshot.scan(root, training_rows(name), rows_version)
    wanted = rows.filter(pl.col("generator_id").is_in(list(generator_ids)))
    counts = dict(wanted.group_by("split").len().collect().rows())
    return {split: counts[split] for split in SPLITS if split in counts}
