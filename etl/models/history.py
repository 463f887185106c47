"""What a crawl changes in `models`: new models and revisions, facts that changed, models that are gone.

`first_crawl`, `first_seen` and `last_seen` belong to a model at one revision; `is_current` marks a model's newest
known revision, exactly one, also after it was withdrawn. An unchanged model is not rewritten for a later
`last_seen`: that column tells the last crawl that brought a change (hub_records has every sight).

Models are compared by fingerprints, so that only ids and hashes of a table of millions are joined, and whole rows
of those that changed alone.
"""

from datetime import datetime
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from etl.lake.schemas import MODELS
from etl.models.records import accepted

NEW, REVISED, UPDATED, SUPERSEDED, WITHDRAWN = "new", "revised", "updated", "superseded", "withdrawn"
"""Kinds of change: a model not known before; a new revision of one; other facts of a known revision; a revision
that is no longer the newest; a model that a complete crawl no longer shows."""

SEEN = (NEW, REVISED, UPDATED)
"""Kinds of change of a model that the crawl shows."""

FROM_DETAIL = (
    *("files", "weight_files", "weight_bytes", "weights_sha256", "model_index", "scheduler_config"),
    "pipeline_class",
)
"""Columns that the listing alone does not fill."""
_OF_THE_LAKE = ("first_crawl", "first_seen", "last_seen", "is_current", "withdrawn_at")
_LISTED = [c for c in MODELS.columns if c not in (*MODELS.key, *FROM_DETAIL, *_OF_THE_LAKE)]


def first_rows(parsed: DataFrame, at: datetime, crawl_id: str) -> DataFrame:
    """Return a crawl's accepted rows as the first rows of `models`."""
    return _rows(accepted(parsed).withColumns(dict.fromkeys(_STANDING, F.lit(None))), at, crawl_id)


def changes(
    parsed: DataFrame, before: DataFrame | None, models: DataFrame, at: datetime, crawl_id: str
) -> DataFrame:
    """Return the rows that `models` lacks or has otherwise after a crawl, one a key, with `change`, their kind.

    `parsed` is the crawl as `records.parse` reads it. `before` has the model_id of what earlier crawls of the same
    listings showed, and is None unless this crawl shows all there is. `at` is the crawl's time.
    """
    rows = accepted(parsed)
    moved = differing(rows, models)
    seen = _rows(_with_known(rows.join(moved, on="model_id"), models), at, crawl_id, "change")
    revised = moved.where(F.col("change") == REVISED).select("model_id")
    current = models.where("is_current")
    older = current.join(revised, on="model_id", how="left_semi").withColumn("is_current", F.lit(False))
    marked = [seen, older.withColumn("change", F.lit(SUPERSEDED))]
    if before is not None:
        gone = withdrawn(parsed.select("model_id"), before, current, at)
        marked.append(gone.withColumn("change", F.lit(WITHDRAWN)))
    return reduce(DataFrame.unionByName, marked)


def differing(rows: DataFrame, models: DataFrame) -> DataFrame:
    """Return (model_id, change) of the rows that are not in `models` as they are.

    A model whose details were not asked for again, since this revision's were known, keeps those.
    """
    there = models.where("is_current").select(
        "model_id",
        F.col("revision").alias("known"),
        F.col("withdrawn_at").isNotNull().alias("known_gone"),
        F.col("weight_bytes").isNotNull().alias("known_detailed"),
        _print(_LISTED).alias("known_listed"),
        _print(FROM_DETAIL).alias("known_detail"),
    )
    offered = rows.select(
        "model_id", "revision", "gone", "detailed", _print(_LISTED).alias("l"), _print(FROM_DETAIL).alias("d")
    )
    joined = offered.join(there, on="model_id", how="left")
    kept = ~F.col("detailed") & F.col("known_detailed")
    same = (
        (F.col("l") == F.col("known_listed"))
        & (kept | (F.col("d") == F.col("known_detail")))
        & (F.col("gone") == F.col("known_gone"))
    )
    change = (
        F.when(F.col("known").isNull(), NEW)
        .when(F.col("known") != F.col("revision"), REVISED)
        .when(~same, UPDATED)
    )
    return joined.select("model_id", change.alias("change")).where("change IS NOT NULL")


def _print(columns: list[str] | tuple[str, ...]) -> Column:
    """A 64-bit hash of columns: equal rows have equal hashes, others of one model practically never."""
    return F.xxhash64(*columns)


_STANDING = [f"known_{c}" for c in ("first_crawl", "first_seen", "withdrawn_at", *FROM_DETAIL)]


def _with_known(rows: DataFrame, models: DataFrame) -> DataFrame:
    """Return `rows` with what `models` has of each at the same revision."""
    names = [name.removeprefix("known_") for name in _STANDING]
    known = models.select("model_id", "revision", *[F.col(c).alias(f"known_{c}") for c in names])
    return rows.join(known, on=["model_id", "revision"], how="left")


def _rows(rows: DataFrame, at: datetime, crawl_id: str, *more: str) -> DataFrame:
    """Return accepted rows, with what is known of them, as rows of `models`; `more` names columns to keep."""
    keep = ~F.col("detailed") & F.col("known_weight_bytes").isNotNull()
    derived: dict[str, Column] = {
        name: F.when(keep, F.col(f"known_{name}")).otherwise(F.col(name)) for name in FROM_DETAIL
    } | {
        "first_crawl": F.coalesce(F.col("known_first_crawl").cast("string"), F.lit(crawl_id)),
        "first_seen": F.coalesce("known_first_seen", "seen_at"),
        "last_seen": F.col("seen_at"),
        "is_current": F.lit(True),
        "withdrawn_at": F.when(
            F.col("gone"), F.coalesce(F.col("known_withdrawn_at").cast("timestamp"), F.lit(at))
        ),
    }
    return rows.select(*[derived.get(c, F.col(c)).alias(c) for c in MODELS.columns], *more)


def withdrawn(present: DataFrame, before: DataFrame, current: DataFrame, at: datetime) -> DataFrame:
    """Return the current rows of `models` that the crawl no longer shows, withdrawn `at` its time.

    `present` has the model_id of everything the crawl shows, `before` of what earlier crawls of the same listings
    of the same Hub showed: a model that those never showed is not missing now.
    """
    there = current.where(F.col("withdrawn_at").isNull())
    missing = there.join(present, on="model_id", how="left_anti")
    shown = before.join(missing.select("model_id"), on="model_id", how="left_semi").distinct()
    return missing.join(shown, on="model_id", how="left_semi").withColumn("withdrawn_at", F.lit(at))
