"""Finding what kills and disks left in a lake on local disk: unfinished and unneeded files, and damage."""

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from etl.errors import ForensicsError
from etl.lake import snapshot
from etl.lake.layout import LiveFile, live
from etl.lake.log_files import log_of
from etl.lake.schemas import Table

_HOUR = 3600.0
"""Age from which an unfinished file that no lock guards is nobody's any more."""
_WRITTEN_BY_STAGES = ("landing", ".training")
_UNFINISHED = (".tmp", ".partial", ".incomplete")


class Code(StrEnum):
    """What is found, and with it what to do."""

    ORPHAN = "ORPHAN"
    LEFTOVER = "LEFTOVER"
    VERSION_GONE = "VERSION_GONE"
    LOG_TORN = "LOG_TORN"
    LOG_LOST = "LOG_LOST"
    REFUSED = "REFUSED"
    FILE_MISSING = "FILE_MISSING"
    FILE_SIZE = "FILE_SIZE"
    FILE_UNREADABLE = "FILE_UNREADABLE"
    FILE_ROWS = "FILE_ROWS"


LOST = {Code.FILE_MISSING, Code.FILE_SIZE, Code.FILE_UNREADABLE, Code.FILE_ROWS}
"""Rows that the log counts and that are not there, or not as they were."""
DAMAGE = {*LOST, Code.LOG_TORN, Code.LOG_LOST, Code.REFUSED}
REMEDIES = {
    Code.ORPHAN: "no version names it: `forensics repair` deletes it",
    Code.LEFTOVER: "unfinished: `forensics repair` deletes it",
    Code.VERSION_GONE: "training sets name it: they can neither be made again nor trained on",
    Code.LOG_TORN: "the last commit is unfinished: `forensics repair` moves it away, and the command that wrote "
    "it brings the rest again",
    Code.LOG_LOST: "cannot be mended: bring the log back from a backup, or move the table away and write it again",
    Code.REFUSED: "move the table away and write it again",
    **dict.fromkeys(LOST, "bring it back from a backup, or give its rows up with `forensics repair --drop_lost`"),
}


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be."""

    code: Code
    where: str
    """The table, or the folder, by its path under the root."""
    path: Path
    detail: str = ""
    rows: int = 0
    """Rows that it takes along."""

    def line(self) -> str:
        """Say it for people."""
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.code} {self.where} {self.path.name}{detail}: {REMEDIES[self.code]}"


def inspect(root: str, table: Table, pinned: Collection[int] = ()) -> list[Finding]:
    """Return what is found at a table, whose lock the caller holds; at a log that is torn or lost nothing else."""
    log = log_of(root, table)
    if lost := log.lost:
        return [Finding(Code.LOG_LOST, table.name, log.folder, lost)]
    if torn := log.torn:
        return [Finding(Code.LOG_TORN, table.name, torn)]
    try:
        files = live(root, table)
    except ForensicsError as error:
        return [Finding(Code.REFUSED, table.name, log.folder, str(error))]
    found = [finding for file in files if (finding := _damage(root, table, file))]
    found += _gone(root, table, pinned)
    return [*found, *_unneeded(Path(snapshot.address(root, table)), table, log.named())]


def leftovers(root: str, now: float | None = None) -> Iterator[Finding]:
    """Yield unfinished files of the stages older than an hour: no lock tells whether one is being written."""
    oldest = (time.time() if now is None else now) - _HOUR
    base = Path(root).resolve()
    unfinished = [path for path in base.glob("*") if path.is_file()]
    for folder in _WRITTEN_BY_STAGES:
        unfinished += (base / folder).rglob("*")
    for path in sorted(unfinished):
        if path.name.endswith(_UNFINISHED) and path.is_file() and path.stat().st_mtime < oldest:
            yield Finding(Code.LEFTOVER, str(path.parent.relative_to(base)), path)


def _damage(root: str, table: Table, file: LiveFile) -> Finding | None:
    path = Path(snapshot.address(root, table), unquote(file.path))
    rows = file.rows or 0
    if not path.exists():
        return Finding(Code.FILE_MISSING, table.name, path, f"{rows} rows", rows)
    if (size := path.stat().st_size) != file.size:
        return Finding(Code.FILE_SIZE, table.name, path, f"{size} bytes, {file.size} written; {rows} rows", rows)
    try:
        held = pq.read_metadata(path).num_rows
    except (OSError, pa.ArrowException):
        return Finding(Code.FILE_UNREADABLE, table.name, path, f"{rows} rows", rows)
    if file.rows is not None and held != rows:
        return Finding(Code.FILE_ROWS, table.name, path, f"{held} rows, {rows} written", rows)
    return None


def _gone(root: str, table: Table, pinned: Collection[int]) -> Iterator[Finding]:
    for version in sorted(pinned):
        try:
            files = snapshot.open_table(root, table, version).file_uris()
        except ForensicsError:
            files = [""]
        if not all(file and Path(unquote(file)).exists() for file in files):
            folder = Path(snapshot.address(root, table))
            yield Finding(Code.VERSION_GONE, table.name, folder, f"version {version}")


def _unneeded(folder: Path, table: Table, named: set[str]) -> Iterator[Finding]:
    """Yield data files that no version names, check sums whose file is gone, and commits that were never made."""
    on_disk = {path.name: path for path in sorted(folder.iterdir()) if path.is_file()}
    for name, path in on_disk.items():
        is_orphan = name.endswith(".parquet") and name not in named
        is_sum = name.startswith(".") and name.endswith(".parquet.crc")
        if is_orphan or (is_sum and name[1:].removesuffix(".crc") not in on_disk):
            yield Finding(Code.ORPHAN, table.name, path, f"{path.stat().st_size} bytes")
    for path in sorted((folder / "_delta_log").iterdir()):
        if path.name.endswith(_UNFINISHED):
            yield Finding(Code.LEFTOVER, f"{table.name}/_delta_log", path)
