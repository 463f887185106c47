"""Splits of a training set: which row groups of which files hold their rows, at a pinned version.

Splits are a column, so a row group may mix them. The statistics in a footer tell which row groups hold only one
split; of a mixed one, the loader drops the rows of other splits, and here is counted how many stay.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from etl.errors import NothingUsable, TableDamaged
from etl.lake import snapshot, storage
from etl.lake.schemas import Table
from training.errors import RowsLost, SplitsOverlap


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


def require_sound(root: str, table: Table, version: int) -> None:
    """Refuse a training set that cannot be learnt from or whose judgement would be wrong, before its first epoch.

    Raises NothingUsable where the training split is empty or of one class, SplitsOverlap where an image comes more
    than once, be it in one split or in two.
    """
    rows = snapshot.scan(root, table, version).select("image_id", "split", "label").collect()
    training = rows.filter(pl.col("split") == "train")
    if training["label"].n_unique() < 2:
        raise NothingUsable(
            f"the training split of {table.name} has {training.height} images, of fewer than two classes; build "
            "it from both real and generated images"
        )
    twice = rows.group_by("image_id").agg(pl.col("split").sort()).filter(pl.col("split").list.len() > 1)
    if not twice.is_empty():
        first = twice.sort("image_id").row(0, named=True)
        raise SplitsOverlap(
            f"{twice.height} images of {table.name} come more than once, such as {first['image_id']} in "
            f"{' and '.join(first['split'])}; build the training set again"
        )


def _row_groups(file: str, split: str) -> Iterator[RowGroup]:
    """Yield the row groups of a file that hold rows of the split, told by the footer where it can tell."""
    with opened(file) as parquet:
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


@contextlib.contextmanager
def opened(file: str) -> Iterator[pq.ParquetFile]:
    """Open a file of the table. Raises TableDamaged where it is missing or cannot be read."""
    try:
        with _source(file) as source:
            yield pq.ParquetFile(source)
    except Exception as error:
        if named := storage.failure(file, error):
            raise named from None
        if not isinstance(error, OSError | pa.ArrowException):
            raise
        raise TableDamaged(
            f"{local_path(file)} cannot be read ({' '.join(str(error).split())[:300]}); look at the disk or the "
            "store, or build the training set again"
        ) from error


def _source(file: str) -> Any:
    path = local_path(file)
    return open(path, "rb") if is_on_disk(file) else storage.file_system().open(path, "rb")


def is_on_disk(url: str) -> bool:
    """Whether a file of a table lies in a folder and not in an object store."""
    return url.startswith("file://")


def local_path(url: str) -> str:
    """Return the path behind a URL, as its file system takes it: Delta leaves no character to decode."""
    return url.partition("://")[2]
