"""Deleting data files that no version needs which is young, or which a training set names."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import deltalake
from deltalake.exceptions import DeltaError

from etl.errors import TableDamaged
from etl.lake import snapshot
from etl.lake.lock import table_lock
from etl.lake.schemas import Table
from etl.lake.storage import is_local


@dataclass(frozen=True)
class Freed:
    """Data files that went, or that would go."""

    files: int = 0
    bytes: int = 0


def vacuum(root: str, table: Table, pinned: Collection[int], hours: int, dry_run: bool) -> Freed:
    """Delete the files of versions that ended more than `hours` ago and are not `pinned`; return what that freed.

    On local disk, where the lock keeps writers out, also files of that age that no version names. Nothing is
    committed where nothing is to delete. Raises TableDamaged where a pinned version cannot be read, or where its
    files would go: a vacuum that is wrong loses images for good.
    """
    with table_lock(root, table.name):
        opened = snapshot.open_table(root, table)
        keep = sorted(version for version in pinned if version <= opened.version())
        try:
            doomed = _sizes(root, table, _vacuum(opened, hours, keep, is_local(root), dry_run=True))
            if wrong := doomed.keys() & _files_of(root, table, keep):
                raise TableDamaged(f"a vacuum of {table.name} would delete {min(wrong)}: a training set needs it")
            if doomed and not dry_run:
                _vacuum(opened, hours, keep, is_local(root), dry_run=False)
                _drop_sums(root, table, doomed)
        except DeltaError as error:
            raise TableDamaged(f"{snapshot.address(root, table)} cannot be vacuumed: {error}") from error
    return Freed(len(doomed), sum(doomed.values()))


def _vacuum(table: deltalake.DeltaTable, hours: int, keep: list[int], full: bool, dry_run: bool) -> list[str]:
    # The table's own retention protects it from vacuums of others, which know nothing of training sets.
    return table.vacuum(
        hours, dry_run=dry_run, enforce_retention_duration=False, full=full, keep_versions=keep or None
    )


def _sizes(root: str, table: Table, listed: Collection[str]) -> dict[str, int]:
    """Return the listed files that are there, with their sizes: a vacuum lists also what one before it deleted."""
    names = [Path(unquote(file)).name for file in listed]
    if not is_local(root):
        return dict.fromkeys(names, 0)
    folder = Path(snapshot.address(root, table))
    return {name: (folder / name).stat().st_size for name in names if (folder / name).exists()}


def _drop_sums(root: str, table: Table, names: Collection[str]) -> None:
    """Delete the check sums that Hadoop writes beside every file of a local folder."""
    if is_local(root):
        for name in names:
            Path(snapshot.address(root, table), f".{name}.crc").unlink(missing_ok=True)


def _files_of(root: str, table: Table, versions: Collection[int]) -> set[str]:
    return {
        Path(unquote(file)).name
        for version in versions
        for file in snapshot.open_table(root, table, version).file_uris()
    }
