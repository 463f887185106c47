"""Spark's Python workers: what a task of ours does not pay for."""

import importlib
import zipimport
from collections.abc import Iterator

import pyarrow as pa

from etl.lake.workers import mapped


def read_again(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield how many archives' directories a task's start reads again."""
    archives = zipimport._zip_directory_cache
    before = dict(archives)
    importlib.invalidate_caches()
    yield pa.RecordBatch.from_pydict(
        {"archives": [len(before)], "again": [sum(archives[a] is not before[a] for a in before)]}
    )
    for _ in batches:
        pass


def test_a_task_does_not_read_the_archives_of_its_worker_again(spark):
    row = mapped(spark.range(1).repartition(1), read_again, "archives long, again long").first()
    assert row.archives > 0 and row.again == 0
