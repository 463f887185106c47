"""Parquet's settings of the tables' files, for a session while it writes them.

Delta ignores them as writer options. Measured: row groups of 8 MB need the row checks as well, since Parquet
otherwise looks at the size every 100 rows.
"""

import contextlib
from collections.abc import Iterator, Mapping

from pyspark.sql import SparkSession

from etl.lake.schemas import Table

_IMAGE_FILES = {
    "spark.sql.parquet.compression.codec": "uncompressed",
    "parquet.block.size": str(8 << 20),
    "parquet.page.size": str(256 << 10),
    "parquet.page.row.count.limit": "20",
    "parquet.page.size.row.check.min": "4",
    "parquet.page.size.row.check.max": "20",
    "parquet.block.size.row.check.min": "8",
    "parquet.block.size.row.check.max": "32",
}
_PLAIN_FILES = {"spark.sql.parquet.compression.codec": "zstd"}


@contextlib.contextmanager
def writing_files(spark: SparkSession, table: Table) -> Iterator[None]:
    """Set within the block what the table's files are written with."""
    with set_on(spark, _IMAGE_FILES if table.holds_images else _PLAIN_FILES):
        yield


@contextlib.contextmanager
def set_on(spark: SparkSession, settings: Mapping[str, str]) -> Iterator[None]:
    """Have the session's settings within the block, and unset after it."""
    for key, value in settings.items():
        spark.conf.set(key, value)
    try:
        yield
    finally:
        for key in settings:
            spark.conf.unset(key)
