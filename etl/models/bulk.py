"""A bulk start: the public table of Hub statistics (Parquet), landed as if the Hub had listed its rows.

One download instead of hundreds of pages; the table is made anew every day or so, and what changed since comes by
an incremental crawl. Its columns have the names of the listing's fields; nested ones may be JSON text.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pyarrow as pa
import pyarrow.parquet as pq
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

from etl.errors import ConfigError, HubUnreachable
from etl.lake.storage import workplace
from etl.models.hub import FIELDS
from etl.models.landing import DETAIL, WALK, CrawlState, Landing
from etl.models.settings import CrawlSettings

log = logging.getLogger(__name__)

REPOSITORY, FILE = "cfahlgren1/hub-stats", "models.parquet"
_TEXT_OF_JSON = ("cardData", "config", "siblings", "tags")
_ROWS = 1000


def land_table(landing: Landing, state: CrawlState, settings: CrawlSettings) -> None:
    """Land the table's rows that any listing of `state` shows, in pages; a killed call goes on at its page.

    Raises ConfigError for a file that is no such table, HubUnreachable where the download fails.
    """
    if state.phase != WALK:
        return
    table = Path(settings.table) if settings.table else _downloaded(state, settings.root, settings.endpoint)
    _know(landing, state, f"sha256:{_sha256(table)}")
    seen, done = landing.ids(state), len(state.pages)
    for number, page in enumerate(_pages(rows(table), state)):
        if number >= done:
            landing.land_page(state, f"{table.name}#{number}", page, seen)
            landing.save(state)
            log.info("bulk: %d records", state.records)
    state.phase = DETAIL
    landing.save(state)
    if not settings.table:
        table.unlink(missing_ok=True)


def check_table(table: Path) -> None:
    """Raise ConfigError for a file that is no such table."""
    next(rows(table), None)


def _know(landing: Landing, state: CrawlState, source: str) -> None:
    """Note what a crawl's table is. Raises ConfigError where the crawl was begun with another one."""
    if state.source not in (None, source) and state.pages:
        raise ConfigError(
            f"--table: the crawl {state.crawl_id} was begun with another table and is not finished; name that "
            f"one, or move the folder {landing.address(state.crawl_id)} away to begin a new crawl"
        )
    state.source = source
    landing.save(state)


def _sha256(file: Path) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def rows(table: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of the table as listing records. Raises ConfigError for a file that is no such table."""
    try:
        file = pq.ParquetFile(table)
    except (OSError, pa.ArrowInvalid) as error:
        raise ConfigError(f"--table: {table} cannot be read as Parquet ({' '.join(str(error).split())})") from None
    columns = [name for name in ("_id", "id", *FIELDS) if name in file.schema_arrow.names]
    if missing := {"id", "sha", "tags"} - set(columns):
        raise ConfigError(f"--table: {table} is no table of Hub models: it lacks {', '.join(sorted(missing))}")
    for batch in file.iter_batches(batch_size=_ROWS, columns=columns):
        yield from map(_record, batch.to_pylist())


def _pages(records: Iterator[dict[str, Any]], state: CrawlState) -> Iterator[list[dict[str, Any]]]:
    queries = [dict(parse_qsl(listing)) for listing in state.listings]
    page: list[dict[str, Any]] = []
    total = 0
    for record in records:
        if any(_shows(query, record) for query in queries):
            page.append(record)
            total += 1
            if len(page) == _ROWS or total == state.limit:
                yield page
                page = []
            if total == state.limit:
                return
    if page:
        yield page


def _shows(query: dict[str, str], record: dict[str, Any]) -> bool:
    """Whether the Hub would show a record for a listing's query."""
    tags = record.get("tags")
    wanted = query.get("filter", "").split(",") if query.get("filter") else []
    return (
        all(tag in tags for tag in wanted if isinstance(tags, list))
        and (not wanted or isinstance(tags, list))
        and ("pipeline_tag" not in query or record.get("pipeline_tag") == query["pipeline_tag"])
        and ("author" not in query or record.get("author") == query["author"])
    )


def _record(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as the Hub would have sent it: dates as text, nested fields unpacked, nulls left out."""
    record = {}
    for key, value in row.items():
        if isinstance(value, datetime):
            value = value.isoformat() + ("Z" if value.tzinfo is None else "")
        elif key in _TEXT_OF_JSON and isinstance(value, str):
            value = _unpacked(value)
        if value is not None:
            record[key] = value
    return record


def _unpacked(text: str) -> Any:
    """Return the JSON value of a text, the text itself where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _downloaded(state: CrawlState, root: str, endpoint: str) -> Path:
    """Return the table in the crawl's folder; once pages of it are landed it is not asked for again."""
    folder = workplace(root) / "landing" / "hub" / state.crawl_id
    if state.pages and (folder / FILE).is_file():
        return folder / FILE
    token = os.environ.get("HF_TOKEN") or False
    where = {"repo_type": "dataset", "endpoint": endpoint, "local_dir": folder, "token": token}
    try:
        return Path(hf_hub_download(REPOSITORY, FILE, library_name="forensics-lake", **where))
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        raise HubUnreachable(
            f"the table {FILE} of {REPOSITORY} cannot be downloaded from {endpoint} "
            f"({' '.join(str(error).split())[:200]}); run the same command again to go on, or name a local copy "
            "with --table"
        ) from None
