"""Writing an export: cut into shards of so many rows, a few at a time, each by the task that has its rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from itertools import groupby
from operator import or_
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import functions as F

from etl.images.exports.contents import FACTS, Contents
from etl.images.exports.form import Form
from etl.lake.workers import mapped

_WRITTEN = pa.schema([("shard", pa.string()), ("rows", pa.int64())])


@dataclass(frozen=True)
class Shard:
    """A run of a split's rows in their shuffled order."""

    split: str
    number: int
    numbers: int
    first: int
    end: int
    """One past its last position."""

    @property
    def name(self) -> str:
        return f"{self.split}-{self.number:05}-of-{self.numbers:05}"

    @property
    def rows(self) -> int:
        return self.end - self.first


def cut(sizes: Mapping[str, int], rows_per_file: int) -> list[Shard]:
    """Return the shards of splits of these sizes: all of `rows_per_file` rows but the last of each split."""
    shards = []
    for split, size in sizes.items():
        starts = range(0, size, rows_per_file)
        shards += [
            Shard(split, number, len(starts), first, min(first + rows_per_file, size))
            for number, first in enumerate(starts)
        ]
    return shards


def write(contents: Contents, form: Form, folder: Path, shards: Sequence[Shard], rows_per_file: int) -> int:
    """Write shards of the cut by `rows_per_file`; return how many rows they have.

    Of the whole set only these shards' rows are read and moved. Executors must see `folder` at the same path.
    """
    within = [
        (F.col("split") == shard.split) & F.col("position").between(shard.first, shard.end - 1) for shard in shards
    ]
    wanted = reduce(or_, within)
    facts = contents.facts.where(wanted).select(*FACTS)
    files = contents.images().where(wanted).drop("split", "position")
    rows = files.join(F.broadcast(facts), on="image_id", how="inner")
    numbered = rows.withColumn("number", F.floor(F.col("position") / rows_per_file))
    ordered = numbered.repartition(len(shards), "split", "number").sortWithinPartitions("split", "position")
    names = {(shard.split, shard.number): shard.name for shard in shards}
    written = mapped(ordered, partial(_written, form, str(folder), names), "shard string, rows long")
    done = written.collect()
    return sum(row.rows for row in done)


def _written(
    form: Form, folder: str, names: Mapping[tuple[str, int], str], batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Write the shards whose rows follow each other in `batches`, and yield how many rows each has."""
    rows: Iterator[dict[str, Any]] = (row for batch in batches for row in batch.to_pylist())
    for place, of_shard in groupby(rows, key=lambda row: (row["split"], row["number"])):
        count = form.write(Path(folder), names[place], of_shard)
        yield pa.RecordBatch.from_pylist([{"shard": names[place], "rows": count}], schema=_WRITTEN)
