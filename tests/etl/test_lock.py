"""One process at a time writes to a table; the kernel frees a dead holder's lock."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from etl.errors import LockHeld
from etl.lake.lock import table_lock

REPOSITORY = Path(__file__).parents[2]
HOLD = """
import sys, time
from etl.lake.lock import table_lock
with table_lock(sys.argv[1], sys.argv[2]):
    print("held", flush=True)
    time.sleep(600)
"""


@contextlib.contextmanager
def holder(root: str, table: str):
    """A process that holds the lock until it is killed."""
    command = [sys.executable, "-c", HOLD, root, table]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPOSITORY) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_lock_that_another_process_holds_is_refused_with_exit_code_5(tmp_path):
    with holder(str(tmp_path), "images"):
        with pytest.raises(LockHeld, match="another process is writing to the table 'images'") as error:
            table_lock(str(tmp_path), "images").__enter__()
        assert error.value.exit_code == 5


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    with holder(str(tmp_path), "images") as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with table_lock(str(tmp_path), "images"):
            pass


def test_a_writer_that_may_wait_gets_the_lock_when_it_becomes_free(tmp_path):
    with holder(str(tmp_path), "images") as process:
        started = time.monotonic()
        with pytest.raises(LockHeld):
            table_lock(str(tmp_path), "images", wait_seconds=0.2).__enter__()
        assert time.monotonic() - started >= 0.2
        process.terminate()
        with table_lock(str(tmp_path), "images", wait_seconds=20):
            pass


def test_tables_and_lakes_do_not_lock_each_other(tmp_path):
    with (
        holder(str(tmp_path / "a"), "images"),
        table_lock(str(tmp_path / "a"), "rejects"),
        table_lock(str(tmp_path / "b"), "images"),
    ):
        pass


def test_a_process_may_take_its_lock_again_and_holds_it_until_the_outer_block_ends(tmp_path):
    with table_lock(str(tmp_path), "training_rows/demo"):
        with table_lock(str(tmp_path), "training_rows/demo"):
            pass
        assert not can_lock_elsewhere(tmp_path)
    assert can_lock_elsewhere(tmp_path)


def test_a_relative_root_is_the_same_lake(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with holder(str(tmp_path / "lake"), "images"), pytest.raises(LockHeld):
        table_lock("lake/", "images").__enter__()


def test_an_error_in_the_block_frees_the_lock(tmp_path):
    with pytest.raises(ZeroDivisionError), table_lock(str(tmp_path), "images"):
        1 // 0  # noqa: B018
    with table_lock(str(tmp_path), "images"):
        pass


def can_lock_elsewhere(root: Path) -> bool:
    code = f"from etl.lake.lock import table_lock\nwith table_lock({str(root)!r}, 'training_rows/demo'): pass"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, stderr=subprocess.DEVNULL)
    return done.returncode == 0
