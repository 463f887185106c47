"""Row groups of an object store, kept on this machine: an epoch after the first one reads them from its disk.

Live files of a Delta table never change, so that a row group is known by its file's name and its number. When the
room is used up, what other tables left goes first; then nothing more is kept: every epoch reads all row groups in
another order, and to make room for one would lose one that comes later. Several processes share a cache.
"""

import contextlib
import hashlib
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa

from etl.lake import storage

SUFFIX = ".arrow"
_LOOK_EVERY = 32
_LEFT_AFTER = 600.0
"""Seconds after which an unfinished file is one of a killed process."""


class RowGroupCache:
    """At most `capacity` bytes of row groups of these files, as Arrow files under this machine's workplace."""

    def __init__(self, files: Sequence[str], capacity: int):
        self._folder, self._capacity = storage.machine_folder() / "row-groups", capacity
        self._ours = {_stem(file) for file in files}
        self._kept = self._room = 0

    def get(self, file: str, number: int, read: Callable[[], pa.Table]) -> pa.Table:
        """Return a row group, by `read` where it is not kept; then keep it, if there is room."""
        if not self._capacity:
            return read()
        path = self._folder / f"{_stem(file)}-{number}{SUFFIX}"
        # It may not be there, or be torn by a full disk.
        with contextlib.suppress(OSError, pa.ArrowException), pa.memory_map(str(path)) as kept:
            return pa.ipc.open_file(kept).read_all()
        table = read()
        with contextlib.suppress(OSError):  # a cache that cannot be written to is none
            self._keep(path, table)
        return table

    def _keep(self, path: Path, table: pa.Table) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._kept % _LOOK_EVERY == 0:  # other processes keep row groups too
            self._room = self._look(table.nbytes)
        self._kept += 1
        if self._room < table.nbytes:
            return
        unfinished = path.with_suffix(f".{secrets.token_hex(6)}.tmp")
        with pa.OSFile(str(unfinished), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        self._room -= unfinished.stat().st_size
        unfinished.replace(path)

    def _look(self, wanted: int) -> int:
        """Return how many bytes are free; where they do not suffice, delete what is kept of other files."""
        sizes = {path: path.stat().st_size for path in self._folder.iterdir()}
        free = self._capacity - sum(sizes.values())
        for path, size in sizes.items():
            is_left = path.suffix != SUFFIX and time.time() - path.stat().st_mtime > _LEFT_AFTER
            is_other = path.name.rpartition("-")[0] not in self._ours
            if is_left or (free < wanted and is_other):
                path.unlink(missing_ok=True)
                free += size
        return free


def _stem(file: str) -> str:
    return hashlib.sha256(file.encode()).hexdigest()[:24]
