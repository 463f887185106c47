"""From a source's entries to rows of `images`, `collections` and `rejects`, a wave at a time.

Bytes are read, hashed and decoded once, on the executors, and pass from there to the table: what is decided about
a wave, such as what is there already, is decided on narrow rows without them.
"""

import hashlib
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any

import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import ArrayType, IntegerType, LongType, StringType, StructField, StructType

from etl.faults import fault_point
from etl.images.decoder import shared_decoder
from etl.images.decoding import Code, Refused
from etl.images.sources import Entry, Source
from etl.images.verdicts import NEW, REJECTED, THERE, images, judge, places, refused
from etl.images.withdrawal import withdrawn
from etl.lake.schemas import COLLECTIONS, IMAGES
from etl.lake.store import Lake
from etl.lake.workers import mapped

_LEARNT = {
    *("image_id", "bytes", "format", "width", "height", "mode", "n_frames", "exif_orientation", "bit_depth"),
    "icc_profile",
}
_STAMPED = {"source", "source_key", "run_id", "ingested_at"}
_KNOWN = [field for field in IMAGES.schema if field.name not in _LEARNT | _STAMPED]
_PLACE = [StructField("split", StringType()), StructField("pairs", ArrayType(StringType()))]
_VERDICT = [
    StructField("key", StringType()),
    StructField("code", StringType()),
    StructField("detail", StringType()),
]
_POSITION = StructField("position", LongType())

ENTRY = StructType(
    [
        _POSITION,
        *_VERDICT,
        StructField("path", StringType()),
        StructField("part", IntegerType()),
        StructField("first", LongType()),
        StructField("rows", LongType()),
        StructField("sha256", StringType()),
        *_PLACE,
        *_KNOWN,
    ]
)
"""An entry as it goes to the executors: where its images are, and what the source knows of them."""

_CHECKED = StructType(
    [
        _POSITION,
        StructField("item", IntegerType()),
        *_VERDICT,
        *_PLACE,
        *[field for field in IMAGES.schema if field.name not in _STAMPED],
    ]
)
_BATCH_ROWS, _BATCH_BYTES = 64, 16 << 20
"""What goes to Spark at once: a batch must fit into memory several times."""


def ingest_wave(lake: Lake, source: Source, wave: list[Entry], run_id: str, now: datetime) -> dict[str, int]:
    """Check one wave and commit it; return how many images were NEW, THERE and REJECTED."""
    entries = lake.spark.createDataFrame(_table(wave))
    parts = _partitions(len(wave), sum(entry.get("rows") or 1 for entry in wave))
    checked = check(entries.repartitionByRange(parts, "position"), source).persist(StorageLevel.MEMORY_AND_DISK)
    # Cut from the table that is written next: Spark computes anew whatever it keeps of one that was written to.
    judged = judge(checked, lake.read_or_empty(IMAGES), source.name, withdrawn(lake.root)).localCheckpoint()
    try:
        counts = {row["verdict"]: row["count"] for row in judged.groupBy("verdict").count().collect()}
        if counts.get(NEW):
            lake.add(IMAGES, images(checked, judged, source.name, run_id, now))
        fault_point("ingest:after-images")
        if counts.get(NEW) or counts.get(THERE):
            lake.append(COLLECTIONS, places(judged, source.collection, now))
        if counts.get(REJECTED):
            lake.reject("ingest", refused(judged), run_id)
    finally:
        checked.unpersist()
    return counts


def waves(entries: Iterator[Entry], size: int, limit: int | None = None) -> Iterator[list[Entry]]:
    """Cut entries into lists of about `size` images, at most `limit` images in all."""
    wave: list[Entry] = []
    held = taken = 0
    for position, entry in enumerate(entries):
        rows = entry.get("rows") or 1
        if limit is not None and taken + rows > limit:
            rows = limit - taken
            entry = entry | {"rows": rows}
        if rows:
            wave.append(entry | {"position": position})
        held, taken = held + rows, taken + rows
        if wave and (held >= size or taken == limit):
            yield wave
            wave, held = [], 0
        if taken == limit:
            return
    if wave:
        yield wave


def check(entries: DataFrame, source: Source) -> DataFrame:
    """Read and decode every entry's images; `code` is null on those that may enter the lake."""
    return mapped(entries, partial(_check_batches, source), _CHECKED)


def _names(fields: list[StructField]) -> list[str]:
    return [field.name for field in fields]


def _partitions(entries: int, images: int) -> int:
    """How many tasks share a wave, and so how many files it becomes: of about 300 images, less in a small wave."""
    return max(1, min(entries, images // 16, max(16, images // 500)))


def _table(wave: list[Entry]) -> pa.Table:
    rows = [{name: _clean(entry.get(name)) for name in ENTRY.fieldNames()} for entry in wave]
    return pa.Table.from_pylist(rows, schema=to_arrow_schema(ENTRY))


def _clean(value: Any) -> Any:
    """Return a word as Unicode that can be stored: JSON may hold half of a surrogate pair."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "backslashreplace").decode()
    return value


def _check_batches(source: Source, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    # Arrow and not pandas: there a column with nulls becomes floats, and a 64-bit seed loses its last digits.
    schema = to_arrow_schema(_CHECKED)
    held: list[dict[str, Any]] = []
    size = 0
    for row in chain.from_iterable(_check(source, entry) for batch in batches for entry in batch.to_pylist()):
        held.append(row)
        size += len(row.get("bytes") or b"")
        if len(held) == _BATCH_ROWS or size >= _BATCH_BYTES:
            yield pa.RecordBatch.from_pylist(held, schema=schema)
            held, size = [], 0
    if held:
        yield pa.RecordBatch.from_pylist(held, schema=schema)


def _check(source: Source, entry: Entry) -> Iterator[dict[str, Any]]:
    """Yield a row an image of the entry: its columns, or a code. One bad image costs one row, never the job."""
    if entry["code"] is not None:
        yield {name: entry[name] for name in ("position", "key", "code", "detail")} | {"item": 0}
        return
    for item, (known, content) in enumerate(source.open(entry)):
        row = {name: _clean(known.get(name)) for name in (*_names(_VERDICT), *_names(_PLACE), *_names(_KNOWN))}
        row |= {"position": entry["position"], "item": item}
        try:
            if row["code"] is None:
                row |= _learnt(content, known.get("sha256"), row)
        except Refused as refusal:
            row |= {"code": refusal.code.value, "detail": _clean(refusal.detail)}
        yield row


def _learnt(content: bytes | Refused, promised: str | None, row: dict[str, Any]) -> dict[str, Any]:
    """Return what the bytes tell; `row` has their hash also where they are refused. Raises Refused."""
    if isinstance(content, Refused):
        raise content
    row["image_id"] = hashlib.sha256(content).hexdigest()
    if promised is not None and promised.lower() != row["image_id"]:
        raise Refused(Code.SHA_MISMATCH, f"promised {promised}, found {row['image_id']}")
    return vars(shared_decoder().inspect(content)) | {"bytes": content}
