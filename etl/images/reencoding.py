"""Encoding images anew, both classes alike, so that neither format nor size nor quality tells their label.

What the files went through before stays in their pixels: a photograph that was a JPEG is now one twice, which a
detector can see and this module cannot undo.
"""

import hashlib
import io
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from PIL import Image, ImageOps
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import BinaryType, IntegerType, LongType, StringType, StructField, StructType

from etl.images.features import to_rgb
from etl.images.recipe import TrainingSetSettings
from etl.lake.workers import mapped

SUBSAMPLING = "4:2:0"
_MEASURED = StructType(
    [
        StructField("image_id", StringType()),
        StructField("format", StringType()),
        StructField("mode", StringType()),
        StructField("width", IntegerType()),
        StructField("height", IntegerType()),
        StructField("n_frames", IntegerType()),
        StructField("exif_orientation", IntegerType()),
        StructField("bit_depth", IntegerType()),
        StructField("icc_profile", StringType()),
        StructField("byte_size", LongType()),
        StructField("jpeg_quality", IntegerType()),
        StructField("jpeg_subsampling", StringType()),
    ]
)
_ENCODED = StructType([*_MEASURED, StructField("bytes", BinaryType())])


def reencoded(images: DataFrame, settings: TrainingSetSettings, keep_bytes: bool) -> DataFrame:
    """Return for rows of image_id and bytes what their new files are like, and the files themselves if wanted.

    An image's new bytes depend on its own and on the recipe alone, so that to make them twice gives the same.
    """
    schema = _ENCODED if keep_bytes else _MEASURED
    arrow = to_arrow_schema(schema)
    names = schema.fieldNames()

    def batches(given: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in given:
            rows = [_row(row["image_id"], row["bytes"], settings) for row in batch.to_pylist()]
            yield pa.RecordBatch.from_pylist([{name: row[name] for name in names} for row in rows], schema=arrow)

    return mapped(images.select("image_id", "bytes"), batches, schema)


def encode(data: bytes, format_: str, quality: int, size: int | None) -> bytes:
    """Return an image upright, in 8-bit RGB, its middle square resized to `size` pixels, encoded without
    metadata."""
    rgb = to_rgb(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    if size is not None:
        rgb = ImageOps.fit(rgb, (size, size), Image.Resampling.LANCZOS)
    options: dict[str, Any] = {} if format_ == "PNG" else {"quality": quality}
    if format_ == "JPEG":
        options["subsampling"] = SUBSAMPLING
    encoded = io.BytesIO()
    rgb.save(encoded, format_, **options)
    return encoded.getvalue()


def quality_of(image_id: str, settings: TrainingSetSettings) -> int:
    """Return the quality that is drawn for an image, by its id and the seed."""
    low, high = settings.reencode_quality
    drawn = hashlib.sha256(f"{settings.seed}/{image_id}".encode()).digest()
    return low + int.from_bytes(drawn[:8], "big") % (high - low + 1)


def _row(image_id: str, data: bytes, settings: TrainingSetSettings) -> dict[str, Any]:
    assert settings.reencode is not None
    quality = quality_of(image_id, settings)
    content = encode(data, settings.reencode, quality, settings.reencode_size)
    image = Image.open(io.BytesIO(content))
    is_jpeg = settings.reencode == "JPEG"
    return {
        "image_id": image_id,
        "format": settings.reencode,
        "mode": image.mode,
        "width": image.width,
        "height": image.height,
        "n_frames": 1,
        "exif_orientation": 1,
        "bit_depth": 8,
        "icc_profile": None,
        "byte_size": len(content),
        "jpeg_quality": quality if is_jpeg else None,
        "jpeg_subsampling": SUBSAMPLING if is_jpeg else None,
        "bytes": content,
    }
