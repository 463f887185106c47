"""Which images still lack measures, and measuring them a wave of files at a time.

What is to be done is decided on narrow rows. A wave then reads its own files only, so that the bytes of the whole
table need not go through a join, and files in which all is done are not read.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from etl.faults import fault_point
from etl.images.features import FEATURE_VERSION
from etl.images.features.backbone import Backbone
from etl.images.features.batches import describe
from etl.lake.schemas import IMAGE_FEATURES, IMAGES, REJECTS, THUMBNAILS
from etl.lake.store import Lake

STAGE = "describe"
RUN = f"features-{FEATURE_VERSION}"
"""Under which refusals are recorded: a new version of the features tries them again."""
DONE, REFUSED, TO_DO = "done", "refused", "to do"
_SPLIT_BYTES = 16 << 20
"""What one task reads: two row groups, so that cores end together; by default it would be 128 MB."""


@dataclass(frozen=True)
class File:
    """A data file of `images`, and how many of its images are DONE, REFUSED and TO_DO; of these, measured
    before."""

    path: str
    counts: dict[str, int]
    again: int = 0


def judge(lake: Lake, backbone: Backbone | None, retry: bool) -> DataFrame:
    """Return every image's `image_id` and `file`, what is there (`measured`, `shown`), and its `state`.

    DONE has measures of this version, an embedding by this backbone where one is asked for, and a thumbnail.
    """
    features = lake.read_or_empty(IMAGE_FEATURES).where(F.col("feature_version") == FEATURE_VERSION)
    same = (
        F.lit(True)
        if backbone is None
        else F.coalesce(F.col("embedding_model") == backbone.identity, F.lit(False))
    )
    refused = lake.read_or_empty(REJECTS).where((F.col("stage") == STAGE) & (F.col("run_id") == RUN))
    known = lake.read(IMAGES).select("image_id", F.col("_metadata.file_path").alias("file"))
    for there in (
        features.select("image_id", same.alias("_same")),
        lake.read_or_empty(THUMBNAILS).select("image_id", F.lit(True).alias("_shown")),
        refused.select(F.col("key").alias("image_id"), F.lit(True).alias("_refused")),
    ):
        known = known.join(there, on="image_id", how="left")
    measured, shown = F.col("_same").isNotNull(), F.col("_shown").isNotNull()
    state = F.when(F.coalesce("_same", F.lit(False)) & shown, DONE)
    state = state.when(F.col("_refused").isNotNull() & F.lit(not retry), REFUSED).otherwise(TO_DO)
    return known.select("image_id", "file", measured.alias("measured"), shown.alias("shown"), state.alias("state"))


def files(judged: DataFrame) -> list[File]:
    """Return the files of `images` with their counts, in the order of their names."""
    counts: dict[str, dict[str, int]] = {}
    again: dict[str, int] = {}
    counted = (F.count("*").alias("images"), F.count_if("measured").alias("measured"))
    for row in judged.groupBy("file", "state").agg(*counted).collect():
        counts.setdefault(row["file"], {})[row["state"]] = row["images"]
        if row["state"] == TO_DO:
            again[row["file"]] = row["measured"]
    return [File(path, counts[path], again.get(path, 0)) for path in sorted(counts)]


def waves(held: list[File], size: int) -> Iterator[list[File]]:
    """Cut the files in which something is to do into lists of about `size` images."""
    wave: list[File] = []
    for file in held:
        if file.counts.get(TO_DO):
            wave.append(file)
        if sum(one.counts[TO_DO] for one in wave) >= size:
            yield wave
            wave = []
    if wave:
        yield wave


def describe_wave(
    lake: Lake, judged: DataFrame, wave: list[File], thumbnail_edge: int, backbone: Backbone | None, now: datetime
) -> tuple[int, int]:
    """Measure what is to do in the files of a wave and commit it; return how many were measured and refused.

    Measures are committed last: an image that has them has a thumbnail.
    """
    paths = [file.path for file in wave]
    asked = judged.where((F.col("state") == TO_DO) & F.col("file").isin(paths)).select("image_id", "shown")
    # Safe to read as plain Parquet: no table of the lake has deletion vectors, column mapping or partitions.
    rows = lake.spark.read.schema(IMAGES.schema).parquet(*[unquote(path) for path in paths])
    rows = rows.select("image_id", "generator_id", "label", "bytes").join(F.broadcast(asked), on="image_id")
    found = describe(rows, thumbnail_edge, backbone).persist(StorageLevel.MEMORY_AND_DISK)
    try:
        with _splits(lake.spark):
            refused, measured, thumbnails = found.select(
                F.count("code"), F.count_if(F.col("code").isNull()), F.count("jpeg")
            ).collect()[0]
        if thumbnails:
            lake.add(THUMBNAILS, _thumbnails(found))
        fault_point("describe:after-thumbnails")
        if refused:
            lake.reject(STAGE, _refusals(found), RUN)
        if measured:
            write = lake.upsert if any(file.again for file in wave) else lake.add
            write(IMAGE_FEATURES, _features(found, backbone, now))
    finally:
        found.unpersist()
    return measured, refused


def _refusals(found: DataFrame) -> DataFrame:
    return found.where(F.col("code").isNotNull()).withColumns(
        {"key": F.col("image_id"), "sha256": F.col("image_id")}
    )


def _thumbnails(found: DataFrame) -> DataFrame:
    rows = found.where(F.col("jpeg").isNotNull()).select(
        "image_id",
        "generator_id",
        "label",
        F.col("thumbnail_width").alias("width"),
        F.col("thumbnail_height").alias("height"),
        "jpeg",
    )
    # A file a wave, about 100 MB: for a page of one generator's images a reader then needs one place in it.
    return rows.coalesce(1).sortWithinPartitions("generator_id", "image_id")


def _features(found: DataFrame, backbone: Backbone | None, now: datetime) -> DataFrame:
    stamps = {
        "feature_version": F.lit(FEATURE_VERSION),
        "embedding_model": F.lit(backbone.identity if backbone else None).cast("string"),
        "described_at": F.lit(now),
    }
    rows = found.where(F.col("code").isNull()).withColumns(stamps).select(*IMAGE_FEATURES.columns)
    return rows.coalesce(1)  # not a file a task


@contextlib.contextmanager
def _splits(spark: SparkSession) -> Iterator[None]:
    spark.conf.set("spark.sql.files.maxPartitionBytes", str(_SPLIT_BYTES))
    try:
        yield
    finally:
        spark.conf.unset("spark.sql.files.maxPartitionBytes")
