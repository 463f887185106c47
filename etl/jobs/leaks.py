"""List the images of one set that another set holds too, or nearly: collections and training sets."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import polars as pl
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.command import run
from etl.config import parse
from etl.errors import FINISHED_WITH_REJECTS, OK, NothingUsable
from etl.images.duplicates import leaks
from etl.images.features import FEATURE_VERSION
from etl.images.settings import SET, LeaksSettings
from etl.lake.schemas import COLLECTIONS, IMAGE_FEATURES, TRAINING_SETS, training_rows
from etl.lake.session import session
from etl.lake.store import Lake


def main(argv: Sequence[str] | None = None) -> int:
    settings = parse(LeaksSettings, argv, "forensics leaks", __doc__)
    with session("leaks", root=settings.root) as spark:
        lake = Lake(settings.root, spark)
        features = lake.read(IMAGE_FEATURES).where(F.col("feature_version") == FEATURE_VERSION)
        sides = [_ids(lake, name).join(features, on="image_id") for name in (settings.left, settings.right)]
        left, right = (side.select("image_id", "phash") for side in sides)
        total = left.count()
        if not total or right.isEmpty():
            raise NothingUsable("a set without described images has no leaks; run `forensics describe` first")
        pairs = pl.DataFrame(leaks(left, right, settings.max_distance).toPandas())
    print("\n".join(_report(settings, total, pairs)))
    if settings.output:
        ordered = pairs.sort("distance", "image_id", "other_id") if pairs.height else pairs
        write = ordered.write_csv if settings.output.endswith(".csv") else ordered.write_parquet
        write(Path(settings.output))
    return FINISHED_WITH_REJECTS if pairs.height else OK


def _ids(lake: Lake, name: str) -> DataFrame:
    """Return the image ids of a set. Raises NothingUsable for one that the lake does not have."""
    asked = re.fullmatch(SET, name)
    assert asked is not None  # the settings were checked
    if asked["collection"]:
        found = lake.read(COLLECTIONS).where(F.col("collection") == asked["collection"])
    else:
        builds = lake.read(TRAINING_SETS).where(F.col("name") == asked["name"])
        wanted = builds.where(F.col("version") == int(asked["version"])) if asked["version"] else builds
        build = wanted.orderBy(F.desc("version")).first()
        if build is None:
            raise NothingUsable(f"the lake has no {name}; `forensics build-training-set` makes one")
        found = lake.read(training_rows(asked["name"]), build["rows_version"])
        if asked["split"]:
            found = found.where(F.col("split") == asked["split"])
    return found.select("image_id").distinct()


def _report(settings: LeaksSettings, total: int, pairs: pl.DataFrame) -> list[str]:
    """Return the counts in words."""
    concerned = pairs["image_id"].n_unique() if pairs.height else 0
    lines = [f"leaks: {concerned} of {total} images of {settings.left} are in {settings.right}, or nearly"]
    by_distance = pairs.group_by("distance").len().sort("distance").iter_rows() if pairs.height else ()
    return [*lines, *(f"  at {distance} bits: {count} pairs" for distance, count in by_distance)]


if __name__ == "__main__":
    sys.exit(run(main))
