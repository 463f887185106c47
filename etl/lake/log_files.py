"""A Delta log on local disk as files: which versions it holds, whether its end is torn, what it names."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from etl.lake import snapshot
from etl.lake.schemas import Table

_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint.*\.parquet")
ASIDE = ".damaged"
"""Folder under the lake's root into which `forensics repair` moves what it takes away, rather than delete it."""


@dataclass(frozen=True)
class Log:
    """What stands in a table's log folder."""

    folder: Path
    versions: list[int]
    """Of its commits, ascending."""
    checkpoints: list[int]

    @property
    def torn(self) -> Path | None:
        """The last commit, where it was not written to its end and nothing stands on it."""
        if not self.versions or any(at >= self.versions[-1] for at in self.checkpoints):
            return None
        last = self._commit(self.versions[-1])
        return None if _actions(last) else last

    @property
    def lost(self) -> str | None:
        """What is missing in it, in words; None where it is whole but for a torn end."""
        if not self.versions:
            return "there is no commit"
        begin = self.versions[0]
        if begin > 0 and not any(at >= begin - 1 for at in self.checkpoints):
            return f"it begins with version {begin} and has no checkpoint"
        if self.versions != list(range(begin, self.versions[-1] + 1)):
            gap = min(set(range(begin, self.versions[-1])) - set(self.versions))
            return f"version {gap} is missing"
        unreadable = [v for v in self.versions[:-1] if not _actions(self._commit(v))]
        return f"version {unreadable[0]} cannot be read" if unreadable else None

    def named(self) -> set[str]:
        """Return the names of all data files that any version has or had."""
        names = {
            action["add"]["path"]
            for version in self.versions
            for action in _actions(self._commit(version))
            if "add" in action
        }
        for path in self.folder.glob("*.checkpoint*.parquet"):
            names |= _named_by(path)
        return {unquote(name) for name in names}

    def _commit(self, version: int) -> Path:
        return self.folder / f"{version:020}.json"


def log_of(root: str, table: Table) -> Log:
    """Return the log of a table of a local lake."""
    folder = Path(snapshot.address(root, table), "_delta_log")
    names = sorted(path.name for path in folder.iterdir())
    commits = [int(found[1]) for name in names if (found := _COMMIT.fullmatch(name))]
    checkpoints = [int(found[1]) for name in names if (found := _CHECKPOINT.fullmatch(name))]
    return Log(folder, commits, checkpoints)


def set_aside(root: str, table: Table, path: Path) -> Path:
    """Move a file of the table, and what stands beside it for it, out of the way; return where it is now."""
    folder = Path(root).resolve() / ASIDE / table.name
    folder.mkdir(parents=True, exist_ok=True)
    moved = folder / path.name
    while moved.exists():
        moved = moved.with_name(f"{moved.name}.again")
    os.replace(path, moved)
    # Check sums: Hadoop's of the file, Delta's of the version.
    for beside in (path.with_name(f".{path.name}.crc"), path.with_suffix(".crc")):
        beside.unlink(missing_ok=True)
    return moved


def _actions(path: Path) -> list[dict]:
    """Return the actions of a commit; none where it was not written to its end, since there is no empty commit."""
    try:
        actions = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError):
        return []
    return actions if all(isinstance(action, dict) for action in actions) else []


def _named_by(checkpoint: Path) -> set[str]:
    try:
        added = pq.read_table(checkpoint, columns=["add.path"]).column("add")
    except (OSError, pa.ArrowException, KeyError):
        return set()  # the versions that it stands for have their commits, or the log is lost
    return {row["path"] for row in added.to_pylist() if row and row["path"]}
