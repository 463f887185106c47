"""Turn the records of a crawl into `models`, and those into `generators`: eligible, or not and why.

The same crawl again, or another in which nothing changed, commits nothing.
"""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.command import Stage, run
from etl.config import parse
from etl.errors import NothingUsable
from etl.faults import fault_point
from etl.lake.schemas import GENERATORS, HUB_RECORDS, MODELS
from etl.lake.session import session
from etl.lake.store import Lake
from etl.models import generators, history, records
from etl.models.landing import Landing, started
from etl.models.settings import CatalogueSettings, Policy


def main(argv: Sequence[str] | None = None) -> int:
    settings = parse(CatalogueSettings, argv, prog="forensics catalogue", description=__doc__ or "")
    with session("catalogue") as spark:
        lake = Lake(settings.root, spark)
        with lake.writing(MODELS, GENERATORS):
            crawl_id = settings.crawl_id or newest_crawl(lake)
            code = update_models(lake, crawl_id)
            fault_point("catalogue:after-models")
            update_generators(lake, settings.policy)
    return code


def newest_crawl(lake: Lake) -> str:
    """Return the id of the newest crawl that is loaded. Raises LakeMissing, NothingUsable."""
    newest = lake.read(HUB_RECORDS).agg(F.max("crawl_id")).first()
    if newest is None or newest[0] is None:
        raise NothingUsable(f"the lake at {lake.root} holds no crawl; run `forensics crawl` first")
    return str(newest[0])


def update_models(lake: Lake, crawl_id: str) -> int:
    """Merge one crawl into `models` and print its counts; return the exit code."""
    stage = Stage("catalogue", "records")
    taken = lake.read(HUB_RECORDS).where(F.col("crawl_id") == crawl_id)
    parsed = records.parse(taken).persist()
    total = parsed.count()
    if not total:
        raise NothingUsable(f"the lake at {lake.root} holds no record of the crawl '{crawl_id}'")
    before, models = earlier_models(lake, crawl_id), lake.read_or_empty(MODELS)
    changes = history.changes(parsed, before, models, started(crawl_id)).persist()
    kinds = {row["change"]: row["count"] for row in changes.groupBy("change").count().collect()}
    counts = lake.merge(MODELS, changes.drop("change"), ignoring=history.IGNORED)
    rejected = total - kinds.get("seen", 0)
    if rejected:
        rejected = lake.reject("catalogue", records.refused(parsed), crawl_id)
    changes.unpersist()
    parsed.unpersist()
    superseded, withdrawn = kinds.get("superseded", 0), kinds.get("withdrawn", 0)
    note = f"crawl {crawl_id}; {superseded} superseded, {withdrawn} withdrawn"
    changed = counts.inserted + counts.updated - superseded - withdrawn
    return stage.finish(total, changed, rejected, counts.unchanged, note)


def earlier_models(lake: Lake, crawl_id: str) -> DataFrame:
    """Return the model_id of everything that earlier crawls of the same scope showed; nothing unless all is known.

    Only a crawl that walked its listings to the end can tell that a model is gone.
    """
    crawls = {crawl.crawl_id: crawl for crawl in Landing(lake.root).crawls()}
    this = crawls.get(crawl_id)
    same = [
        crawl.crawl_id
        for crawl in crawls.values()
        if this and this.complete and crawl.crawl_id < crawl_id and crawl.same_scope(this)
    ]
    return lake.read(HUB_RECORDS).where(F.col("crawl_id").isin(same)).select("model_id").distinct()


def update_generators(lake: Lake, policy: Policy) -> None:
    """Merge the current models into `generators`; print how many are eligible, and why the others are not."""
    stage = Stage("generators", "models")
    current = lake.read(MODELS).where("is_current")
    rows, cyclic = generators.generators(current, policy, datetime.now(UTC))
    counts = lake.merge(GENERATORS, rows, ignoring=generators.IGNORED)
    by_reason = lake.read(GENERATORS).where("kind = 'hub'").groupBy("reason").count().collect()
    reasons = {row["reason"]: row["count"] for row in by_reason}
    changed = counts.inserted + counts.updated
    stage.finish(sum(reasons.values()), changed, 0, counts.unchanged, generators.tally(reasons))
    if cyclic:
        print(f"generators: {cyclic} models name each other as base in a circle; their root is unknown")


if __name__ == "__main__":
    sys.exit(run(main))
