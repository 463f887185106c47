"""Splits of a training set: which row groups of which files hold their rows, at a pinned version.

Splits are a column, so a row group may mix them. The statistics in a footer tell which row groups hold only one
split; of a mixed one, the loader drops the rows of other splits, and here is counted how many stay.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl
import pyarrow.parquet as pq

from etl.lake import snapshot
from etl.lake.schemas import Table
from training.errors import RowsLost


class RowGroup(NamedTuple):
    """One row group of one file, with how many of its rows belong to the split."""

    file: str
    number: int
    rows: int


@dataclass(frozen=True)
class Split:
    """One split of a training set at one version of its table."""

    name: str
    groups: tuple[RowGroup, ...]

    @property
    def rows(self) -> int:
        return sum(group.rows for group in self.groups)


def open_split(root: str, table: Table, version: int, name: str) -> Split:
    """Return a split's row groups in the live files of the table at `version`.

    Raises RowsLost when the files' rows are not those that Delta's readers count, and what
    `etl.lake.snapshot.open_table` raises (deletion vectors, column mapping).
    """
    files = snapshot.live_files(root, table, version)
    split = Split(name, tuple(group for file in files for group in _row_groups(file, name)))
    wanted = pl.col("split") == name
    counted = snapshot.scan(root, table, version).filter(wanted).select(pl.len()).collect().item()
    if split.rows != counted:
        raise RowsLost(
            f"the files of {table.name} at version {version} hold {split.rows} rows of the split '{name}', its "
            f"table counts {counted}"
        )
    return split


def _row_groups(file: str, split: str) -> Iterator[RowGroup]:
    """Yield the row groups of a file that hold rows of the split, told by the footer where it can tell."""
    with open(local_path(file), "rb") as source:
        parquet = pq.ParquetFile(source)
        column = parquet.schema_arrow.get_field_index("split")
        for index in range(parquet.num_row_groups):
            group = parquet.metadata.row_group(index)
            statistics = group.column(column).statistics
            told = statistics is not None and statistics.has_min_max and statistics.null_count == 0
            if told and not statistics.min <= split <= statistics.max:
                continue
            if told and statistics.min == statistics.max:
                yield RowGroup(file, index, group.num_rows)
                continue
            values = parquet.read_row_group(index, columns=["split"]).column(0).to_pylist()
            if split in values:
                yield RowGroup(file, index, values.count(split))


def local_path(url: str) -> str:
    """Return the path behind a file:// URL as it is: Delta leaves no character to decode."""
    return url.removeprefix("file://")
