"""The crawl guard: whether a crawl looks like the one before it, or like a Hub that answers otherwise than it did.

A field that the Hub no longer sends, or a listing that ends early without an error, would empty the catalogue
quietly; a person decides then.
"""

import json
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.models.landing import INCREMENTAL
from etl.models.settings import CatalogueSettings

KEY_FIELDS = (
    *("revision", "author", "created_at", "last_modified", "licence", "library", "pipeline_tag"),
    *("tags", "files", "downloads", "likes"),
)
"""Fields that the catalogue rests on; an empty list counts as missing."""
_LISTS = ("tags", "files")


@dataclass(frozen=True)
class Shape:
    """What the guard compares: how many records a crawl has, how many are refused, which fields are missing."""

    records: int
    rejected: int
    maimed: int
    """Records that are taken without a field, whose type was wrong."""
    missing: dict[str, float]
    """Share of the records without a key field, in 0 … 1."""


def shape(parsed: DataFrame) -> Shape:
    """Return the shape of a crawl as `records.parse` reads it, in one pass."""
    absent = [
        F.avg((F.coalesce(F.size(c), F.lit(0)) <= 0 if c in _LISTS else F.col(c).isNull()).cast("double")).alias(c)
        for c in KEY_FIELDS
    ]
    maimed = F.when(F.col("code").isNull() & (F.size("left_out") > 0), 1)
    counted = {"records": F.count("*"), "rejected": F.count("code"), "maimed": F.count(maimed)}
    counts = parsed.agg(*[column.alias(name) for name, column in counted.items()], *absent).first()
    found: dict[str, Any] = counts.asDict() if counts else {}
    missing = {name: round(found[name] or 0.0, 6) for name in KEY_FIELDS}
    return Shape(found["records"], found["rejected"], found["maimed"], missing)


def findings(now: Shape, last: dict[str, Any] | None, settings: CatalogueSettings) -> list[str]:
    """Return in words what moved too far since `last`, the row of `crawls` of the last crawl of the same kind."""
    if last is None or last["records"] < settings.guard_from:
        return []
    found = []
    # How much changed since the last incremental crawl is no measure of the next one.
    if last["mode"] != INCREMENTAL and now.records < last["records"] * (1 - settings.max_count_drop):
        drop = 1 - now.records / last["records"]
        found.append(
            f"{now.records:,} records, {drop:.1%} fewer than the {last['records']:,} of {last['crawl_id']}"
        )
    before = json.loads(last["missing"])
    for name, share in now.missing.items():
        rise = share - before.get(name, share)
        if rise > settings.max_missing_rise + 1e-9:
            points = f"{100 * rise:.1f} points more than in {last['crawl_id']}"
            found.append(f"{name} is missing in {share:.1%} of the records, {points}")
    return found
