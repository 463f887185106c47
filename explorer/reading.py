"""The lake as one page load sees it: every table at a version fixed at the start, so that the parts agree.

The versions are also what cached answers are kept by: a table that moves on is asked again.
"""

from dataclasses import dataclass

import polars as pl

from etl.lake import schemas, snapshot
from etl.lake.schemas import Table

WRITERS: dict[str, str] = {
    schemas.HUB_RECORDS.name: "crawl",
    schemas.MODELS.name: "catalogue",
    schemas.GENERATORS.name: "catalogue",
    schemas.GENERATION_ATTEMPTS.name: "generate",
    schemas.IMAGES.name: "ingest",
    schemas.COLLECTIONS.name: "ingest",
    schemas.THUMBNAILS.name: "describe",
    schemas.IMAGE_FEATURES.name: "describe",
    schemas.TRAINING_SETS.name: "build-training-set",
    schemas.PREDICTIONS.name: "evaluate",
    schemas.EVALUATIONS.name: "evaluate",
    schemas.GOLD_COUNTS.name: "summarise",
    schemas.GOLD_DIVERSITY.name: "summarise",
    schemas.GOLD_GENERATOR_CARDS.name: "summarise",
}
"""The verb that writes a table, for the notice on a page whose table is not there yet."""

_POLARS: dict[str, pl.DataType | type[pl.DataType]] = {
    "string": pl.String,
    "integer": pl.Int32,
    "long": pl.Int64,
    "double": pl.Float64,
    "boolean": pl.Boolean,
    "binary": pl.Binary,
    "timestamp": pl.Datetime("us", "UTC"),
    "array": pl.List(pl.Null),
}


@dataclass(frozen=True)
class Snapshot:
    """Some tables of the lake at `root`, each at one version; a table that is not there has none."""

    root: str
    versions: tuple[tuple[str, int], ...]

    def has(self, table: Table) -> bool:
        """Whether the table was there."""
        return table.name in dict(self.versions)

    def scan(self, table: Table) -> pl.LazyFrame:
        """Return the table's rows at the snapshot's version, none where the table is not there."""
        if not self.has(table):
            return pl.LazyFrame(schema={f.name: _POLARS[f.dataType.typeName()] for f in table.schema.fields})
        return snapshot.scan(self.root, table, dict(self.versions)[table.name])


def take(root: str, *tables: Table) -> Snapshot:
    """Return the current versions of those `tables` that exist. Raises TableRefused and TableDamaged."""
    there = [table for table in tables if snapshot.exists(root, table)]
    return Snapshot(root, tuple((table.name, snapshot.current_version(root, table)) for table in there))
