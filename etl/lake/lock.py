"""A writer's lock on a table of a lake.

Delta's log stores for local disk and for S3 exclude writers inside one JVM only, so two processes could overwrite
each other's commits. On local disk the lock is `flock` on a file under <root>/.locks: the kernel frees it when its
holder dies, however it dies. In an object store it is a lease (`etl.lake.lease`).
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from etl.errors import ConfigError, LockHeld
from etl.lake.lease import lease
from etl.lake.storage import is_local, normal

_held: set[str] = set()


@contextlib.contextmanager
def table_lock(root: str, table: str, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold the lock of `table` within the block; a process may take a lock that it holds again.

    Raises LockHeld when another process holds it for longer than `wait_seconds`.
    """
    with contextlib.ExitStack() as locks:
        name = f"{Path(root).resolve() if is_local(root) else normal(root)}/{table}"
        if name not in _held:
            take = _file_lock if is_local(root) else lease
            locks.enter_context(take(root, table, wait_seconds))
            _held.add(name)
            locks.callback(_held.discard, name)
        yield


@contextlib.contextmanager
def _file_lock(root: str, table: str, wait_seconds: float) -> Iterator[None]:
    path = Path(root).resolve() / ".locks" / f"{table.replace('/', '__')}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--root: {root} cannot be a lake's folder ({error.strerror})") from None
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _acquire(descriptor, table, wait_seconds)
        yield
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
