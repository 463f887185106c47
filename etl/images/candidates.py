"""What a training set may be made of: images with all that is known of them, less what the recipe's conditions
bar."""

from collections.abc import Sequence
from functools import reduce

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, BinaryType

from etl.errors import ConfigError
from etl.images.features import FEATURE_VERSION
from etl.images.recipe import TrainingSetSettings

KEPT = (
    *("image_id", "label", "generator_id", "real_source"),
    *("root_model_id", "family", "released_at", "stratum", "cluster_id", "given_split"),
    *("format", "mode", "width", "height", "n_frames", "exif_orientation", "bit_depth", "icc_profile"),
    *("byte_size", "jpeg_quality", "jpeg_subsampling"),
)
"""`cluster_id` is null where an image has no near duplicate, `given_split` where the collection gives none."""


def candidates(
    images: DataFrame,
    generators: DataFrame,
    features: DataFrame,
    clusters: DataFrame,
    collections: DataFrame,
    settings: TrainingSetSettings,
) -> DataFrame:
    """Return the images that meet the recipe's conditions, without their bytes.

    Columns: those of `images`, then of `generators` and `image_features` those of other names that hold one
    value, `cluster_id` (null where an image has no near duplicate), `collections` (names, none: empty), and
    `given_split`. Raises ConfigError for a condition that Spark cannot read.
    """
    joined = _whole(images, generators, features, clusters, collections, settings.collection)
    every = _meet(joined, settings.where, "where")
    fakes = _meet(every.where(F.col("label") == 1), settings.fakes, "fakes")
    reals = _meet(every.where(F.col("label") == 0), settings.reals, "reals")
    if settings.stratify_by not in joined.columns:
        raise ConfigError(f"--stratify_by: there is no column '{settings.stratify_by}'")
    whole = fakes.unionByName(reals).withColumn("stratum", F.col(settings.stratify_by).cast("string"))
    return whole.select(*KEPT)


def _whole(
    images: DataFrame,
    generators: DataFrame,
    features: DataFrame,
    clusters: DataFrame,
    collections: DataFrame,
    given: str | None,
) -> DataFrame:
    known = _single_valued(images, [], ())
    makers = _single_valued(generators, ["generator_id"], known.columns)
    of_version = features.where(F.col("feature_version") == FEATURE_VERSION)
    measured = _single_valued(of_version, ["image_id"], [*known.columns, *makers.columns])
    places = collections.groupBy("image_id").agg(
        F.array_sort(F.collect_set("collection")).alias("collections"),
        F.min(F.when(F.col("collection") == F.lit(given), F.col("split"))).alias("given_split"),
    )
    joined = known.join(makers, on="generator_id", how="left").join(measured, on="image_id", how="left")
    joined = joined.join(clusters.select("image_id", "cluster_id"), on="image_id", how="left")
    joined = joined.join(places, on="image_id", how="left")
    return joined.withColumn("collections", F.coalesce("collections", F.array().cast("array<string>")))


def _single_valued(table: DataFrame, key: Sequence[str], taken: Sequence[str]) -> DataFrame:
    """Return the key and the columns of other names, but for bytes and arrays, which no condition is about."""
    kept = [
        field.name
        for field in table.schema
        if field.name not in taken and not isinstance(field.dataType, BinaryType | ArrayType)
    ]
    return table.select(*dict.fromkeys([*key, *kept]))


def _meet(rows: DataFrame, conditions: Sequence[str], key: str) -> DataFrame:
    def met(found: DataFrame, condition: str) -> DataFrame:
        try:
            return found.where(F.expr(condition))
        except (AnalysisException, ParseException) as error:
            reason = str(error).strip().splitlines()[0]  # a ParseException begins with an empty line
            raise ConfigError(
                f"--{key}: '{condition}' cannot be understood: {reason}; the columns are {', '.join(rows.columns)}"
            ) from None

    return reduce(met, conditions, rows)
