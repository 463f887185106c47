"""The lake as one page load sees it: every table at a version fixed at the start, so that the parts agree.

The versions are also what cached answers are kept by: a table that moves on is asked again. A version comes with
a stamp of its commit, since a table that is deleted and made anew begins at 0 once more.
"""

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote

import polars as pl
import pyarrow as pa

from etl.errors import LakeMissing
from etl.lake import schemas, snapshot
from etl.lake.folder import folder
from etl.lake.schemas import Table
from etl.lake.storage import is_local

WRITERS: dict[str, str] = {
    schemas.HUB_RECORDS.name: "crawl",
    schemas.CRAWLS.name: "catalogue",
    schemas.MODELS.name: "catalogue",
    schemas.GENERATORS.name: "catalogue",
    schemas.WITHDRAWALS.name: "withdraw",
    schemas.PLANS.name: "plan",
    schemas.PROMPTS.name: "generate",
    schemas.GENERATION_ATTEMPTS.name: "generate",
    schemas.IMAGES.name: "ingest",
    schemas.COLLECTIONS.name: "ingest",
    schemas.THUMBNAILS.name: "describe",
    schemas.IMAGE_FEATURES.name: "describe",
    schemas.DUPLICATES.name: "duplicates",
    schemas.DUPLICATE_CLUSTERS.name: "duplicates",
    schemas.TRAINING_SETS.name: "build-training-set",
    schemas.PREDICTIONS.name: "evaluate",
    schemas.EVALUATIONS.name: "evaluate",
    schemas.EXPERIMENTS.name: "experiment",
    schemas.GOLD_COUNTS.name: "summarise",
    schemas.GOLD_DIVERSITY.name: "summarise",
    schemas.GOLD_GENERATOR_CARDS.name: "summarise",
    schemas.GOLD_CATALOGUE.name: "catalogue",
    schemas.GOLD_CRAWL_HISTORY.name: "catalogue",
    schemas.GOLD_GROWTH.name: "catalogue",
    schemas.GOLD_BASE_MODELS.name: "catalogue",
    schemas.GOLD_MODELS.name: "catalogue",
    schemas.GOLD_IMAGES.name: "summarise",
    schemas.GOLD_SPECTRA.name: "summarise",
}
"""The verb that writes a table, for the notice on a page whose table is not there yet."""

_POLARS: dict[str, pl.DataType | type[pl.DataType]] = {
    "string": pl.String,
    "integer": pl.Int32,
    "long": pl.Int64,
    "double": pl.Float64,
    "boolean": pl.Boolean,
    "binary": pl.Binary,
    "timestamp": pl.Datetime("us", "UTC"),
    "array": pl.List(pl.Null),
}
_COMMIT = re.compile(r"\d{20}\.json")


@dataclass(frozen=True)
class Snapshot:
    """Some tables of the lake at `root`, each at one version with its stamp; None where a table is not there."""

    root: str
    versions: tuple[tuple[str, int | None, str], ...]

    @property
    def tables(self) -> list[Table]:
        """The tables that were looked for."""
        return [next(t for t in schemas.TABLES if t.name == name) for name, _, _ in self.versions]

    def has(self, table: Table) -> bool:
        """Whether the table was there."""
        return self.version(table) is not None

    def version(self, table: Table) -> int | None:
        """The table's Delta version in this snapshot."""
        return next((version for name, version, _ in self.versions if name == table.name), None)

    def scan(self, table: Table) -> pl.LazyFrame:
        """Return the table's rows at the snapshot's version, none where the table is not there."""
        version = self.version(table)
        if version is None:
            return pl.LazyFrame(schema={f.name: _POLARS[f.dataType.typeName()] for f in table.schema.fields})
        return snapshot.scan(self.root, table, version)

    def content(self, table: Table) -> "Content":
        """Return what the log says of the table, nothing where it is missing. Raises as `snapshot.open_table`."""
        for name, version, stamp in self.versions:
            if name == table.name and version is not None:
                return _content(self.root, table, version, stamp)
        return Content((), (), 0, 0)


@dataclass(frozen=True)
class Content:
    """One version of a table, from its log alone."""

    files: tuple[str, ...]
    columns: tuple[str, ...]
    rows: int
    bytes: int


def take(
    root: str, *tables: Table, as_of: datetime | None = None, pins: Mapping[str, int] | None = None
) -> Snapshot:
    """Return the versions of those `tables` that exist: the newest, or those at a time, or those that are pinned.

    Raises LakeMissing for a version that a table does not have, TableRefused and TableDamaged.
    """
    versions = []
    for table, (newest, stamp) in zip(tables, newest_commits(root, tables), strict=True):
        version = newest
        if newest is None:
            pass
        elif pins and table.name in pins:
            version = pins[table.name]
            if not 0 <= pins[table.name] <= newest:
                raise LakeMissing(f"{table.name} has no version {version}: its newest is {newest}")
        elif as_of is not None:
            version = next((number for number, at in commits(root, table, newest, stamp) if at <= as_of), None)
        versions.append((table.name, version, stamp))
    return Snapshot(root, tuple(versions))


def newest_commits(root: str, tables: Sequence[Table]) -> list[tuple[int | None, str]]:
    """Return `newest_commit` of every table; an object store is asked for some at once."""
    if is_local(root):
        return [newest_commit(root, table) for table in tables]
    with ThreadPoolExecutor(max(1, min(8, len(tables)))) as pool:
        return list(pool.map(lambda table: newest_commit(root, table), tables))


def newest_commit(root: str, table: Table) -> tuple[int | None, str]:
    """Return the table's newest version and a stamp of it, or None where there is no table.

    This is one listing of the log; what is wrong with the table shows when it is read.
    """
    if not is_local(root):
        return _newest_in_store(root, table)
    log = Path(snapshot.address(root, table)) / "_delta_log"
    try:
        newest = max((path for path in log.iterdir() if _COMMIT.fullmatch(path.name)), default=None)
        return (None, "") if newest is None else (int(newest.stem), str(newest.stat().st_mtime_ns))
    except OSError:
        return None, ""


_newest: dict[tuple[str, str], int] = {}
"""The newest version of a table of an object store when it was last asked: the next listing begins there."""


def _newest_in_store(root: str, table: Table) -> tuple[int | None, str]:
    log, known = folder(root, table.name, "_delta_log"), _newest.get((root, table.name), 0)
    for version in dict.fromkeys((known, 0)):  # from the begin where the table was made anew
        after = f"{version - 1:020}.json" if version else ""
        found = [(int(name[:20]), at) for name, at in log.files(after) if _COMMIT.fullmatch(name)]
        if found:
            newest, at = max(found)
            _newest[root, table.name] = newest
            return newest, at.isoformat()
    return None, ""


@lru_cache(maxsize=128)
def commits(root: str, table: Table, newest: int, stamp: str) -> tuple[tuple[int, datetime], ...]:
    """Return (version, time) of the table's commits, the newest first. Raises as `snapshot.open_table`."""
    history = snapshot.open_table(root, table).history()
    found = [(int(one["version"]), _time(int(one["timestamp"]))) for one in history if "version" in one]
    return tuple(sorted(found, reverse=True))


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


@lru_cache(maxsize=256)
def _content(root: str, table: Table, version: int, stamp: str) -> Content:
    opened = snapshot.open_table(root, table, version)
    actions = pa.table(opened.get_add_actions(flatten=True))
    return Content(
        files=tuple(sorted(_file(root, uri) for uri in opened.file_uris())),
        columns=tuple(field.name for field in opened.schema().fields),
        rows=sum(n or 0 for n in actions["num_records"].to_pylist()),
        bytes=sum(actions["size_bytes"].to_pylist()),
    )


def _file(root: str, uri: str) -> str:
    return unquote(uri) if is_local(root) else uri.replace("s3a://", "s3://", 1)  # as DuckDB's lock compares it
