"""The rows of gold_spread: kinds of content, fingerprints of generators, and coverage of the catalogue.

A sample is enough: at most `MOST_IMAGES` of each generator, and `MOST_ROWS` rows in all, the first by their ids,
which are hashes.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from etl.images.features import FEATURE_VERSION
from etl.statistics.gold import UNKNOWN
from etl.statistics.spread import coverage, fingerprints, vendi_score

MOST_IMAGES = 32
MOST_ROWS = 20_000
COVERED = ("family", "architecture", "root_model_id", "pipeline_class")
Row = tuple[str, str, float, int]


def sample(images: DataFrame, features: DataFrame, generators: DataFrame) -> pl.DataFrame:
    """Return label, generator_id, family, spectrum and embedding of the images that the measures look at."""
    known = images.select("image_id", "label", "generator_id", "real_source")
    measured = features.where(F.col("feature_version") == FEATURE_VERSION)
    measured = measured.select("image_id", "spectrum", "embedding").where(F.col("spectrum").isNotNull())
    group = F.coalesce("generator_id", "real_source")
    within = Window.partitionBy(group).orderBy("image_id")
    # Ranked by their ids alone: spectra and embeddings of all would be sorted with them.
    rows = known.join(measured.select("image_id"), on="image_id").withColumn("_rank", F.row_number().over(within))
    few = rows.where(F.col("_rank") <= MOST_IMAGES).orderBy("_rank", "image_id").limit(MOST_ROWS)
    named = measured.join(F.broadcast(few), on="image_id").join(
        generators.select("generator_id", "family"), on="generator_id", how="left"
    )
    kept = named.orderBy("image_id").select("image_id", "label", "generator_id", "family", "spectrum", "embedding")
    return pl.DataFrame(kept.toArrow())


def of_sample(rows: pl.DataFrame) -> Iterator[Row]:
    """Yield the Vendi score of fakes, reals and families, and the spread of fingerprints of fakes and families."""
    if rows.is_empty():
        return
    fakes = rows.filter(pl.col("label") == 1).with_columns(pl.col("family").fill_null(UNKNOWN))
    subjects = {"fakes": fakes, "reals": rows.filter(pl.col("label") == 0)}
    subjects |= {str(name): own for (name,), own in sorted(fakes.group_by("family"), key=lambda pair: pair[0])}
    for name, own in subjects.items():
        embedded = own.drop_nulls("embedding")
        if embedded.height > 1:
            yield "vendi", name, vendi_score(_matrix(embedded["embedding"])), embedded.height
        if name == "reals" or own.is_empty():
            continue
        found = fingerprints(_matrix(own["spectrum"]), own["generator_id"].to_list())
        if found is not None:
            n = own["generator_id"].n_unique()
            yield "fingerprint_between", name, found.between, n
            yield "fingerprint_within", name, found.within, n
            yield "fingerprint_ratio", name, found.ratio, n


def of_catalogue(counted: list[tuple[str, str, int, int]]) -> Iterator[Row]:
    """Yield the share of the catalogue's kinds that were sampled, and the share of its generators of those kinds.

    `counted` holds (column, kind, generators, sampled generators) of every kind.
    """
    for column in COVERED:
        own = {kind: (members, taken) for name, kind, members, taken in counted if name == column}
        kinds, members = coverage(
            {kind for kind, (_, taken) in own.items() if taken}, {kind: count for kind, (count, _) in own.items()}
        )
        yield f"coverage_{column}", "kinds", kinds, len(own)
        yield f"coverage_{column}", "generators", members, sum(count for count, _ in own.values())


def counted(generators: DataFrame, sampled: DataFrame) -> list[tuple[str, str, int, int]]:
    """Count the catalogue's generators and those with images, by each kind of each column, in one pass."""
    there = sampled.select("generator_id", F.lit(1).alias("taken"))
    pairs = F.array(
        *[
            F.struct(F.lit(name).alias("column"), F.coalesce(name, F.lit(UNKNOWN)).alias("kind"))
            for name in COVERED
        ]
    )
    each = generators.join(there, on="generator_id", how="left").select("taken", F.explode(pairs).alias("pair"))
    grouped = each.groupBy("pair.column", "pair.kind").agg(
        F.count("*").alias("members"), F.count("taken").alias("taken")
    )
    return [(row["column"], row["kind"], row["members"], row["taken"]) for row in grouped.collect()]


def _matrix(column: pl.Series) -> Any:
    return np.array(column.to_list(), dtype=np.float64)
