"""How much of the disk downloads may take at a time; models wait for one another."""

import contextlib
import threading
from collections.abc import Iterator

from generation.failures import Code, GenerationFailure


class DiskBudget:
    """Bytes that the downloads of all threads share."""

    def __init__(self, limit: int):
        self._limit, self._taken = limit, 0
        self._stopped = False
        self._freed = threading.Condition()

    @contextlib.contextmanager
    def reserve(self, size: int) -> Iterator[None]:
        """Hold `size` bytes, once they are free.

        Raises GenerationFailure: TOO_BIG where they never can be, INTERRUPTED once the budget is stopped.
        """
        if size > self._limit:
            limits = f"{size / 1e9:.2f} GB to download, and downloads may take {self._limit / 1e9:.2f} GB"
            raise GenerationFailure(Code.TOO_BIG, f"{limits}; see --max_disk_gb")
        with self._freed:
            self._freed.wait_for(lambda: self._stopped or self._taken + size <= self._limit)
            if self._stopped:
                raise GenerationFailure(Code.INTERRUPTED, "the job is stopping")
            self._taken += size
        try:
            yield
        finally:
            with self._freed:
                self._taken -= size
                self._freed.notify_all()

    def stop(self) -> None:
        """Turn away all that wait, and all that come."""
        with self._freed:
            self._stopped = True
            self._freed.notify_all()
