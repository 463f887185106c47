"""A writer's lock on a table of a lake on local disk.

Delta's log store for local disk excludes writers inside one JVM only, so two processes could overwrite each
other's commits. The lock is `flock` on a file under <root>/.locks: the kernel frees it when its holder dies,
however it dies. Object stores have locking of their own, so remote roots take none.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from etl.errors import ConfigError, LockHeld

_held: set[Path] = set()


def is_local(root: str) -> bool:
    """Whether `root` is a folder of this machine rather than an object store's address."""
    return "://" not in root


@contextlib.contextmanager
def table_lock(root: str, table: str, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold the lock of `table` within the block; a process may take a lock that it holds again.

    Raises LockHeld when another process holds it for longer than `wait_seconds`.
    """
    if not is_local(root):
        yield
        return
    path = Path(root).resolve() / ".locks" / f"{table.replace('/', '__')}.lock"
    if path in _held:
        yield
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--root: {root} cannot be a lake's folder ({error.strerror})") from None
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _acquire(descriptor, table, wait_seconds)
        _held.add(path)
        try:
            yield
        finally:
            _held.discard(path)
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, table: str, wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise LockHeld(
                    f"another process is writing to the table '{table}'; wait for it to end, then run this again"
                ) from None
            time.sleep(0.05)
