"""A crawl as it lies on disk: pages and details as received, and a state file that says how far it got.

<root>/landing/hub/<crawl_id>/ holds page-00000.jsonl.gz, detail-00000.jsonl.gz, … and state.json. Every file is
written in one step, the state last: a crawl killed at any moment goes on from its
state, at the cost of one page, or one batch of details, asked for twice.
"""

import gzip
import hashlib
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from etl.errors import TableDamaged
from etl.lake.folder import folder

WALK, DETAIL, LOAD, DONE = "walk", "detail", "load", "done"
SWEEP, INCREMENTAL, BULK = "sweep", "incremental", "bulk"
CREATED, MODIFIED = "created", "modified"
_CRAWL_ID = "%Y%m%dT%H%M%SZ"

Entry = dict[str, Any]
"""A landed file in a state: its `file` and `sha256`, and what it holds."""


@dataclass(frozen=True)
class Walk:
    """One listing walked in one order: by creation, the oldest first, or by change, the newest first."""

    listing: str
    order: str = CREATED
    start: str | None = None
    """Path and query of the first page; None: the listing's beginning."""


@dataclass
class CrawlState:
    """How far one crawl got; as JSON it is the crawl's manifest."""

    crawl_id: str
    hub: str
    """Host name of the Hub, without a port: a demo Hub gets a new one each time."""
    listings: list[str]
    limit: int
    mode: str = SWEEP
    walks: list[Walk] = field(default_factory=list)
    watermark: str | None = None
    """Walks by change end at the first page that holds a model changed before this time."""
    phase: str = WALK
    walk: int = 0
    """The walk being made, as an index of `walks`."""
    next: str | None = None
    """Path and query of the page to ask for; None: the first of the walk."""
    pages: list[dict[str, Any]] = field(default_factory=list)
    """Of each landed page: file, walk, path asked for, records, again (those that another walk had shown),
    sha256 of the file, time."""
    details: list[dict[str, Any]] = field(default_factory=list)
    """Of each landed file of details: file, models, sha256 of the file."""
    details_asked: int = 0
    failed: list[str] = field(default_factory=list)
    """Models whose details the Hub failed on when it ended a run: the next one does not stop at them again."""
    source: str | None = None
    """What the table of a bulk crawl is, so that no other one is taken for it in the middle."""
    newest_change: str | None = None
    """The newest lastModified seen, by the Hub's clock: where the next incremental crawl's watermark lies."""
    problems: list[dict[str, str]] = field(default_factory=list)
    """What ended a walk early: key, code, detail."""

    @property
    def records(self) -> int:
        """How many records have been landed."""
        return sum(page["records"] for page in self.pages)

    @property
    def whole(self) -> bool:
        """Whether every walk came to its end: nothing cut it short, and no limit stopped it."""
        return self.phase in (LOAD, DONE) and not self.problems and (not self.limit or self.records < self.limit)

    @property
    def complete(self) -> bool:
        """Whether this sweep showed all there is, so that a model not seen is a model not there."""
        return self.mode == SWEEP and self.phase == DONE and self.whole

    def same_scope(self, other: "CrawlState") -> bool:
        """Whether both crawls asked the same Hub for the same models."""
        return (self.hub, self.listings) == (other.hub, other.listings)

    def last_path(self, listing: str) -> str | None:
        """Return the path of the last page of a listing by creation; there the newer models follow."""
        walks = [
            number for number, walk in enumerate(self.walks) if (walk.listing, walk.order) == (listing, CREATED)
        ]
        paths = [page["path"] for page in self.pages if page["walk"] in walks]
        return paths[-1] if paths else None


class Landing:
    """The landed crawls of one lake."""

    def __init__(self, root: str):
        self._folder = folder(root, "landing", "hub")

    def crawls(self) -> list[CrawlState]:
        """Return every crawl's state, the oldest first. Raises TableDamaged for a state that is none."""
        found = []
        for crawl_id in self._folder.folders():
            if (told := self._folder.read(f"{crawl_id}/state.json")) is not None:
                found.append(_state(self.address(crawl_id), crawl_id, told))
        return found

    def address(self, crawl_id: str) -> str:
        """Return where a crawl's files lie."""
        return self._folder.address(crawl_id)

    def name(self, now: datetime) -> str:
        """Return the id of a crawl that begins now: the time, or the next second that no crawl is named by."""
        taken = set(self._folder.folders())
        while (crawl_id := now.strftime(_CRAWL_ID)) in taken:
            now += timedelta(seconds=1)
        return crawl_id

    def save(self, state: CrawlState) -> None:
        """Write the state in one step."""
        text = json.dumps(asdict(state), indent=1)
        self._folder.write(f"{state.crawl_id}/state.json", text.encode())

    def land_page(self, state: CrawlState, path: str, records: list[Any], seen: dict[str, int]) -> None:
        """Write one page and enter it into `state`, which the caller saves with the cursor.

        `seen` holds the ids landed before in this crawl, with the last walk that showed each, and is added to. A
        record whose id it holds is marked `again`, and `twice` if it was in the same walk; it stays as received.
        """
        page, now, again = len(state.pages), datetime.now(UTC), 0
        name, lines = f"page-{page:05d}.jsonl.gz", []
        for position, record in enumerate(records):
            model_id = identity(record)
            place = {"page": page, "position": position, "walk": state.walk, "fetched_at": now.isoformat()}
            before = seen.get(model_id) if model_id is not None else None
            known = {"model_id": model_id, "again": before is not None, "twice": before == state.walk}
            again += before is not None and before != state.walk
            lines.append(place | known | {"record": record})
            if model_id is not None:
                seen[model_id] = state.walk
        sha256 = self._write_lines(state, name, lines)
        entry = {"file": name, "walk": state.walk, "path": path, "records": len(records), "again": again}
        state.pages.append(entry | {"sha256": sha256, "at": now.isoformat()})
        changed = [time for time in map(changed_at, records) if time is not None and time <= now]
        if changed:
            newest = max(changed).isoformat()
            state.newest_change = max(newest, state.newest_change or newest)

    def ids(self, state: CrawlState) -> dict[str, int]:
        """Return the ids of every record landed so far, each with the last walk that showed it."""
        lines = self.lines(state, state.pages)
        return {line["model_id"]: line["walk"] for line in lines if line["model_id"] is not None}

    def land_details(self, state: CrawlState, details: list[dict[str, Any]]) -> None:
        """Write one batch of details and enter it into `state`."""
        name = f"detail-{len(state.details):05d}.jsonl.gz"
        sha256 = self._write_lines(state, name, details)
        state.details.append({"file": name, "models": len(details), "sha256": sha256})
        state.details_asked += len(details)

    def files(self, state: CrawlState, entries: Iterable[Entry]) -> list[str]:
        """Return where landed files of a crawl lie, as Spark reads them.

        Raises TableDamaged unless they are as written.
        """
        found = []
        for entry in entries:
            self._checked(state, entry)
            found.append(self._folder.address(_name(state, entry)))
        return found

    def lines(self, state: CrawlState, entries: Iterable[Entry]) -> Iterator[dict[str, Any]]:
        """Yield the lines of landed files, parsed. Raises as `files`."""
        for entry in entries:
            with gzip.open(io.BytesIO(self._checked(state, entry)), "rt", encoding="ascii") as lines:
                yield from map(json.loads, lines)

    def _checked(self, state: CrawlState, entry: Entry) -> bytes:
        name = _name(state, entry)
        try:
            content = self._folder.read(name)
            found = "missing" if content is None else hashlib.sha256(content).hexdigest()
        except OSError as error:
            content, found = None, error.strerror or "unreadable"
        if content is None or found != entry["sha256"]:
            raise TableDamaged(
                f"the landed file {self._folder.address(name)} is not as it was written ({found[:20]}); move the "
                f"folder {self.address(state.crawl_id)} away and crawl again"
            )
        return content

    def _write_lines(self, state: CrawlState, name: str, lines: Iterable[dict[str, Any]]) -> str:
        # ASCII with escapes: a line stays one line whatever a card holds, half a surrogate pair stays as it came.
        data = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode("ascii")
        content = gzip.compress(data, compresslevel=4, mtime=0)
        self._folder.write(f"{state.crawl_id}/{name}", content)
        return hashlib.sha256(content).hexdigest()


def started(crawl_id: str) -> datetime:
    """Return when a crawl began, which is its name."""
    return datetime.strptime(crawl_id, _CRAWL_ID).replace(tzinfo=UTC)


def identity(record: Any) -> str | None:
    """Return the id that a listing record gives, None where it gives none that is text."""
    found = record.get("id") if isinstance(record, dict) else None
    return found if isinstance(found, str) and found else None


def changed_at(record: Any) -> datetime | None:
    """Return when the Hub says that a model was last changed, None where it says nothing sensible."""
    told = record.get("lastModified") if isinstance(record, dict) else None
    try:
        time = datetime.fromisoformat(told) if isinstance(told, str) else None
        return time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC) if time else None
    except (ValueError, OverflowError):  # no date, or one of the year 0 in another zone
        return None


def _name(state: CrawlState, entry: Entry) -> str:
    return f"{state.crawl_id}/{entry['file']}"


def _state(place: str, crawl_id: str, content: bytes) -> CrawlState:
    try:
        told = json.loads(content.decode("utf-8"))
        state = CrawlState(**told | {"walks": [Walk(**walk) for walk in told["walks"]]})
        entries = [*state.pages, *state.details]
        if not all(isinstance(entry["file"], str) and isinstance(entry["sha256"], str) for entry in entries):
            raise ValueError("its files are not named")
        if state.crawl_id != crawl_id or state.phase not in (WALK, DETAIL, LOAD, DONE):
            raise ValueError("its id or phase is none")
        if not 0 <= state.walk <= len(state.walks) or (state.phase == WALK and state.walk == len(state.walks)):
            raise ValueError("it stands at a walk that it does not have")
        return state
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise TableDamaged(
            f"{place}/state.json is not the state of a crawl ({error}); move that folder away and crawl again"
        ) from error
