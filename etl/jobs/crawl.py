"""Walk the Hub's models, land their records as received, and load them into `hub_records`.

The network comes first and needs no Spark: a killed or stopped crawl goes on from what was landed.
"""

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from etl.command import Stage, run
from etl.config import parse
from etl.errors import FINISHED_WITH_REJECTS, HubUnreachable, NothingUsable
from etl.lake import snapshot
from etl.lake.lock import table_lock
from etl.lake.schemas import HUB_RECORDS, REJECTS
from etl.lake.session import session
from etl.lake.store import Lake
from etl.models.bulk import check_table, land_table
from etl.models.crawl import CrawlStopped, ask_details, end_network, known_revisions, walk
from etl.models.hub import HubClient
from etl.models.itinerary import expected_cost, open_crawl, told
from etl.models.landing import BULK, CrawlState, Landing
from etl.models.loading import load
from etl.models.settings import CrawlSettings


def main(argv: Sequence[str] | None = None) -> int:
    settings = parse(CrawlSettings, argv, prog="forensics crawl", description=__doc__ or "")
    stage = Stage("crawl", "records")
    landing = Landing(settings.root)
    with table_lock(settings.root, HUB_RECORDS.name):
        if settings.table:
            check_table(Path(settings.table))
        state = open_crawl(landing, settings, datetime.now(UTC))
        has_token = bool(os.environ.get("HF_TOKEN"))
        print(told(state, expected_cost(state, landing.crawls(), settings, has_token), has_token), flush=True)
        try:
            visit(HubClient(settings.endpoint, settings.max_wait_seconds), landing, state, settings)
        except CrawlStopped as stopped:
            return report_stop(settings, state, stopped)
        with session("crawl", root=settings.root) as spark:
            loaded = load(Lake(settings.root, spark), landing, state)
    if not state.records:
        raise NothingUsable(f"the Hub lists no model for {' and '.join(state.listings)}; check --listings")
    codes = dict(loaded.codes)
    rejected = sum(codes.pop(code, 0) for code in ("BAD_RECORD", "DUPLICATE"))
    failed = "".join(f", {count} {code}" for code, count in sorted(codes.items()))
    note = f"crawl {state.crawl_id}: {len(state.pages)} pages, {state.details_asked} details{failed}"
    return stage.finish(state.records, loaded.fresh, rejected, loaded.there, note) or (
        FINISHED_WITH_REJECTS if failed else 0
    )


def visit(client: HubClient, landing: Landing, state: CrawlState, settings: CrawlSettings) -> None:
    """Do what is left of a crawl's network part. Raises CrawlStopped, HubUnreachable."""
    if state.mode == BULK:
        land_table(landing, state, settings)
    else:
        walk(client, landing, state, settings.page_size)
    if settings.details:
        ask_details(client, landing, state, known_revisions(settings.root), settings.workers)
    else:
        end_network(landing, state)


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


if __name__ == "__main__":
    sys.exit(run(main))
