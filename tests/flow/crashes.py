"""Killing commands while they write to a table, and what must hold of a lake afterwards."""

import hashlib
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from etl.errors import LakeMissing
from etl.lake import snapshot
from etl.lake.inspection import inspect
from etl.lake.log_files import log_of
from etl.lake.schemas import IMAGES, TABLES, Table
from tests.flow.commands import BIN, TINY_TABLES, clean_environment

EDGE = 400
"""Of a picture of noise in pixels: half a megabyte as PNG, so that a wave takes a moment to be written."""


def noise(folder: Path, count: int, seed: int = 0) -> set[str]:
    """Write pictures that compress badly, and return their ids."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, ids = np.random.default_rng(seed), set()
    for number in range(count):
        path = folder / f"{seed}-{number:03d}.png"
        Image.fromarray(rng.integers(0, 256, (EDGE, EDGE, 3), dtype=np.uint8)).save(path, compress_level=0)
        ids.add(hashlib.sha256(path.read_bytes()).hexdigest())
    return ids


def start(log: Path, *words: str) -> "subprocess.Popen[bytes]":
    """Start the real command in a process group of its own."""
    with log.open("a") as file:
        return subprocess.Popen(
            [BIN / "forensics", *words], stdout=file, stderr=file, env=clean_environment(**TINY_TABLES),
            start_new_session=True,
        )  # fmt: skip


def unnamed(root: Path, table: Table) -> set[str]:
    """Return the data files on disk that no commit names."""
    on_disk = {path.name for path in (root / table.name).glob("*.parquet")}
    return on_disk - log_of(str(root), table).named() if on_disk else on_disk


def kill_in_a_write(
    process: "subprocess.Popen[bytes]", root: Path, table: Table, since: int = 0, with_: int = signal.SIGKILL
) -> None:
    """End the group of a command while it writes files of the table that it has not committed.

    Otherwise as `wait_for_a_write`.
    """
    wait_for_a_write(process, root, table, since)
    os.killpg(process.pid, with_)
    process.wait()


def wait_for_a_write(
    process: "subprocess.Popen[bytes]", root: Path, table: Table, since: int = 0, seconds: float = 200
) -> None:
    """Wait until a command writes files of the table that it has not committed.

    `since`: the version that the table must have reached. Raises AssertionError where the command ends before, or
    does not come to it within so many seconds.
    """
    deadline = time.monotonic() + seconds
    while True:
        log = root / table.name / "_delta_log" / f"{since:020}.json"
        if log.exists() and unnamed(root, table):
            break
        assert process.poll() is None and time.monotonic() < deadline, (
            "the command ended before its write was seen, or was too slow"
        )
        time.sleep(0.002)


class Reader(threading.Thread):
    """Counts a table's rows again and again while others write to it."""

    def __init__(self, root: Path, table: Table):
        super().__init__(daemon=True)
        self.root, self.table = str(root), table
        self.heights: list[int] = []
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.is_set():
            try:
                self.heights.append(snapshot.read(self.root, self.table, columns=self.table.key).height)
            except LakeMissing:
                self.heights.append(0)
            time.sleep(0.02)

    def __enter__(self) -> "Reader":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()
        assert self.heights == sorted(self.heights), f"a reader saw rows vanish: {self.heights}"


def assert_whole(root: Path) -> None:
    """Keys are unique, versions without gap, files as the log says, none unneeded, and bytes as they came."""
    for table in TABLES:
        if not snapshot.exists(str(root), table):
            continue
        assert inspect(str(root), table) == []
        assert log_of(str(root), table).versions == list(range(snapshot.current_version(str(root), table) + 1))
        keys = snapshot.read(str(root), table, columns=table.key)
        assert keys.n_unique() == keys.height, table.name
    for file in snapshot.live_files(str(root), IMAGES):
        for row in pq.read_table(file.removeprefix("file://"), columns=["image_id", "bytes"]).to_pylist():
            assert hashlib.sha256(row["bytes"]).hexdigest() == row["image_id"]
    assert not [path for path in root.rglob("*") if path.name.endswith((".tmp", ".partial"))]


def ids(root: Path, table: Table = IMAGES) -> set[str]:
    return set(snapshot.read(str(root), table, columns=["image_id"])["image_id"])
