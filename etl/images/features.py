"""What is measured on an image: its perceptual hash and sizes, and a thumbnail for people to look at."""

import io
from collections.abc import Iterator
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from pyspark.sql import DataFrame
from pyspark.sql.types import BinaryType, IntegerType, LongType, StringType, StructField, StructType

FEATURE_VERSION = 1
"""Raised when a measure changes, so that old and new values stand side by side."""

HASH_EDGE = 32
HASH_BITS_EDGE = 8

DESCRIBED = StructType(
    [
        StructField("image_id", StringType()),
        StructField("generator_id", StringType()),
        StructField("label", IntegerType()),
        StructField("width", IntegerType()),
        StructField("height", IntegerType()),
        StructField("byte_size", LongType()),
        StructField("phash", LongType()),
        StructField("jpeg", BinaryType()),
        StructField("thumbnail_width", IntegerType()),
        StructField("thumbnail_height", IntegerType()),
    ]
)


def describe(images: DataFrame, thumbnail_edge: int) -> DataFrame:
    """Measure rows of `images` (image_id, generator_id, label, bytes); one row of DESCRIBED each."""

    def batches(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for frame in frames:
            rows = [
                (image_id, generator_id, label, *measure(data, thumbnail_edge))
                for image_id, generator_id, label, data in zip(
                    frame["image_id"], frame["generator_id"], frame["label"], frame["bytes"], strict=True
                )
            ]
            yield pd.DataFrame(rows, columns=DESCRIBED.fieldNames())

    return images.select("image_id", "generator_id", "label", "bytes").mapInPandas(batches, DESCRIBED)


def measure(data: bytes, thumbnail_edge: int) -> tuple[int, int, int, int, bytes, int, int]:
    """Return width, height, byte size, perceptual hash, thumbnail, its width and height of an encoded image."""
    image = Image.open(io.BytesIO(data))
    rgb = to_rgb(image)
    thumbnail = rgb.copy()
    thumbnail.thumbnail((thumbnail_edge, thumbnail_edge), Image.Resampling.LANCZOS)
    encoded = io.BytesIO()
    thumbnail.save(encoded, "JPEG", quality=85)
    return image.width, image.height, len(data), phash(rgb), encoded.getvalue(), *thumbnail.size


def to_rgb(image: Image.Image) -> Image.Image:
    """Return the image as 8-bit RGB: alpha over white, 16-bit grey scaled, in stored orientation."""
    if image.mode.startswith("I"):
        values = np.asarray(image, dtype=np.uint32) >> 8
        return Image.fromarray(values.clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")


def phash(image: Image.Image) -> int:
    """Return the 64-bit perceptual hash as a signed integer (Delta has no unsigned ones).

    The usual DCT hash: grey, 32x32, two-dimensional DCT-II, the 8x8 lowest frequencies against their median.
    """
    grey = image.convert("L").resize((HASH_EDGE, HASH_EDGE), Image.Resampling.LANCZOS)
    basis = _dct_rows()
    low = basis @ np.asarray(grey, dtype=np.float64) @ basis.T
    bits = (low > np.median(low)).ravel()
    return int(np.packbits(bits).view(">i8")[0])


@cache
def _dct_rows() -> NDArray[np.float64]:
    frequency, sample = np.arange(HASH_BITS_EDGE)[:, None], np.arange(HASH_EDGE)[None, :]
    return np.cos(np.pi * frequency * (2 * sample + 1) / (2 * HASH_EDGE))
