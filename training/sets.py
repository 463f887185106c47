"""Training sets as the lake records them: which version of which table to read."""

from dataclasses import dataclass

import polars as pl

from etl.errors import NothingUsable
from etl.lake import snapshot
from etl.lake.schemas import TRAINING_SETS, Table, training_rows


@dataclass(frozen=True)
class TrainingSet:
    """One version of a named training set, with all that a run must log to be repeatable."""

    name: str
    version: int
    rows_version: int
    """Delta version of the table with its rows"""
    config_hash: str
    id_checksum: str
    table_versions: str
    """Delta versions of the tables that it was built from (JSON)"""

    @property
    def table(self) -> Table:
        return training_rows(self.name)

    @property
    def label(self) -> str:
        return f"{self.name}@{self.version}"


def find(root: str, name: str, version: int | None = None) -> TrainingSet:
    """Return a training set, by default its newest version. Raises LakeMissing, NothingUsable."""
    rows = snapshot.read(root, TRAINING_SETS).filter(pl.col("name") == name).sort("version")
    if version is not None:
        rows = rows.filter(pl.col("version") == version)
    if rows.is_empty():
        wanted = name if version is None else f"{name}@{version}"
        raise NothingUsable(f"there is no training set '{wanted}'; run `forensics build-training-set` first")
    row = rows.row(-1, named=True)
    return TrainingSet(
        name=row["name"],
        version=row["version"],
        rows_version=row["rows_version"],
        config_hash=row["config_hash"] or "",
        id_checksum=row["id_checksum"] or "",
        table_versions=row["table_versions"] or "{}",
    )
