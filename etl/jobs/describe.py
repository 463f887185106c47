"""Measure the images that lack features and make thumbnails: `images` → `image_features`, `thumbnails`."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from pyspark.sql import functions as F

from etl.command import Stage, run
from etl.config import parse
from etl.errors import NothingUsable
from etl.images.features import FEATURE_VERSION, describe
from etl.images.settings import DescribeSettings
from etl.lake.schemas import IMAGE_FEATURES, IMAGES, THUMBNAILS
from etl.lake.session import session
from etl.lake.store import Lake


def main(argv: Sequence[str] | None = None) -> int:
    settings = parse(DescribeSettings, argv, "forensics describe", __doc__)
    stage = Stage("describe", "images")
    with session("describe") as spark:
        lake = Lake(settings.root, spark)
        images = lake.read(IMAGES)
        with lake.writing(IMAGE_FEATURES, THUMBNAILS):
            done = lake.read_or_empty(IMAGE_FEATURES).where(F.col("feature_version") == FEATURE_VERSION)
            shown = lake.read_or_empty(THUMBNAILS).select("image_id")
            # Features are written after thumbnails: an image that has them has both.
            finished = done.select("image_id").join(shown, on="image_id", how="inner")
            missing = images.join(finished, on="image_id", how="left_anti")
            total = images.select("image_id").count()
            described = describe(missing, settings.thumbnail_edge).persist()
            new = described.count()
            if new:
                _write(lake, described)
            described.unpersist()
    if not total:
        raise NothingUsable("there are no images to describe; run `forensics ingest` first")
    return stage.finish(total, new, already_there=total - new)


def _write(lake: Lake, described) -> None:  # type: ignore[no-untyped-def]
    thumbnails = described.select(
        "image_id",
        "generator_id",
        "label",
        F.col("thumbnail_width").alias("width"),
        F.col("thumbnail_height").alias("height"),
        "jpeg",
    )
    lake.append(THUMBNAILS, thumbnails, order=("generator_id", "image_id"))
    features = described.select(
        "image_id",
        F.lit(FEATURE_VERSION).alias("feature_version"),
        "byte_size",
        "width",
        "height",
        "phash",
        F.lit(datetime.now(UTC)).alias("described_at"),
    )
    lake.append(IMAGE_FEATURES, features)


if __name__ == "__main__":
    sys.exit(run(main))
