"""Taking up crawls: each one becomes changes of `models` and `generators`, and a row of the catalogue's history.

The row in `crawls` comes last: a run that is killed before takes the crawl up again, which changes nothing twice.
"""

import json
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.command import Stage
from etl.config import as_dict
from etl.errors import CrawlRefused, NothingUsable
from etl.faults import fault_point
from etl.lake.schemas import CRAWLS, GENERATORS, GOLD_CRAWL_HISTORY, HUB_RECORDS, MODELS
from etl.lake.store import Lake
from etl.models import generators, guard, history, records, refusals
from etl.models.landing import CrawlState, Landing, started
from etl.models.settings import CatalogueSettings, Policy
from etl.statistics.catalogue import crawl_history

_SHOWN = 5
"""Circles of base models that are printed."""
ACCEPTED, REFUSED, TAKEN = "accepted", "refused", "taken"


def waiting(lake: Lake, crawl_id: str = "") -> list[str]:
    """Return the crawls to take up: the one asked for, else every loaded one without a row in `crawls`, the oldest
    first, else the newest that was taken up. Raises LakeMissing, NothingUsable.
    """
    loaded = lake.read(HUB_RECORDS).select("crawl_id").distinct()
    found = sorted(row[0] for row in loaded.collect())
    if crawl_id and crawl_id not in found:
        raise NothingUsable(f"the lake at {lake.root} holds no record of the crawl '{crawl_id}'")
    if not found:
        raise NothingUsable(f"the lake at {lake.root} holds no crawl; run `forensics crawl` first")
    done = dict(lake.read_or_empty(CRAWLS).select("crawl_id", "status").collect())
    taken = [name for name in found if done.get(name, REFUSED) != REFUSED]
    return [crawl_id] if crawl_id else [name for name in found if name not in done] or (taken or found)[-1:]


def take_up(lake: Lake, crawl_id: str, policy: Policy, settings: CatalogueSettings) -> int:
    """Merge one crawl into `models` and `generators` and record it; return the exit code. Raises CrawlRefused."""
    stage = Stage("catalogue", "records")
    parsed = records.parse(lake.read(HUB_RECORDS).where(F.col("crawl_id") == crawl_id)).persist()
    try:
        seen = guard.shape(parsed)
        landed = {crawl.crawl_id: crawl for crawl in Landing(lake.root).crawls()}
        this = landed.get(crawl_id) or CrawlState(crawl_id, "", [], 0)
        if crawl_id not in landed:
            print(f"catalogue: no manifest of {crawl_id} is under landing/hub, so nothing is withdrawn by it")
        found = guard.findings(seen, _last_like(lake, this), settings)
        row = _row(this, seen, found, policy)
        if found and not settings.accept:
            _refuse(lake, row)
        kinds = update_models(lake, parsed, this)
        if seen.rejected or seen.maimed:
            lake.reject("catalogue", refusals.refused(parsed), crawl_id)
    finally:
        parsed.unpersist()
    new = sum(kinds.get(kind, 0) for kind in (history.NEW, history.REVISED, history.UPDATED))
    words = ", ".join(f"{kinds.get(kind, 0)} {kind}" for kind in (*history.SEEN, history.WITHDRAWN))
    note = f"crawl {crawl_id}: {words}" + (f"; {seen.maimed} without a field (BAD_FIELD)" if seen.maimed else "")
    code = stage.finish(seen.records, new, seen.rejected, seen.records - new - seen.rejected, note)
    fault_point("catalogue:after-models")
    update_generators(lake, policy)
    fault_point("catalogue:after-generators")
    _record(lake, row)
    return code


def update_models(lake: Lake, parsed: DataFrame, this: CrawlState) -> dict[str, int]:
    """Merge a parsed crawl into `models`; return how many rows changed in each way.

    A crawl that is taken up after a later one brings nothing on the models that the later one saw since, and
    withdraws none.
    """
    at = started(this.crawl_id)
    if lake.is_empty(MODELS):
        rows = history.first_rows(parsed, at, this.crawl_id)
        lake.upsert(MODELS, rows)
        return {history.NEW: lake.read(MODELS).count()}
    later = _later(lake, this.crawl_id)
    before = None if later else earlier(lake, this)
    if later:
        seen = lake.read(HUB_RECORDS).where(F.col("crawl_id").isin(later))
        newest = seen.groupBy(F.col("model_id").alias("listed_id")).agg(F.max("fetched_at").alias("newest"))
        parsed = parsed.join(newest, on="listed_id", how="left")
        parsed = parsed.where(F.col("newest").isNull() | (F.col("newest") <= F.col("seen_at"))).drop("newest")
    changed = history.changes(parsed, before, lake.read(MODELS), at, this.crawl_id).persist()
    try:
        kinds = {row["change"]: row["count"] for row in changed.groupBy("change").count().collect()}
        if kinds:
            lake.upsert(MODELS, changed.drop("change"))
        return kinds
    finally:
        changed.unpersist()


def earlier(lake: Lake, this: CrawlState) -> DataFrame | None:
    """Return the model_id of everything that earlier crawls of the same scope showed; None unless all is known.

    Only a crawl that walked its listings to the end can tell that a model is gone. A model that was listed under a
    former name is one under its own.
    """
    if not this.complete:
        return None
    scope = (this.hub, this.listings)
    taken = [row for row in _taken(lake) if (row["hub"], row["listings"]) == scope]
    same = [row["crawl_id"] for row in taken if row["crawl_id"] < this.crawl_id]
    if not same:
        return None
    shown = lake.read(HUB_RECORDS).where(F.col("crawl_id").isin(same))
    renamed = shown.where(F.col("detail").contains('"RENAMED"'))
    own = renamed.select(F.get_json_object("detail", "$.info.id").alias("model_id"))
    return shown.select("model_id").unionByName(own)


def _later(lake: Lake, crawl_id: str) -> list[str]:
    """Return the crawls after this one that were taken up."""
    return [row["crawl_id"] for row in _taken(lake) if row["crawl_id"] > crawl_id]


def _taken(lake: Lake) -> list[dict[str, Any]]:
    """Return the rows of `crawls` that were taken up."""
    return [row.asDict() for row in lake.read_or_empty(CRAWLS).where(F.col("status") != REFUSED).collect()]


def update_generators(lake: Lake, policy: Policy) -> None:
    """Merge the current models into `generators`; print how many are eligible, and why the others are not."""
    stage = Stage("generators", "models")
    with generators.generators(lake.read(MODELS), policy, datetime.now(UTC)) as (rows, circles):
        counts = lake.merge(GENERATORS, rows, ignoring=generators.IGNORED)
    by_reason = lake.read(GENERATORS).where("kind = 'hub'").groupBy("reason").count().collect()
    reasons = {row["reason"]: row["count"] for row in by_reason}
    changed = counts.inserted + counts.updated
    stage.finish(sum(reasons.values()), changed, 0, counts.unchanged, generators.tally(reasons))
    for circle in circles[:_SHOWN]:
        print(f"generators: a circle of base models, their root is unknown: {', '.join(circle[:9])}")
    if len(circles) > _SHOWN:
        print(f"generators: {len(circles) - _SHOWN} more circles")


def _last_like(lake: Lake, this: CrawlState) -> dict[str, Any] | None:
    """Return the row of the last crawl before this that was taken up and asked the same of the same Hub."""
    asked = (this.hub, this.listings, this.mode, this.limit)
    like = [
        row
        for row in _taken(lake)
        if (row["hub"], row["listings"], row["mode"], row["limit"]) == asked and row["crawl_id"] < this.crawl_id
    ]
    return max(like, key=lambda row: str(row["crawl_id"]), default=None)


def _row(this: CrawlState, seen: guard.Shape, found: list[str], policy: Policy) -> dict[str, Any]:
    """A row of `crawls` but for what the catalogue made of it."""
    return {
        **{name: getattr(this, name) for name in ("crawl_id", "mode", "hub", "listings", "limit", "complete")},
        "status": ACCEPTED if found else TAKEN,
        "findings": found,
        "records": seen.records,
        "rejected": seen.rejected,
        "missing": json.dumps(seen.missing),
        "policy": json.dumps(as_dict(policy), sort_keys=True),
        "started_at": started(this.crawl_id),
        "taken_at": datetime.now(UTC),
    }


def _refuse(lake: Lake, row: dict[str, Any]) -> None:
    """Record a crawl that the guard refuses, and raise CrawlRefused."""
    _write(lake, row | {"status": REFUSED})
    reject = (row["crawl_id"], "", "CRAWL_REFUSED", "; ".join(row["findings"]))
    rejects = lake.spark.createDataFrame([reject], "key string, sha256 string, code string, detail string")
    lake.reject("catalogue", rejects, row["crawl_id"])
    raise CrawlRefused(
        f"the crawl {row['crawl_id']} is not like the last one and the tables stay as they are: "
        f"{'; '.join(row['findings'])}. Look into it; `forensics catalogue --crawl_id {row['crawl_id']} "
        "--accept true` takes it up all the same"
    )


def _record(lake: Lake, row: dict[str, Any]) -> None:
    """Write what the crawl changed, by family, and the crawl's own row: what was recorded once stays."""
    there = lake.read_or_empty(CRAWLS).where(F.col("crawl_id") == row["crawl_id"])
    if not there.where(F.col("status") != REFUSED).isEmpty():
        return
    rows = crawl_history(lake.read(MODELS), lake.read(GENERATORS), row["crawl_id"], row["started_at"])
    lake.append(GOLD_CRAWL_HISTORY, rows)
    ours = lake.read(GOLD_CRAWL_HISTORY).where(F.col("crawl_id") == row["crawl_id"])
    totals = ours.agg(
        *[F.coalesce(F.sum(name), F.lit(0)).alias(name) for name in ("new", "changed", "gone")]
    ).first()
    _write(lake, row | (totals.asDict() if totals else {}))
    fault_point("catalogue:after-record")


def _write(lake: Lake, row: dict[str, Any]) -> None:
    values = [tuple(row.get(name) for name in CRAWLS.columns)]
    lake.merge(CRAWLS, lake.spark.createDataFrame(values, CRAWLS.schema), ignoring=("taken_at",))
