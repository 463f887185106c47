"""A writer's lease on a table of a lake in an object store: an object that says who writes, and until when.

It is taken and renewed by conditional writes (If-None-Match, If-Match), so that of two writers one gets it. Its
holder renews it while it works. A dead holder's lease ends by itself, and at once for a process of its own
machine, which sees that it is gone. The lease protects commands of this project from each other; whoever else
writes to the tables does not look at it.
"""

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from etl.errors import LeaseLost, LockHeld
from etl.lake import storage
from etl.lake.folder import folder

LEASE_SECONDS = 60.0
"""How long a lease holds when its holder no longer renews it."""
_LOOK_EVERY = 1.0
_FOLDER, _SUFFIX = ".locks", ".lease"


@contextlib.contextmanager
def lease(root: str, table: str, wait_seconds: float) -> Iterator[None]:
    """Hold the lease of `table` within the block.

    Raises LockHeld when another process holds it for longer than `wait_seconds`, LeaseLost at the end of a block
    in which it could not be renewed and another one took it.
    """
    held = _Lease(root, table)
    held.take(wait_seconds)
    stop = threading.Event()
    keeper = threading.Thread(target=held.keep, args=(stop,), name=f"lease of {table}", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        stop.set()
        keeper.join()
        is_lost = held.lost
        held.release()
    if is_lost:
        raise LeaseLost(
            f"the lease on the table '{table}' ended while this command wrote: the object store did not answer, "
            "and another command took it; run this one again"
        )


def held(root: str) -> set[str]:
    """Return the tables whose lease some process holds."""
    place = folder(root, _FOLDER)
    leases = [name for name, _ in place.files() if name.endswith(_SUFFIX)]
    return {
        name.removesuffix(_SUFFIX).replace("__", "/")
        for name in leases
        if not _is_over(_said(place.read(name) or b""))
    }


class _Lease:
    def __init__(self, root: str, table: str):
        self._root, self._table = root, table
        self._bucket, prefix = storage.split(root)
        name = table.replace("/", "__")
        self._key = f"{prefix}/{_FOLDER}/{name}{_SUFFIX}".lstrip("/")
        self._etag = ""
        self.lost = False

    def take(self, wait_seconds: float) -> None:
        deadline = time.monotonic() + wait_seconds
        while True:
            with storage.answered(self._root):
                there = self._there()
                is_free = there is None or _is_over(there[0])
                if is_free and self._put(there[1] if there else None):
                    return
            if time.monotonic() >= deadline:
                raise LockHeld(_sentence(self._table, there[0] if there else {}))
            time.sleep(min(_LOOK_EVERY, max(0.0, deadline - time.monotonic())))

    def keep(self, stop: threading.Event) -> None:
        """Renew the lease until `stop`. While the store does not answer, go on trying: nobody else can write."""
        while not stop.wait(LEASE_SECONDS / 3):
            with contextlib.suppress(Exception):  # a thread has no one to tell; the next round tries again
                if not self._put(self._etag):
                    self.lost = True
                    return

    def release(self) -> None:
        if self.lost:
            return
        with contextlib.suppress(Exception):  # it ends by itself
            there = self._there()
            if there and there[1] == self._etag:
                storage.client().delete_object(Bucket=self._bucket, Key=self._key)

    def _there(self) -> tuple[dict[str, Any], str] | None:
        """Return what the lease says, and its tag; None where there is none."""
        client = storage.client()
        try:
            found = client.get_object(Bucket=self._bucket, Key=self._key)
        except client.exceptions.NoSuchKey:
            return None
        return _said(found["Body"].read()), found["ETag"]

    def _put(self, etag: str | None) -> bool:
        """Write the lease over the one with this tag, or where there is none; return whether it was so."""
        from botocore.exceptions import ClientError

        condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        body = json.dumps({**_me(), "until": time.time() + LEASE_SECONDS}).encode()
        try:
            done = storage.client().put_object(Bucket=self._bucket, Key=self._key, Body=body, **condition)
        except ClientError as error:
            if error.response["Error"]["Code"] in (
                "PreconditionFailed",
                "ConditionalRequestConflict",
                "NoSuchKey",
            ):
                return False
            raise
        self._etag = done["ETag"]
        return True


def _said(content: bytes) -> dict[str, Any]:
    try:
        said = json.loads(content)
    except ValueError:
        said = {}
    return said if isinstance(said, dict) else {}


def _me() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "machine": _machine(),
        "pid": os.getpid(),
        "started": _started(os.getpid()),
    }


def _is_over(said: dict[str, Any]) -> bool:
    if not isinstance(said.get("until"), float) or said["until"] < time.time():
        return True
    return said.get("machine") == _machine() and _started(said.get("pid", 0)) != said.get("started")


def _machine() -> str:
    """Return what tells this machine, since it was started, and its processes' numbers from others."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{socket.gethostname()} {boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"{socket.gethostname()} {os.getpid()}"


def _started(pid: int) -> str | None:
    """Return when a process of this machine began, in the kernel's ticks; None where there is no such process."""
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if state in "ZX" else rest[18]
    except OSError:
        return None


def _sentence(table: str, said: dict[str, Any]) -> str:
    who = f"process {said['pid']} of {said['host']}" if said.get("pid") and said.get("host") else "another process"
    until = said.get("until")
    ends = f", {datetime.fromtimestamp(until, UTC):%H:%M:%S} UTC if it is gone" if isinstance(until, float) else ""
    return f"{who} is writing to the table '{table}'; wait for it to end{ends}, then run this again"
