"""Keeping tables in order: few large files, sorted where readers skip by it, and no files that nobody needs."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from etl.errors import ConfigError, LockHeld
from etl.lake import properties, snapshot
from etl.lake.layout import Rewrite, live, rewrite
from etl.lake.lock import table_lock
from etl.lake.pins import Pins, pinned
from etl.lake.rewriting import cluster, compact
from etl.lake.schemas import TABLES, TRAINING_SETS, Table, training_rows
from etl.lake.storage import is_local
from etl.lake.store import Lake
from etl.lake.vacuum import Freed, vacuum

log = logging.getLogger("etl.maintain")
_REWRITES = {Rewrite.COMPACT: compact, Rewrite.CLUSTER: cluster}


@dataclass(frozen=True)
class Kept:
    """What was done to a table, or would be."""

    table: Table
    before: int
    """Files of the newest version; 0 before they were counted."""
    after: int
    rewritten: Rewrite = Rewrite.NONE
    freed: Freed = field(default_factory=Freed)
    protected: int = 0
    """Versions that training sets name."""
    busy: bool = False
    """Another process was writing to the table, or building a training set, so that something was left undone."""

    def line(self, dry_run: bool) -> str:
        """Say it for people."""
        files = f"{self.before} files"
        if self.rewritten is not Rewrite.NONE:
            files += f" to {self.rewritten}" if dry_run else f" {self.rewritten}ed to {self.after}"
        verb = "to delete" if dry_run else "deleted"
        freed = f"{self.freed.files} old files ({self.freed.bytes / 1e6:.1f} MB) {verb}"
        protected = f"{self.protected} versions protected" if self.protected else "no version protected"
        busy = "; another process is writing: run this again afterwards" if self.busy else ""
        return f"{self.table.name}: {files}; {freed}; {protected}{busy}"


def existing(root: str, names: Collection[str] = ()) -> list[Table]:
    """Return the tables that there are, or those that are named. Raises ConfigError for one that is not there."""
    built: list[Table] = []
    if is_local(root):
        built = [training_rows(path.name) for path in sorted(Path(root, "training_rows").glob("*"))]
    else:
        built = [
            training_rows(name.partition("/")[2]) for name in pinned(root) if name.startswith("training_rows/")
        ]
    found = [table for table in (*TABLES, *built) if snapshot.exists(root, table)]
    if missing := sorted(set(names) - {table.name for table in found}):
        raise ConfigError(f"--tables: the lake at {root} has no {', '.join(missing)}")
    return [table for table in found if not names or table.name in names]


def planned(root: str, tables: Sequence[Table], target: int) -> list[Kept]:
    """Return each table with the rewrite that is worth it. Raises as `snapshot.open_table`.

    Rows of training sets are never rewritten: they lie in the order in which they are read, at pinned versions.
    """
    found = []
    for table in tables:
        files = len(live(root, table))
        kind = Rewrite.NONE if _is_training_rows(table) else rewrite(root, table, target)
        found.append(Kept(table, files, files, kind))
    return found


def rewritten(lake: Lake, plan: Kept, target: int) -> Kept:
    """Rewrite a table as planned, where that is still worth it once its lock is held."""
    try:
        with table_lock(lake.root, plan.table.name):
            kind = rewrite(lake.root, plan.table, target)
            if kind is not Rewrite.NONE:
                log.info("maintain: %s %s", kind, plan.table.name)
                _REWRITES[kind](lake, plan.table, target)
            return replace(plan, after=len(live(lake.root, plan.table)), rewritten=kind)
    except LockHeld:
        return replace(plan, rewritten=Rewrite.NONE, busy=True)


def vacuumed(root: str, done: Sequence[Kept], released: Collection[str], hours: int, dry_run: bool) -> list[Kept]:
    """Give the tables their properties, and delete what neither the retention nor a training set keeps.

    No set may be in the making meanwhile, since it is on record only at its end: nothing is deleted then.
    """
    try:
        with table_lock(root, TRAINING_SETS.name):
            pins = pinned(root, released)
            return [_vacuumed(root, kept, pins, hours, dry_run) for kept in done]
    except LockHeld:
        return [replace(kept, busy=True) for kept in done]


def _vacuumed(root: str, kept: Kept, pins: Pins, hours: int, dry_run: bool) -> Kept:
    versions = pins.get(kept.table.name, {})
    try:
        with table_lock(root, kept.table.name):
            if not dry_run:
                properties.set_lacking(root, kept.table)
            freed = vacuum(root, kept.table, versions, hours, dry_run)
            return replace(kept, freed=freed, protected=len(versions))
    except LockHeld:
        return replace(kept, protected=len(versions), busy=True)


def _is_training_rows(table: Table) -> bool:
    return table.name.startswith("training_rows/")
