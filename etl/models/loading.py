"""From landed files to `hub_records`: one commit a crawl, and a rejects row for what cannot be a row there."""

from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from etl.faults import fault_point
from etl.lake.lock import table_lock
from etl.lake.schemas import HUB_RECORDS
from etl.lake.store import Lake
from etl.models.landing import DONE, LOAD, CrawlState, Landing
from etl.models.records import DETAIL_LINE, PAGE_LINE, hub_records
from etl.models.refusals import outcomes, unusable


@dataclass(frozen=True)
class Loaded:
    """How many rows a load added to `hub_records`, and its rejects by code, call failures and records alike."""

    fresh: int
    there: int
    """Records that are no new row and no reject: of another listing, or loaded before."""
    codes: dict[str, int]


def load(lake: Lake, landing: Landing, state: CrawlState) -> Loaded:
    """Append what a crawl landed to `hub_records`, record what was refused, and close the crawl.

    Raises TableDamaged for landed files that are not as they were written.
    """
    pages = _lines(lake.spark, PAGE_LINE, landing.files(state, state.pages))
    details = _lines(lake.spark, DETAIL_LINE, landing.files(state, state.details))
    fresh = lake.append_batch(HUB_RECORDS, hub_records(pages, details, state.crawl_id), crawl_id=state.crawl_id)
    fault_point("crawl:after-load")
    refused = unusable(pages, state.crawl_id).unionByName(outcomes(details, state.problems)).persist()
    codes = {row["code"]: row["count"] for row in refused.groupBy("code").count().collect()}
    if codes:
        lake.reject("crawl", refused, state.crawl_id)
    refused.unpersist()
    ours = lake.read(HUB_RECORDS).where(F.col("crawl_id") == state.crawl_id).count()
    again = sum(page["again"] for page in state.pages)
    state.phase = DONE
    landing.save(state)
    return Loaded(fresh, ours - fresh + again, codes)


def load_landed(lake: Lake, landing: Landing) -> None:
    """Load every crawl that is landed whole and not loaded yet, the oldest first.

    The crawl job does so at its end; a crawl that was killed there, or landed elsewhere and copied here, comes in
    this way.
    """
    waiting = [state for state in landing.crawls() if state.phase == LOAD]
    if waiting:
        with table_lock(lake.root, HUB_RECORDS.name):
            for state in waiting:
                load(lake, landing, state)


def _lines(spark: SparkSession, schema: str, files: list[str]) -> DataFrame:
    """Return the lines of landed files; none where there is no file, which Spark would refuse to read."""
    return spark.read.schema(schema).json(files) if files else spark.createDataFrame([], schema)
