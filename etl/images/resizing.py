"""Training rows that hold pixels: decoded, with the shorter edge resized, so that an epoch has only to augment.

What is random comes after this step, so it may be done once. Only the rows of the training split are stored so:
others are read once a run, and robustness and slices by format need their files.
"""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from PIL import Image
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import BinaryType, IntegerType, StringType, StructField, StructType

from etl.images.features.pixels import opened, to_rgb
from etl.lake.workers import mapped

RAW = "RAW"
"""Format of rows whose bytes are height x width x 3 values of RGB, row by row."""
SPLIT = "train"
_PIXELS = StructType(
    [
        StructField("image_id", StringType()),
        StructField("bytes", BinaryType()),
        StructField("format", StringType()),
        StructField("width", IntegerType()),
        StructField("height", IntegerType()),
    ]
)


def as_pixels(rows: DataFrame, edge: int) -> DataFrame:
    """Return rows with the bytes, format, width and height of those of the training split replaced by pixels'."""
    arrow = to_arrow_schema(_PIXELS)

    def batches(given: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in given:
            rows = [_row(row["image_id"], shorter_edge_at(row["bytes"], edge)) for row in batch.to_pylist()]
            yield pa.RecordBatch.from_pylist(rows, schema=arrow)

    of_split = F.col("split") == SPLIT
    training = rows.where(of_split)
    pixels = mapped(training.select("image_id", "bytes"), batches, _PIXELS)
    rest = training.drop(*_PIXELS.fieldNames()[1:])
    return rest.join(pixels, on="image_id", how="inner").unionByName(rows.where(~of_split))


def _row(image_id: str, image: Image.Image) -> dict[str, Any]:
    pixels = {"bytes": image.tobytes(), "format": RAW, "width": image.width, "height": image.height}
    return {"image_id": image_id, **pixels}


def shorter_edge_at(data: bytes, edge: int) -> Image.Image:
    """Return the image in stored orientation, its shorter edge at `edge` pixels: bilinear with antialiasing.

    The longer edge is rounded down, as torchvision does and with it the transforms of training.
    """
    image = to_rgb(opened(data))
    width, height = (edge * length // min(image.size) for length in image.size)
    return image.resize((width, height), Image.Resampling.BILINEAR)
