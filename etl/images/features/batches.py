"""Measuring on the executors: Arrow batches of encoded images in, rows of measures or of a refusal out."""

from collections.abc import Iterator
from dataclasses import fields
from functools import partial
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import BinaryType, IntegerType, StringType, StructField, StructType

from etl.images.features.backbone import Backbone
from etl.images.features.measures import Examined, Measures, examine
from etl.images.features.pixels import Code, TooBig
from etl.lake.schemas import IMAGE_FEATURES
from etl.lake.workers import mapped

_PASSED = ("image_id", "generator_id", "label")
_MEASURED = [field.name for field in fields(Measures)]
DESCRIBED = StructType(
    [
        StructField("image_id", StringType()),
        StructField("generator_id", StringType()),
        StructField("label", IntegerType()),
        StructField("code", StringType()),
        StructField("detail", StringType()),
        *[IMAGE_FEATURES.schema[name] for name in (*_MEASURED, "embedding")],
        StructField("jpeg", BinaryType()),
        StructField("thumbnail_width", IntegerType()),
        StructField("thumbnail_height", IntegerType()),
    ]
)
"""`code` is null on what was measured; `jpeg` is null where a thumbnail was there."""


def describe(images: DataFrame, thumbnail_edge: int, backbone: Backbone | None) -> DataFrame:
    """Measure rows of image_id, generator_id, label, bytes, `shown` (has a thumbnail): a row of DESCRIBED each."""
    given = images.select(*_PASSED, "shown", "bytes")
    return mapped(given, partial(_batches, thumbnail_edge, backbone), DESCRIBED)


def _batches(
    thumbnail_edge: int, backbone: Backbone | None, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    schema = to_arrow_schema(DESCRIBED)
    embedder = None
    if backbone is not None:
        from etl.images.features.embedding import load  # torch, which a run without a backbone does without

        embedder = load(backbone)
    side = embedder.side if embedder else None
    for batch in batches:
        given = batch.to_pylist()
        found = [_examined(row["bytes"], None if row["shown"] else thumbnail_edge, side) for row in given]
        rows = [{name: row[name] for name in _PASSED} | _row(one) for row, one in zip(given, found, strict=True)]
        seen = [
            (row, one.square)
            for row, one in zip(rows, found, strict=True)
            if isinstance(one, Examined) and one.square is not None
        ]
        if embedder and seen:
            vectors = embedder.embed([square for _, square in seen])
            for (row, _), vector in zip(seen, vectors, strict=True):
                row["embedding"] = vector
        yield pa.RecordBatch.from_pylist(rows, schema=schema)


def _examined(data: bytes, thumbnail_edge: int | None, side: int | None) -> Examined | tuple[Code, str]:
    """Examine one image. Whatever is wrong with it costs it its row of measures, never the job."""
    try:
        return examine(data, thumbnail_edge, side)
    except TooBig as error:
        return Code.TOO_BIG, str(error)
    except Exception as error:
        return Code.UNMEASURABLE, f"{type(error).__name__}: {error}"


def _row(found: Examined | tuple[Code, str]) -> dict[str, Any]:
    if not isinstance(found, Examined):
        code, detail = found
        return {"code": code.value, "detail": detail[:500]}
    jpeg, width, height = found.thumbnail or (None, None, None)
    return vars(found.measures) | {"jpeg": jpeg, "thumbnail_width": width, "thumbnail_height": height}
