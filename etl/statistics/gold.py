"""The gold tables, computed from the others: what the explorer shows at once."""

from collections import defaultdict

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from etl.images.features.spectrum import BINS
from etl.lake.schemas import GOLD_COUNTS, GOLD_GENERATOR_CARDS, GOLD_IMAGES, GOLD_SPECTRA
from etl.statistics.diversity import entropy_bits, hill_number

DIMENSIONS = ("architecture", "family", "licence", "pipeline_class", "kind", "root_model_id")
"""Properties of a generator whose diversity is reported; the last is its lineage."""

UNKNOWN = "unknown"


def sampled(generators: DataFrame, images: DataFrame) -> DataFrame:
    """Return the generators that have images in the lake, with their number as `images`."""
    counts = images.where(F.col("label") == 1).groupBy("generator_id").agg(F.count("*").alias("images"))
    return counts.join(generators, on="generator_id", how="left")


def counts(sampled_generators: DataFrame) -> DataFrame:
    """Count generators and images by each value of each dimension, in one pass; nulls count as `unknown`."""
    pairs = F.array(
        *[
            F.struct(F.lit(name).alias("dimension"), F.coalesce(name, F.lit(UNKNOWN)).alias("value"))
            for name in DIMENSIONS
        ]
    )
    exploded = sampled_generators.select("images", F.explode(pairs).alias("pair")).select("images", "pair.*")
    grouped = exploded.groupBy("dimension", "value")
    return grouped.agg(F.count("*").alias("generators"), F.sum("images").alias("images")).select(
        *GOLD_COUNTS.columns
    )


def diversity(counted: list[tuple[str, int, int]]) -> list[tuple[str, str, int, int, float, float, float]]:
    """Return rows of gold_diversity from (dimension, generators, images) of each value."""
    by_unit: dict[tuple[str, str], list[int]] = defaultdict(list)
    for dimension, generators, images in counted:
        by_unit[dimension, "generators"].append(generators)
        by_unit[dimension, "images"].append(images)
    return [
        (
            *(dimension, unit, len(numbers), sum(numbers), entropy_bits(numbers)),
            *(hill_number(numbers, 1), hill_number(numbers, 2)),
        )
        for (dimension, unit), numbers in sorted(by_unit.items())
    ]


def generator_cards(generators: DataFrame, attempts: DataFrame, images: DataFrame) -> DataFrame:
    """Return one card a generator: what it is, whether it was tried and how that ended, its images in the lake."""
    tries = attempts.groupBy("generator_id").agg(
        F.count("*").alias("attempts"), F.max_by("code", "started_at").alias("last_code")
    )
    made = images.where(F.col("label") == 1).groupBy("generator_id").agg(F.count("*").alias("images"))
    cards = generators.join(tries, on="generator_id", how="left").join(made, on="generator_id", how="left")
    return cards.fillna(0, subset=["attempts", "images"]).select(*GOLD_GENERATOR_CARDS.columns)


def image_list(images: DataFrame, generators: DataFrame) -> DataFrame:
    """Return the rows of gold_images, in the order of their ids, which are hashes: each page is a fair mixture."""
    maker = generators.select(
        *("generator_id", "kind", "architecture", "family", "root_model_id"),
        F.col("licence").alias("generator_licence"),
        F.col("nsfw").alias("_nsfw"),
    )
    place = F.conv(F.substring("image_id", 1, 15), 16, 10).cast("long")
    nsfw = F.coalesce("nsfw", F.lit(False)) | F.coalesce("_nsfw", F.lit(False))
    rows = images.withColumn("byte_size", F.octet_length("bytes").cast("long")).drop("bytes")
    joined = rows.join(maker, on="generator_id", how="left").withColumn("place", place).withColumn("nsfw", nsfw)
    return joined.select(*GOLD_IMAGES.columns).repartitionByRange("place").sortWithinPartitions("place")


def spectra(images: DataFrame, features: DataFrame, version: int) -> DataFrame:
    """Return the rows of gold_spectra: mean power in dB by generator, by source of reals, and by class.

    Means are of decibels, so that one noisy image does not drown the others. A column a bin: to explode bins would
    make 64 rows of each image.
    """
    scalars = ("sharpness", "colourfulness", "entropy", "byte_size")
    bins = [f"bin{number}" for number in range(BINS)]
    measured = features.where((F.col("feature_version") == version) & F.col("spectrum").isNotNull())
    known = images.select("image_id", "label", "generator_id", "real_source")
    joined = known.join(measured.select("image_id", "spectrum", *scalars), on="image_id")
    is_fake = F.col("label") == 1
    name = F.coalesce(F.when(is_fake, F.col("generator_id")).otherwise(F.col("real_source")), F.lit(UNKNOWN))
    makers = joined.groupBy(
        F.when(is_fake, "fake").otherwise("real").alias("class"),
        F.when(is_fake, "generator").otherwise("real_source").alias("kind"),
        name.alias("name"),
    ).agg(
        F.count("*").alias("images"),
        *[F.sum(_decibels(F.get("spectrum", F.lit(number)))).alias(bin_) for number, bin_ in enumerate(bins)],
        *[F.sum(scalar).alias(scalar) for scalar in scalars],
        *[F.count(scalar).alias(f"n_{scalar}") for scalar in scalars],
    )
    classes = makers.withColumns({"kind": F.lit("label"), "name": F.col("class")})
    sums = ("images", *bins, *scalars, *[f"n_{scalar}" for scalar in scalars])
    groups = makers.unionByName(classes).groupBy("kind", "name").agg(*[F.sum(one).alias(one) for one in sums])
    means = F.array(*[(F.col(bin_) / F.col("images")).cast("float") for bin_ in bins])
    columns = {scalar: (F.col(scalar) / F.col(f"n_{scalar}")).cast("double") for scalar in scalars}
    return groups.withColumns({"spectrum": F.filter(means, F.isnotnull), **columns}).select(*GOLD_SPECTRA.columns)


def _decibels(power: Column) -> Column:
    return 10 * F.log10(F.when(power.isNotNull(), F.greatest(power, F.lit(1e-12))))
