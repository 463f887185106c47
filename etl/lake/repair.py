"""Mending a lake on local disk: what nobody needs is deleted, what is torn or damaged is moved away and said."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import deltalake
import polars as pl

from etl.lake import snapshot
from etl.lake.inspection import LOST, Code, Finding, inspect
from etl.lake.lock import table_lock
from etl.lake.log_files import ASIDE, log_of, set_aside
from etl.lake.pins import Pins
from etl.lake.schemas import COLLECTIONS, IMAGES, Table


@dataclass(frozen=True)
class Repaired:
    """What was found at a table, and what was done."""

    found: list[Finding]
    done: list[str] = field(default_factory=list)
    """In sentences."""
    standing: list[Finding] = field(default_factory=list)
    """What is as it was."""


def repair(root: str, table: Table, pins: Pins, drop_lost: bool) -> Repaired:
    """Mend a table. Raises LockHeld while another process writes to it.

    A torn commit is moved away before all else, and its data files stay until the next repair: whoever can bring
    the commit back needs them.
    """
    with table_lock(root, table.name):
        found = inspect(root, table, pins.get(table.name, ()))
        done = []
        if torn := [finding for finding in found if finding.code is Code.LOG_TORN]:
            done.append(_without_torn(root, table, torn[0]))
            rest = inspect(root, table, pins.get(table.name, ())) if log_of(root, table).versions else []
            found += [finding for finding in rest if finding.code is not Code.ORPHAN]
        done += delete(found)
        lost = [finding for finding in found if finding.code in LOST]
        if lost and drop_lost:
            done += _without_lost(root, table, lost)
        mended = {Code.LOG_TORN, Code.ORPHAN, Code.LEFTOVER} | (LOST if drop_lost else set())
        return Repaired(found, done, [finding for finding in found if finding.code not in mended])


def delete(found: Sequence[Finding]) -> list[str]:
    """Delete the orphans and leftovers among what was found; return what that was, in a sentence if anything."""
    unneeded = [finding.path for finding in found if finding.code in (Code.ORPHAN, Code.LEFTOVER)]
    size = sum(path.stat().st_size for path in unneeded)
    for path in unneeded:
        path.with_name(f".{path.name}.crc").unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    return [f"deleted {len(unneeded)} files ({size / 1e6:.1f} MB)"] if unneeded else []


def _without_torn(root: str, table: Table, torn: Finding) -> str:
    moved = set_aside(root, table, torn.path)
    versions = log_of(root, table).versions
    at = f"at version {versions[-1]}" if versions else "without a version"
    return f"{table.name} is {at} again: moved its torn commit to {moved}; run the command that wrote it once more"


def _without_lost(root: str, table: Table, lost: Sequence[Finding]) -> list[str]:
    """Take files off the log, damaged ones moved away before; return how many rows that lost, and of what."""
    for finding in lost:
        if finding.path.exists():
            set_aside(root, table, finding.path)
    deltalake.DeltaTable(snapshot.address(root, table)).repair()
    rows = sum(finding.rows for finding in lost)
    done = [f"{table.name} has lost {rows} rows with {len(lost)} files; damaged ones are in {Path(root) / ASIDE}"]
    return done + (_to_ingest_again(root) if table is IMAGES else [])


def _to_ingest_again(root: str) -> list[str]:
    """Write down which images of which collections are missing; return how many, by collection."""
    if not snapshot.exists(root, COLLECTIONS):
        return ["no collection tells which images these were: ingest their sources again"]
    there = snapshot.read(root, IMAGES, columns=["image_id"])
    places = snapshot.read(root, COLLECTIONS, columns=["collection", "image_id"]).unique(maintain_order=True)
    missing = places.join(there, on="image_id", how="anti").sort("collection", "image_id")
    path = Path(root).resolve() / ASIDE / "lost_images.csv"
    path.parent.mkdir(exist_ok=True)
    missing.write_csv(path)
    counts = missing.group_by("collection").agg(pl.len()).sort("collection").rows()
    lines = [f"ingest the collection '{name}' again: {count} of its images are missing" for name, count in counts]
    return [*lines, f"their ids are in {path}"]
