"""From a source's entries to rows of `images` and of refused inputs: the part that runs on the executors."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StringType, StructField, StructType

from etl.images.decoding import MAX_BYTES, Code, Refused, inspect
from etl.lake.schemas import IMAGES

_LEARNT = {"image_id", "bytes", "format", "width", "height", "mode", "n_frames", "exif_orientation"}
_STAMPED = {"source", "source_key", "run_id", "ingested_at"}
_KNOWN = [field for field in IMAGES.schema if field.name not in _LEARNT | _STAMPED]

ENTRY = StructType(
    [
        StructField("key", StringType()),
        StructField("path", StringType()),
        StructField("sha256", StringType()),
        *_KNOWN,
    ]
)
"""An entry of a source: where the file is, and the columns of `images` that the source knows."""

_CHECKED = StructType(
    [
        StructField("key", StringType()),
        StructField("code", StringType()),
        StructField("detail", StringType()),
        *[field for field in IMAGES.schema if field.name not in _STAMPED],
    ]
)


def check(entries: DataFrame) -> DataFrame:
    """Read and decode every entry's file; `code` is null on those that may enter the lake."""
    return entries.mapInArrow(_check_batches, _CHECKED)


def accepted(checked: DataFrame, source: str, run_id: str, now: Any) -> DataFrame:
    """Return the rows of `images` among the checked entries."""
    stamped = checked.where(F.col("code").isNull()).withColumns(
        {
            "source": F.lit(source),
            "source_key": F.col("key"),
            "run_id": F.lit(run_id),
            "ingested_at": F.lit(now),
        }
    )
    return stamped.select(*IMAGES.columns)


def refused(checked: DataFrame) -> DataFrame:
    """Return the refused entries as `Lake.reject` takes them."""
    return checked.where(F.col("code").isNotNull()).select(
        "key", F.col("image_id").alias("sha256"), "code", "detail"
    )


def _check_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    # Arrow and not pandas: there a column with nulls becomes floats, and a 64-bit seed loses its last digits.
    schema = to_arrow_schema(_CHECKED)
    for batch in batches:
        yield pa.RecordBatch.from_pylist([_check(entry) for entry in batch.to_pylist()], schema=schema)


def _check(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the row of one file: its columns, or a code. One bad file costs one row, never the job."""
    row: dict[str, Any] = {field.name: entry[field.name] for field in _KNOWN} | {"key": entry["key"]}
    try:
        data = _read(entry["path"])
        row["image_id"] = hashlib.sha256(data).hexdigest()
        if entry["sha256"] not in (None, row["image_id"]):
            raise Refused(Code.SHA_MISMATCH, f"promised {entry['sha256']}, found {row['image_id']}")
        row |= vars(inspect(data)) | {"bytes": data}
    except Refused as refusal:
        row |= {"code": refusal.code.value, "detail": refusal.detail}
    return row


def _read(path: str) -> bytes:
    try:
        size = Path(path).stat().st_size
        if size > MAX_BYTES:  # refused before it fills the worker's memory
            raise Refused(Code.TOO_BIG, f"{size} bytes, at most {MAX_BYTES} are admitted")
        return Path(path).read_bytes()
    except OSError as error:
        raise Refused(Code.UNREADABLE, str(error)) from error
