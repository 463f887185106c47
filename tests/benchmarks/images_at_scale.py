"""Tables of images at the size of the paper: write, MERGE, statistics, a recipe; seconds and memory by size.

    python tests/benchmarks/images_at_scale.py --work FOLDER --images 270000 2700000

Nine rows in ten are fakes of 4,800 generators, whose numbers of images have a heavy tail; no row has bytes. Each
step runs in a process of its own on `local[*]`:

write       append the rows of `images` and of `image_features`, each compared with what is there by key
merge       MERGE into `image_features` of 1 % of the rows: half of them changed, half new
again       the same MERGE once more, which commits nothing
statistics  `forensics summarise`
recipe      `forensics build-training-set --dry_run`: 1,000 generators, 100 images of each at most, as many reals

Near duplicates at these sizes are in duplicates_at_scale.py.
"""

import argparse
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

from measured import PROJECT, Cost, load_average, measured
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from etl.images.features import FEATURE_VERSION
from etl.lake.schemas import GENERATORS, IMAGE_FEATURES, IMAGES, Table
from etl.lake.session import session
from etl.lake.store import Lake

GENERATOR_COUNT = 4_800
STEPS = ("write", "merge", "again", "statistics", "recipe")
RECIPE = {
    "dry_run": "true", "name": "scale", "strategy": "random", "generators": "1000",
    "max_images_per_generator": "100",
}  # fmt: skip
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", required=True, help="a folder for the lake, which is made anew for each size")
    parser.add_argument("--images", type=int, nargs="+", default=[270_000, 2_700_000])
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=STEPS, help="without write: on what is there")
    parser.add_argument("--do", choices=("write", "merge", "again"), help="what a process of one step is told")
    asked = parser.parse_args()
    root = str(Path(asked.work).resolve() / "lake")
    if asked.do:
        with session("images_at_scale") as spark:
            do(Lake(root, spark), asked.do, asked.images[0])
        return
    costs: dict[tuple[str, int], Cost] = {}
    for images in asked.images:
        if "write" in asked.steps:
            shutil.rmtree(root, ignore_errors=True)
        for step in asked.steps:
            cost = costs[step, images] = measured(command(step, asked.work, root, images))
            said = (cost.output.strip().splitlines() or [""])[-1]
            spent = f"{cost.wall:.1f} s, {cost.cpu:.1f} s of CPU, {cost.peak_mb:,.0f} MB"
            print(f"{images:,} {step}: {spent}; {load_average()}; {said}", flush=True)
    print("\n".join(table(costs, asked.steps, asked.images)))


def command(step: str, work: str, root: str, images: int) -> list[str]:
    """Return the command of one step."""
    if step == "statistics":
        return [sys.executable, "-m", "etl.jobs.summarise", "--root", root]
    if step == "recipe":
        keys = [word for key, value in RECIPE.items() for word in (f"--{key}", value)]
        return [sys.executable, "-m", "etl.jobs.build_training_set", "--root", root, *keys]
    script = str(PROJECT / "tests" / "benchmarks" / "images_at_scale.py")
    return [sys.executable, script, "--work", work, "--images", str(images), "--do", step]


def do(lake: Lake, step: str, images: int) -> None:
    """Write all rows, or merge 1 % of them, and print what came of it."""
    if step == "write":
        lake.append(GENERATORS, generators(lake.spark))
        written = lake.append(IMAGES, image_rows(lake.spark, 0, images), order=("generator_id", "image_id"))
        print(
            f"{written[0]} images, {lake.append(IMAGE_FEATURES, features(lake.spark, 0, images, 0))[0]} features"
        )
        return
    half = images // 200
    changed = features(lake.spark, 0, half, 1).unionByName(features(lake.spark, images, images + half, 0))
    print(lake.merge(IMAGE_FEATURES, changed))


def generators(spark: SparkSession) -> DataFrame:
    """Return the generators, of 40 families and 5 architectures."""
    known = {
        "generator_id": generator(F.col("id")),
        "kind": F.lit("hub"),
        "family": F.concat(F.lit("family "), F.col("id") % 40),
        "architecture": F.concat(F.lit("architecture "), F.col("id") % 5),
        "root_model_id": F.concat(F.lit("root/"), F.col("id") % 400),
        "released_at": F.timestamp_seconds(F.lit(1_600_000_000) + F.col("id") * 30_000),
    }
    return filled(GENERATORS, spark.range(GENERATOR_COUNT), known)


def image_rows(spark: SparkSession, first: int, last: int) -> DataFrame:
    """Return rows of `images` without bytes; nothing in them tells the class."""
    real = F.col("id") % 10 == 9
    uniform = F.abs(F.xxhash64("id", F.lit("generator"))) % 1_000_000 / 1e6
    known = {
        "image_id": image("id"),
        "format": F.when(F.xxhash64("id") % 3 == 0, "PNG").otherwise("JPEG"),
        "width": (512 + F.abs(F.xxhash64("id", F.lit("w"))) % 4 * 128).cast("int"),
        "height": (512 + F.abs(F.xxhash64("id", F.lit("h"))) % 4 * 128).cast("int"),
        "mode": F.lit("RGB"),
        "label": F.when(real, 0).otherwise(1),
        "generator_id": F.when(~real, generator((F.pow(uniform, 3) * GENERATOR_COUNT).cast("long"))),
        "real_source": F.when(real, F.concat(F.lit("source "), F.col("id") % 7)),
        "source": F.lit("scale"),
        "source_key": F.col("id").cast("string"),
        "prompt": F.concat(F.lit("a photograph of subject "), F.col("id") % 100_000),
        "ingested_at": F.lit(NOW),
    }
    return filled(IMAGES, spark.range(first, last), known)


def features(spark: SparkSession, first: int, last: int, edition: int) -> DataFrame:
    """Return rows of `image_features`, with a spectrum of 64 powers; another edition has another sharpness."""
    known = {
        "image_id": image("id"),
        "feature_version": F.lit(FEATURE_VERSION),
        "byte_size": 50_000 + F.abs(F.xxhash64("id", F.lit("bytes"))) % 200_000,
        "phash": F.xxhash64("id", F.lit("phash")),
        "sharpness": F.abs(F.xxhash64("id", F.lit("sharp"))) % 1000 + F.lit(float(edition)),
        "spectrum": F.transform(F.sequence(F.lit(1), F.lit(64)), lambda k: (F.col("id") % 97 / k).cast("float")),
        "described_at": F.lit(NOW),
    }
    return filled(IMAGE_FEATURES, spark.range(first, last), known)


def filled(table: Table, rows: DataFrame, known: dict[str, Column]) -> DataFrame:
    """Return the table's columns, null where nothing is known."""
    return rows.select(
        *[known.get(f.name, F.lit(None)).cast(f.dataType).alias(f.name) for f in table.schema],
    )


def generator(number: Column) -> Column:
    return F.concat(F.lit("owner/model-"), number)


def image(column: str) -> Column:
    return F.sha2(F.col(column).cast("string"), 256)


def table(costs: dict[tuple[str, int], Cost], steps: list[str], sizes: list[int]) -> list[str]:
    """Return the costs as Markdown; the last column compares the cost a row with the first size's."""
    lines = [
        "| step | images | wall s | CPU s | peak MB | µs a row | against the first size |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for step in steps:
        base = costs[step, sizes[0]].wall / sizes[0]
        for images in sizes:
            cost = costs[step, images]
            a_row = cost.wall / images
            lines.append(
                f"| {step} | {images:,} | {cost.wall:.1f} | {cost.cpu:.1f} | {cost.peak_mb:,.0f} | "
                f"{1e6 * a_row:.1f} | {a_row / base:.2f}x |"
            )
    return lines


if __name__ == "__main__":
    main()
