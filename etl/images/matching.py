"""Reals beside fakes: so many a split, by source or alike in what a shortcut could use."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from etl.errors import NothingUsable
from etl.images.recipe import TrainingSetSettings
from etl.images.splits import shuffled

POOL = 6
"""Reals that are looked at for each that is wanted, where they must be measured first."""
QUALITY_STEP = 5
BYTES_STEPS = 8
"""Strata of the file's bytes for each doubling: 9 % wide."""


def balance(pool: DataFrame, settings: TrainingSetSettings) -> DataFrame:
    """Return the rows of `pool` (with their splits) that stay: reals cut to the fakes, matched where asked.

    Raises NothingUsable where a real source has fewer images than its share.
    """
    if settings.match:
        return _matched(pool, settings)
    fakes, reals = pool.where(F.col("label") == 1), pool.where(F.col("label") == 0)
    if settings.real_shares:
        return fakes.unionByName(_shared(fakes, reals, settings))
    return fakes.unionByName(trimmed(pool, settings.max_reals_per_fake, settings.seed).where(F.col("label") == 0))


def trimmed(pool: DataFrame, reals_per_fake: float, seed: int) -> DataFrame:
    """Return all fakes of `pool`, and of each split's reals so many for each of its fakes."""
    fakes, reals = pool.where(F.col("label") == 1), pool.where(F.col("label") == 0)
    budget = fakes.groupBy("split").agg(F.ceil(F.count("*") * reals_per_fake).alias("_budget"))
    ranked = reals.withColumn("_rank", F.row_number().over(shuffled("image_id", seed, "split")))
    kept = ranked.join(budget, on="split", how="inner").where(F.col("_rank") <= F.col("_budget"))
    return fakes.unionByName(kept.drop("_rank", "_budget"))


def _shared(fakes: DataFrame, reals: DataFrame, settings: TrainingSetSettings) -> DataFrame:
    """Return each source's share of each split's reals."""
    assert settings.real_shares is not None
    shares = F.create_map(*[F.lit(word) for pair in settings.real_shares.items() for word in pair])
    total = fakes.groupBy("split").agg((F.count("*") * settings.max_reals_per_fake).alias("_total"))
    named = reals.where(F.col("real_source").isin(*settings.real_shares))
    ranked = named.withColumn(
        "_rank", F.row_number().over(shuffled("image_id", settings.seed, "split", "real_source"))
    )
    wanted = F.round(F.col("_total") * shares[F.col("real_source")])
    kept = ranked.join(total, on="split", how="inner").where(F.col("_rank") <= wanted)
    counts = {(r.split, r.real_source): r["count"] for r in kept.groupBy("split", "real_source").count().collect()}
    for row in total.collect():
        for source, share in settings.real_shares.items():
            there, asked = counts.get((row.split, source), 0), round(row["_total"] * share)
            if there < asked:
                raise NothingUsable(
                    f"the source '{source}' has {there} images for the split {row.split}, and its share is "
                    f"{asked}; ingest more, or lower --max_reals_per_fake or --max_images_per_generator"
                )
    return kept.drop("_rank", "_total")


def _matched(pool: DataFrame, settings: TrainingSetSettings) -> DataFrame:
    """Return as many reals and fakes of each stratum of each split as both classes have, in the recipe's ratio."""
    names = [f"_{name}" for name in settings.match]
    rows = pool.select("*", *map(_strata, settings.match))
    real, fake = (
        F.count_if(F.col("label") == label).alias(name) for label, name in ((0, "_reals"), (1, "_fakes"))
    )
    counted = rows.groupBy("split", *names).agg(real, fake)
    fakes = F.least("_fakes", F.floor(F.col("_reals") / settings.max_reals_per_fake))
    quotas = counted.select("split", *names, fakes.alias("_keep"))
    by_chance = shuffled("image_id", settings.seed, "split", "label", *names)
    ranked = rows.withColumn("_rank", F.row_number().over(by_chance)).join(
        quotas, on=["split", *names], how="inner"
    )
    quota = F.when(F.col("label") == 1, F.col("_keep")).otherwise(
        F.floor(F.col("_keep") * settings.max_reals_per_fake)
    )
    return ranked.where(F.col("_rank") <= quota).drop("_rank", "_keep", *names)


def _strata(name: str) -> Column:
    """Return the stratum of an image; never null, since no join finds null."""
    known: dict[str, Column] = {
        "format": F.col("format"),
        "size": F.concat_ws("x", "width", "height"),
        "quality": F.concat_ws("/", F.floor(F.col("jpeg_quality") / QUALITY_STEP), "jpeg_subsampling"),
        "bytes": F.floor(F.log2("byte_size") * BYTES_STEPS),
    }
    return F.coalesce(known[name].cast("string"), F.lit("")).alias(f"_{name}")
