"""The gold tables, computed from the others: what the explorer shows at once."""

from collections import defaultdict

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.lake.schemas import GOLD_COUNTS, GOLD_GENERATOR_CARDS
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
