"""The catalogue's gold: what the Hub holds, how it grew, what its models were made from, what a crawl changed.

Only models of the Hub count here. `models_current` are the rows of `models` with `is_current`: one a model, those
that are gone included.
"""

from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from etl.lake.schemas import GOLD_BASE_MODELS, GOLD_CATALOGUE, GOLD_CRAWL_HISTORY, GOLD_GROWTH, GOLD_MODELS
from etl.statistics.gold import UNKNOWN

ELIGIBLE = "ELIGIBLE"
"""The verdict on a model that is refused for no reason."""
REST = "all others"
"""The value that stands for the rarest of a dimension; no licence has this name, while many are called `other`."""
MOST_VALUES = 1000
"""Values of a dimension that have a row of their own: licence and class names are free text with a long tail."""
MOST_ROOTS = 5000
"""Base models that have a row: those with the most descendants."""
COPY = "COPY"
"""The root_basis of a model whose weights are those of another."""


def catalogue_counts(models_current: DataFrame, generators: DataFrame, most: int = MOST_VALUES) -> DataFrame:
    """Return the rows of gold_catalogue: models, eligible ones and downloads by each value of each dimension.

    One pass. Models that are gone do not count, so the shares of a dimension add up to 1. Beyond the `most`
    frequent values of a dimension the others share one row.
    """
    there = models_current.where(F.col("withdrawn_at").isNull()).select("model_id", "gated")
    known = there.join(_of_the_hub(generators).drop("gated"), on="model_id", how="inner")
    values = {name: F.col(name) for name in ("licence", "gated", "family", "architecture", "pipeline_class")}
    values |= {"verdict": F.coalesce("reason", F.lit(ELIGIBLE)), "scheduler": F.col("scheduler")}
    pairs = [
        F.struct(F.lit(dimension).alias("dimension"), F.coalesce(value, F.lit(UNKNOWN)).alias("value"))
        for dimension, value in values.items()
    ]
    each = known.select("eligible", "downloads", F.explode(F.array(*pairs)).alias("pair"))
    counted = each.groupBy("pair.dimension", "pair.value").agg(
        F.count("*").alias("models"), F.count_if("eligible").alias("eligible"), _downloads()
    )
    in_dimension = Window.partitionBy("dimension")
    place = F.row_number().over(in_dimension.orderBy(F.desc("models"), "value"))
    ranked = counted.select("*", F.sum("models").over(in_dimension).alias("total"), place.alias("place"))
    value = F.when(F.col("place") <= most, F.col("value")).otherwise(REST)
    kept = ranked.withColumn("value", value).groupBy("dimension", "value")
    rows = kept.agg(
        F.sum("models").alias("models"),
        (F.sum("models") / F.first("total")).alias("share"),
        F.sum("eligible").alias("eligible"),
        F.sum("downloads").alias("downloads"),
    )
    return rows.select(*GOLD_CATALOGUE.columns)


def growth(generators: DataFrame) -> DataFrame:
    """Return the rows of gold_growth: models by month of creation and family.

    A model that is gone stays in the month that brought it: the past does not shrink.
    """
    month = F.coalesce(F.date_format("released_at", "yyyy-MM"), F.lit(UNKNOWN))
    rows = _of_the_hub(generators).groupBy(month.alias("month"), _family().alias("family"))
    counted = rows.agg(F.count("*").alias("models"), F.count_if("eligible").alias("eligible"))
    return counted.select(*GOLD_GROWTH.columns)


def base_models(models_current: DataFrame, generators: DataFrame, most: int = MOST_ROOTS) -> DataFrame:
    """Return the rows of gold_base_models: roots that have descendants, by what those are to their own bases.

    Only models that are there count; the root itself may be gone, or never have been listed. A descendant is a
    copy, or what it declares first (adapter, finetune, merge, quantized), or neither. `eligible` counts
    descendants.
    """
    declared = F.filter("base_models", lambda base: base["relation"].isNotNull())
    relation = F.get(declared, F.lit(0))["relation"]
    there = models_current.where(F.col("withdrawn_at").isNull()).select("model_id", relation.alias("relation"))
    known = there.join(_of_the_hub(generators), on="model_id", how="inner")
    rooted = known.where(F.col("root_model_id").isNotNull())
    descends = F.col("model_id") != F.col("root_model_id")
    way = F.when(F.col("root_basis") == COPY, COPY).otherwise(F.col("relation"))

    def how_many(condition: Column) -> Column:
        return F.count_if(descends & condition)

    rows = rooted.groupBy("root_model_id").agg(
        F.mode("family", deterministic=True).alias("family"),
        F.coalesce(F.bool_or("root_certain"), F.lit(False)).alias("root_certain"),
        F.count_if(descends).alias("descendants"),
        how_many(way == "adapter").alias("adapters"),
        how_many(way == "finetune").alias("finetunes"),
        how_many(way == "merge").alias("merges"),
        how_many(way == "quantized").alias("quantisations"),
        how_many(way == COPY).alias("copies"),
        how_many(F.col("eligible")).alias("eligible"),
        F.max("lineage_depth").alias("depth"),
        _downloads(),
    )
    largest = rows.where("descendants > 0").orderBy(F.desc("descendants"), "root_model_id").limit(most)
    return largest.select(*GOLD_BASE_MODELS.columns)


def model_list(models_current: DataFrame, generators: DataFrame) -> DataFrame:
    """Return the rows of gold_models, the most downloaded first: a page of the list is read from its beginning."""
    verdicts = ("family", "architecture", "eligible", "reason", "detail", "root_model_id", "lineage_depth")
    known = _of_the_hub(generators).select("model_id", *verdicts)
    base = F.get("base_models", F.lit(0))
    rows = models_current.join(known, on="model_id", how="left").select(
        *[name for name in GOLD_MODELS.columns if name in models_current.columns and name not in verdicts],
        *verdicts,
        base["model_id"].alias("base_model_id"),
        base["relation"].alias("relation"),
        F.col("withdrawn_at").isNotNull().alias("is_gone"),
    )
    order = [F.desc_nulls_last("downloads"), F.col("model_id")]
    return rows.select(*GOLD_MODELS.columns).repartitionByRange(*order).sortWithinPartitions(*order)


def crawl_history(models: DataFrame, generators: DataFrame, crawl_id: str, at: datetime) -> DataFrame:
    """Return the rows of gold_crawl_history of the crawl just taken up: what it changed, by family.

    `models` are all revisions. new: models never seen before. changed: known ones that it shows at a revision
    never seen before. gone: withdrawn `at` its start. there: shown now, so true of the newest crawl only.
    """
    this = F.col("first_crawl") == crawl_id
    current = F.col("is_current")
    each = models.groupBy("model_id").agg(
        (F.min_by("first_crawl", F.struct("first_seen", "first_crawl")) == crawl_id).alias("new"),
        F.bool_or(this).alias("brought"),
        F.bool_or(current & (F.col("withdrawn_at") == F.lit(at))).alias("gone"),
        F.bool_or(current & F.col("withdrawn_at").isNull()).alias("there"),
    )
    families = _of_the_hub(generators).select("model_id", "family")
    rows = each.join(families, on="model_id", how="left").groupBy(_family().alias("family"))
    counted = rows.agg(
        F.count_if("new").alias("new"),
        F.count_if(F.col("brought") & ~F.col("new")).alias("changed"),
        F.count_if("gone").alias("gone"),
        F.count_if("there").alias("there"),
    )
    said = counted.where(F.greatest("new", "changed", "gone", "there") > 0)
    return said.withColumn("crawl_id", F.lit(crawl_id)).select(*GOLD_CRAWL_HISTORY.columns)


def _of_the_hub(generators: DataFrame) -> DataFrame:
    return generators.where(F.col("kind") == "hub")


def _family() -> Column:
    return F.coalesce("family", F.lit(UNKNOWN))


def _downloads() -> Column:
    return F.coalesce(F.sum("downloads"), F.lit(0)).alias("downloads")
