"""Which images make a training set and in which split they fall: generator-disjoint, balanced, repeatable.

Everything is decided by hashes of (identifier, seed), so the same lake and recipe give the same rows on any
machine, whatever the number of partitions.
"""

import hashlib

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from etl.images.settings import TrainingSetSettings


def choose(images: DataFrame, generators: DataFrame, settings: TrainingSetSettings) -> DataFrame:
    """Return image_id, split and position of the chosen images.

    `images` has image_id, label, generator_id; `generators` has generator_id and root_model_id. Fakes: at most
    `max_images_per_generator` a generator, all images of a generator (or of a lineage) in one split. Reals:
    each its own unit, cut per split to `max_reals_per_fake` times the fakes. Position is the rank in the shuffled
    order of the split, from 0.
    """
    images = images.select("image_id", "label", "generator_id")
    fakes = _fakes(images, generators.select("generator_id", "root_model_id"), settings)
    reals = _reals(images, settings)
    budget = fakes.groupBy("split").agg(F.ceil(F.count("*") * settings.max_reals_per_fake).alias("_budget"))
    ranked = reals.withColumn("_rank", F.row_number().over(_shuffled("image_id", settings.seed, "split")))
    reals = ranked.join(budget, on="split", how="inner").where(F.col("_rank") <= F.col("_budget"))
    chosen = fakes.select("image_id", "split").unionByName(reals.select("image_id", "split"))
    order = _shuffled("image_id", settings.seed + 1, "split")
    return chosen.withColumn("position", (F.row_number().over(order) - 1).cast("long"))


def _fakes(images: DataFrame, generators: DataFrame, settings: TrainingSetSettings) -> DataFrame:
    fakes = images.where(F.col("label") == 1).join(generators, on="generator_id", how="left")
    unit = F.coalesce(settings.split_by, "generator_id")
    fakes = fakes.withColumn("_unit", unit)
    units = _cut(fakes.select("_unit").distinct(), "_unit", settings)
    within = _shuffled("image_id", settings.seed, "generator_id")
    drawn = fakes.withColumn("_rank", F.row_number().over(within))
    drawn = drawn.where(F.col("_rank") <= settings.max_images_per_generator)
    return drawn.join(units, on="_unit", how="inner")


def _reals(images: DataFrame, settings: TrainingSetSettings) -> DataFrame:
    return _cut(images.where(F.col("label") == 0).select("image_id"), "image_id", settings)


def _cut(units: DataFrame, column: str, settings: TrainingSetSettings) -> DataFrame:
    """Give each unit a split by its rank in a shuffled order, so that even a few units fill every split."""
    rank = F.row_number().over(Window.orderBy(_hash(column, settings.seed), column)) - 1
    test = F.ceil(F.lit(settings.test_fraction) * F.col("_n"))
    val = F.ceil(F.lit(settings.val_fraction) * F.col("_n"))
    counted = units.crossJoin(units.agg(F.count("*").alias("_n"))).withColumn("_r", rank)
    split = (
        F.when(F.col("_r") < test, "test").when(F.col("_r") < test + val, "val").when(F.col("_r") >= 0, "train")
    )
    return counted.withColumn("split", split).drop("_n", "_r")


def _shuffled(column: str, seed: int, *within: str):  # type: ignore[no-untyped-def]
    return Window.partitionBy(*within).orderBy(_hash(column, seed), column)


def _hash(column: str, seed: int) -> Column:
    return F.xxhash64(F.lit(seed), F.col(column))


def id_checksum(chosen: DataFrame) -> str:
    """Return SHA-256 over the (split, image_id) pairs, whatever their order.

    Sorted and hashed per bucket of ids, so that no task holds them all.
    """
    pair = F.concat_ws(":", "split", "image_id")
    buckets = chosen.groupBy(F.substring("image_id", 1, 2).alias("bucket")).agg(
        F.sha2(F.concat_ws(",", F.array_sort(F.collect_list(pair))), 256).alias("digest")
    )
    rows = sorted((row.bucket, row.digest) for row in buckets.collect())
    return hashlib.sha256("".join(bucket + digest for bucket, digest in rows).encode()).hexdigest()
