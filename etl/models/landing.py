"""A crawl as it lies on disk: pages and details as received, and a state file that says how far it got.

<root>/landing/hub/<crawl_id>/ holds page-00000.jsonl.gz, detail-00000.jsonl.gz, … and state.json. Every file is
written beside its place, synced and moved there, the state last: a crawl killed at any moment goes on from its
state, at the cost of one page, or one batch of details, asked for twice.
"""

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from etl import durable
from etl.models.settings import CrawlSettings

WALK, DETAIL, LOAD, DONE = "walk", "detail", "load", "done"
_CRAWL_ID = "%Y%m%dT%H%M%SZ"


@dataclass
class CrawlState:
    """How far one crawl got; as JSON it is the crawl's manifest."""

    crawl_id: str
    hub: str
    """Host name of the Hub, without a port: a demo Hub gets a new one each time."""
    listings: list[str]
    limit: int
    phase: str = WALK
    listing: int = 0
    """The listing being walked, as an index of `listings`."""
    next: str | None = None
    """Path and query of the page to ask for; None: the first of the listing."""
    pages: list[dict[str, Any]] = field(default_factory=list)
    """Of each landed page: file, path asked for, records, sha256 of the lines, time."""
    details: list[str] = field(default_factory=list)
    """Names of the landed files of details."""
    details_asked: int = 0
    problems: list[dict[str, str]] = field(default_factory=list)
    """What ended a listing early: key, code, detail."""

    @property
    def records(self) -> int:
        """How many records have been landed."""
        return sum(page["records"] for page in self.pages)

    @property
    def complete(self) -> bool:
        """Whether every listing was walked to its end, so that a model not seen is a model not there."""
        whole = not self.limit or self.records < self.limit
        return self.phase == DONE and whole and not self.problems

    def same_scope(self, other: "CrawlState") -> bool:
        """Whether both crawls asked the same Hub for the same models."""
        return (self.hub, self.listings) == (other.hub, other.listings)


class Landing:
    """The landed crawls of one lake."""

    def __init__(self, root: str):
        self.folder = Path(root) / "landing" / "hub"

    def crawls(self) -> list[CrawlState]:
        """Return every crawl's state, the oldest first."""
        files = sorted(self.folder.glob("*/state.json"))
        return [CrawlState(**json.loads(file.read_text(encoding="utf-8"))) for file in files]

    def open(self, settings: CrawlSettings, now: datetime) -> CrawlState:
        """Return the unfinished crawl of these settings, or a new one named by the time.

        Every run that finds no unfinished crawl is a new one: what the Hub said then is history worth a row each.
        """
        hub = str(urlsplit(settings.endpoint).hostname)
        crawls = self.crawls()
        for crawl in reversed(crawls):
            if (crawl.hub, crawl.listings, crawl.limit) == (hub, settings.listings, settings.limit):
                if crawl.phase != DONE:
                    return crawl
                break
        taken = {crawl.crawl_id for crawl in crawls}
        while (crawl_id := now.strftime(_CRAWL_ID)) in taken:
            now += timedelta(seconds=1)
        return CrawlState(crawl_id, hub, settings.listings, settings.limit)

    def save(self, state: CrawlState) -> None:
        """Write the state in one step."""
        text = json.dumps(asdict(state), indent=1)
        durable.write(self.folder / state.crawl_id / "state.json", text.encode())

    def land_page(self, state: CrawlState, path: str, records: list[Any]) -> None:
        """Write one page and enter it into `state`, which the caller saves with the cursor."""
        page, now = len(state.pages), datetime.now(UTC).isoformat()
        name = f"page-{page:05d}.jsonl.gz"
        lines = [
            {"page": page, "position": position, "fetched_at": now, "record": record}
            for position, record in enumerate(records)
        ]
        sha256 = self._write_lines(state, name, lines)
        state.pages.append({"file": name, "path": path, "records": len(records), "sha256": sha256, "at": now})

    def land_details(self, state: CrawlState, details: list[dict[str, Any]]) -> None:
        """Write one batch of details and enter it into `state`."""
        name = f"detail-{len(state.details):05d}.jsonl.gz"
        self._write_lines(state, name, details)
        state.details.append(name)
        state.details_asked += len(details)

    def files(self, state: CrawlState, names: Iterable[str]) -> list[str]:
        """Return where files of a crawl lie, absolute."""
        return [str((self.folder / state.crawl_id / name).resolve()) for name in names]

    def lines(self, state: CrawlState, names: Iterable[str]) -> Iterator[dict[str, Any]]:
        """Yield the lines of landed files, parsed."""
        for file in self.files(state, names):
            with gzip.open(file, "rt", encoding="ascii") as lines:
                yield from map(json.loads, lines)

    def _write_lines(self, state: CrawlState, name: str, lines: Iterable[dict[str, Any]]) -> str:
        # ASCII with escapes: a line stays one line whatever a card holds, half a surrogate pair stays as it came.
        data = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode("ascii")
        durable.write(self.folder / state.crawl_id / name, gzip.compress(data, compresslevel=4, mtime=0))
        return hashlib.sha256(data).hexdigest()


def started(crawl_id: str) -> datetime:
    """Return when a crawl began, which is its name."""
    return datetime.strptime(crawl_id, _CRAWL_ID).replace(tzinfo=UTC)
