"""What runs in Spark's Python workers: functions over Arrow batches."""

import zipimport
from collections.abc import Callable, Iterator
from functools import partial

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

Batches = Iterator[pa.RecordBatch]


def mapped(rows: DataFrame, function: Callable[[Batches], Batches], schema: StructType | str) -> DataFrame:
    """Return `rows.mapInArrow(function, schema)`, without what Spark 4.0 costs each task on Python 3.11.

    At the start of every task a worker calls `importlib.invalidate_caches`, and each importer of an archive then
    reads its directory again: twenty of them, of Spark's own code, at 0.15 to 0.3 s of CPU in a task.
    """
    return rows.mapInArrow(partial(_in_worker, function), schema)


def _in_worker(function: Callable[[Batches], Batches], batches: Batches) -> Batches:
    # An archive does not change under a running worker, and one that comes later gets an importer of its own.
    zipimport.zipimporter.invalidate_caches = _nothing  # type: ignore[method-assign, assignment]
    return function(batches)


def _nothing(importer: zipimport.zipimporter) -> None:
    pass
