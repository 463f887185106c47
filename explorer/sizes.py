"""How large the tables are, from their logs alone."""

import polars as pl

from etl.errors import ForensicsError
from explorer.reading import Snapshot, commits

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "table": pl.String,
    "rows": pl.Int64,
    "megabytes": pl.Float64,
    "bytes": pl.Int64,
    "files": pl.Int64,
    "version": pl.Int64,
    "changed": pl.Datetime("us", "UTC"),
    "problem": pl.String,
}


def sizes(lake: Snapshot) -> pl.DataFrame:
    """Return one row a table that is there; of one that cannot be read, what is wrong with it."""
    rows: list[tuple[object, ...]] = []
    for table, (name, version, stamp) in zip(lake.tables, lake.versions, strict=True):
        if version is None:
            continue
        try:
            known = lake.content(table)
            at = dict(commits(lake.root, table, version, stamp)).get(version)
            rows.append((name, known.rows, known.bytes / 1e6, known.bytes, len(known.files), version, at, ""))
        except ForensicsError as error:
            rows.append((name, None, None, None, None, version, None, str(error)))
    return pl.DataFrame(rows, schema=pl.Schema(SCHEMA), orient="row")
