"""Which images make a training set and in which split they fall: generator-disjoint and repeatable.

Everything is decided by hashes of (identifier, seed), so the same lake and recipe give the same rows on any
machine, whatever the number of partitions.
"""

import hashlib

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F

from etl.errors import NothingUsable
from etl.images.recipe import TrainingSetSettings

SPLITS = ("train", "val", "test")


def draw(fakes: DataFrame, settings: TrainingSetSettings) -> DataFrame:
    """Return the recipe's generators × images: whole rows, at most `max_images_per_generator` of a generator.

    Raises NothingUsable where there are fewer generators than asked for.
    """
    within = shuffled("image_id", settings.seed, "generator_id")
    drawn = fakes.withColumn("_rank", F.row_number().over(within))
    drawn = drawn.where(F.col("_rank") <= settings.max_images_per_generator).drop("_rank")
    if settings.strategy == "all" and settings.min_images_per_generator == 1:
        return drawn
    return drawn.join(_generators(fakes, settings), on="generator_id", how="left_semi")


def split(fakes: DataFrame, reals: DataFrame, settings: TrainingSetSettings) -> DataFrame:
    """Give every row a split; what the recipe never lets cross splits is in one, and so are near duplicates.

    Fakes are split by generator, lineage, family or time, reals by image; of near duplicates that would lie in
    several splits those in the last of train, val, test stay, so that nothing that is tested was trained on.
    """
    if settings.split_by == "given":
        whole = fakes.unionByName(reals).withColumn("split", F.col("given_split"))
        placed = whole.where(F.col("split").isin(*SPLITS))
    else:
        column = "generator_id" if settings.split_by == "time" else settings.split_by
        unit = F.coalesce(column, "generator_id")
        newest = F.max("released_at") if settings.split_by == "time" else F.max(F.lit(0))
        placed = _placed(fakes, unit, newest, settings)
        placed = placed.unionByName(
            _placed(reals, F.coalesce("cluster_id", "image_id"), F.max(F.lit(0)), settings)
        )
    return _without_crossing(placed)


def positions(chosen: DataFrame, seed: int) -> DataFrame:
    """Return image_id, split, and the rank in the split's shuffled order, from 0."""
    order = shuffled("image_id", seed + 1, "split")
    return chosen.select("image_id", "split", (F.row_number().over(order) - 1).cast("long").alias("position"))


def shuffled(column: str, seed: int, *within: str) -> WindowSpec:
    """Return a window in which rows stand in an order that `seed` decides."""
    return Window.partitionBy(*within).orderBy(_hash(column, seed), column)


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


def _generators(fakes: DataFrame, settings: TrainingSetSettings) -> DataFrame:
    """Return generator_id of those that the recipe's strategy takes."""
    counted = fakes.groupBy("generator_id").agg(
        F.count("*").alias("_images"), F.first("stratum").alias("_stratum")
    )
    able = counted.where(F.col("_images") >= settings.min_images_per_generator)
    if settings.strategy == "all":
        return able.select("generator_id")
    there = able.count()
    if there < settings.generators:
        raise NothingUsable(
            f"{settings.generators} generators are asked for, and {there} with at least "
            f"{settings.min_images_per_generator} images meet the recipe's conditions"
        )
    drawn = _hash("generator_id", settings.seed)
    turn = F.row_number().over(Window.partitionBy("_stratum").orderBy(drawn, "generator_id"))
    order = {
        "random": [drawn],
        "most-images": [F.desc("_images")],
        "stratified": [turn, _hash("_stratum", settings.seed)],
    }[settings.strategy]
    ranked = able.withColumn("_turn", turn).withColumn(
        "_rank", F.row_number().over(Window.orderBy(*order, "generator_id"))
    )
    return ranked.where(F.col("_rank") <= settings.generators).select("generator_id")


def _placed(rows: DataFrame, unit: Column, newest: Column, settings: TrainingSetSettings) -> DataFrame:
    """Give each unit a split by its rank, so that even a few units fill every split: the newest to test, then val.

    Where all are equally new the rank is that in a shuffled order.
    """
    rows = rows.withColumn("_unit", unit)
    units = rows.groupBy("_unit").agg(newest.alias("_newest"))
    order = Window.orderBy(F.desc_nulls_last("_newest"), _hash("_unit", settings.seed), "_unit")
    counted = units.crossJoin(units.agg(F.count("*").alias("_n"))).withColumn("_r", F.row_number().over(order) - 1)
    test = F.ceil(F.lit(settings.test_fraction) * F.col("_n"))
    val = F.ceil(F.lit(settings.val_fraction) * F.col("_n"))
    named = (
        F.when(F.col("_r") < test, "test").when(F.col("_r") < test + val, "val").when(F.col("_r") >= 0, "train")
    )
    return rows.join(counted.select("_unit", named.alias("split")), on="_unit", how="inner").drop("_unit")


def _without_crossing(placed: DataFrame) -> DataFrame:
    """Leave out what has a near duplicate in a later one of train, val, test."""
    place = F.array_position(F.array(*map(F.lit, SPLITS)), F.col("split"))
    last = placed.where(F.col("cluster_id").isNotNull()).groupBy("cluster_id").agg(F.max(place).alias("_last"))
    joined = placed.join(last, on="cluster_id", how="left")
    return joined.where(F.col("_last").isNull() | (place == F.col("_last"))).drop("_last")


def _hash(column: str, seed: int) -> Column:
    return F.xxhash64(F.lit(seed), F.col(column))
