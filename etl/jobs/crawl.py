"""Walk the Hub's models, land their records as received, and load them into `hub_records`.

The network comes first and needs no Spark: a killed or stopped crawl goes on from what was landed.
"""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from pyspark.sql import DataFrame, SparkSession

from etl.command import Stage, run
from etl.config import parse
from etl.errors import FINISHED_WITH_REJECTS, HubUnreachable, NothingUsable
from etl.faults import fault_point
from etl.lake import snapshot
from etl.lake.lock import table_lock
from etl.lake.schemas import HUB_RECORDS, REJECTS
from etl.lake.session import session
from etl.lake.store import Lake
from etl.models.crawl import CrawlStopped, ask_details, known_revisions, walk
from etl.models.hub import HubClient
from etl.models.landing import DONE, CrawlState, Landing
from etl.models.records import DETAIL_LINE, PAGE_LINE, hub_records, outcomes, unreadable
from etl.models.settings import CrawlSettings


def main(argv: Sequence[str] | None = None) -> int:
    settings = parse(CrawlSettings, argv, prog="forensics crawl", description=__doc__ or "")
    stage = Stage("crawl", "records")
    landing = Landing(settings.root)
    with table_lock(settings.root, HUB_RECORDS.name):
        state = landing.open(settings, datetime.now(UTC))
        client = HubClient(settings.endpoint, settings.max_wait_seconds)
        try:
            walk(client, landing, state, settings.page_size)
            ask_details(client, landing, state, known_revisions(settings.root), settings.workers)
        except CrawlStopped as stopped:
            return report_stop(settings, state, stopped)
        return load(settings.root, landing, state, stage)


def report_stop(settings: CrawlSettings, state: CrawlState, stopped: CrawlStopped) -> int:
    """Record why the Hub would not go on, and say how the crawl does."""
    reject = {"stage": "crawl", "key": stopped.key, "sha256": "", "code": stopped.code, "detail": stopped.detail}
    row = reject | {"run_id": state.crawl_id, "attempt": 1, "ts": datetime.now(UTC)}
    snapshot.append(settings.root, REJECTS, [row])
    if stopped.refused:
        raise HubUnreachable(
            f"the Hub at {settings.endpoint} refuses to list its models ({stopped}); check --endpoint and HF_TOKEN"
        )
    print(
        f"crawl: stopped at {stopped.key} ({stopped}); {state.records} records are landed, "
        "run the same command again to go on",
        flush=True,
    )
    return FINISHED_WITH_REJECTS


def read_lines(spark: SparkSession, schema: str, files: list[str]) -> DataFrame:
    """Return the lines of landed files; none where there is no file, which Spark would refuse to read."""
    return spark.read.schema(schema).json(files) if files else spark.createDataFrame([], schema)


def load(root: str, landing: Landing, state: CrawlState, stage: Stage) -> int:
    """Append what was landed to `hub_records`, record what was refused, and close the crawl."""
    with session("crawl") as spark:
        lake = Lake(root, spark)
        pages = read_lines(spark, PAGE_LINE, landing.files(state, [page["file"] for page in state.pages]))
        details = read_lines(spark, DETAIL_LINE, landing.files(state, state.details))
        fresh, _ = lake.append(
            HUB_RECORDS, hub_records(pages, details, state.crawl_id).where("model_id IS NOT NULL")
        )
        fault_point("crawl:after-load")
        refused = unreadable(pages, state.crawl_id).unionByName(outcomes(details, state.problems)).persist()
        codes = {row["code"]: row["count"] for row in refused.groupBy("code").count().collect()}
        if codes:
            lake.reject("crawl", refused, state.crawl_id)
    state.phase = DONE
    landing.save(state)
    if not state.records:
        raise NothingUsable(f"the Hub lists no model for {' and '.join(state.listings)}; check --listings")
    nameless = codes.pop("BAD_RECORD", 0)
    failed = "".join(f", {count} {code}" for code, count in sorted(codes.items()))
    note = f"crawl {state.crawl_id}: {len(state.pages)} pages, {state.details_asked} details{failed}"
    code = stage.finish(state.records, fresh, nameless, state.records - fresh - nameless, note)
    return code or (FINISHED_WITH_REJECTS if failed else 0)


if __name__ == "__main__":
    sys.exit(run(main))
