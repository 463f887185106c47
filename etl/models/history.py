"""What a crawl changes in `models`: new revisions, revisions that are no longer the newest, models that are gone.

`first_seen` and `last_seen` belong to a model at one revision; `is_current` marks a model's newest known revision,
exactly one, also after it was withdrawn. An unchanged model is not rewritten for a later `last_seen`: that column
is left out of the comparison, so it tells the last crawl that brought a change (hub_records has every sight).
"""

from datetime import datetime
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from etl.lake.schemas import MODELS
from etl.models.records import accepted

IGNORED = ("last_seen",)
"""Columns whose change alone is no change of a model. Downloads and likes are facts, so they count."""
_FROM_DETAIL = ("files", "weight_files", "weight_bytes", "model_index", "pipeline_class")
_KEPT = ("first_seen", "withdrawn_at", *_FROM_DETAIL)


def changes(parsed: DataFrame, before: DataFrame, models: DataFrame, at: datetime) -> DataFrame:
    """Return every row that `models` should have after a crawl and may not have yet, one a key.

    `parsed` is the crawl as `records.parse` reads it, `before` as for `withdrawn`, `at` the crawl's time. The
    column `change` says seen, superseded or withdrawn; rows of the last two kinds do differ from `models`.
    """
    rows = accepted(parsed)
    kinds = {
        "seen": seen(rows, models),
        "superseded": superseded(rows, models),
        "withdrawn": withdrawn(parsed.select("model_id"), before, models, at),
    }
    marked = [found.withColumn("change", F.lit(kind)) for kind, found in kinds.items()]
    return reduce(DataFrame.unionByName, marked)


def seen(rows: DataFrame, models: DataFrame) -> DataFrame:
    """Return the crawl's accepted rows as rows of `models`.

    A model whose details were not asked for again, since this revision's were known, keeps those.
    """
    known = models.select("model_id", "revision", *[F.col(c).alias(f"old_{c}") for c in _KEPT])
    joined = rows.join(known, on=["model_id", "revision"], how="left")
    keep = ~F.col("detailed") & F.col("old_weight_bytes").isNotNull()
    gone_at = F.coalesce("old_withdrawn_at", "seen_at")
    derived: dict[str, Column] = {
        name: F.when(keep, F.col(f"old_{name}")).otherwise(F.col(name)) for name in _FROM_DETAIL
    } | {
        "first_seen": F.coalesce("old_first_seen", "seen_at"),
        "last_seen": F.col("seen_at"),
        "is_current": F.lit(True),
        "withdrawn_at": F.when(F.col("gone"), gone_at),
    }
    return joined.select(*[derived.get(c, F.col(c)).alias(c) for c in MODELS.columns])


def superseded(rows: DataFrame, models: DataFrame) -> DataFrame:
    """Return the rows of `models` that were current and of which the crawl has another revision."""
    newest = rows.select("model_id", F.col("revision").alias("newest"))
    older = models.where("is_current").join(newest, on="model_id", how="inner")
    return older.where(F.col("revision") != F.col("newest")).drop("newest").withColumn("is_current", F.lit(False))


def withdrawn(present: DataFrame, before: DataFrame, models: DataFrame, at: datetime) -> DataFrame:
    """Return the current rows of `models` that the crawl no longer shows, withdrawn `at` its time.

    `present` has the model_id of everything the crawl shows, `before` of what earlier complete crawls of the same
    listings of the same Hub showed: a model that those never showed is not missing now.
    """
    there = models.where(F.col("is_current") & F.col("withdrawn_at").isNull())
    gone = there.join(present, on="model_id", how="left_anti").join(before, on="model_id", how="left_semi")
    return gone.withColumn("withdrawn_at", F.lit(at))
