"""No waiting for ever: a deadline on an iterator, and the end of a process whose parent was killed."""

import os
import queue
import threading
from collections.abc import Iterable, Iterator
from multiprocessing import parent_process
from typing import TypeVar

from training.errors import LoaderStalled

Item = TypeVar("Item")
_END = object()


def leave_with_parent(*_: object) -> None:
    """End this process once the one that it works for was killed; under a fork server nothing else would."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def with_deadline(items: Iterable[Item], seconds: float, ahead: int = 2) -> Iterator[Item]:
    """Yield from `items`, which a thread runs through, at most `ahead` of the consumer: a stalled disk, decoder or
    worker process ends a command instead of hanging it.

    Raises LoaderStalled when an item takes longer than `seconds`, and whatever `items` raises.
    """
    ready: queue.Queue[object] = queue.Queue(maxsize=ahead)
    abandoned = threading.Event()
    threading.Thread(target=_produce, args=(items, ready, abandoned), name="loader", daemon=True).start()
    try:
        while True:
            try:
                item = ready.get(timeout=seconds)
            except queue.Empty:
                raise LoaderStalled(
                    f"no batch came within {seconds:g} s; look at the disk that holds the lake, or raise "
                    "--deadline_seconds"
                ) from None
            if item is _END:
                return
            if isinstance(item, BaseException):
                raise item
            yield item  # type: ignore[misc]
    finally:
        abandoned.set()


def _produce(items: Iterable[Item], ready: "queue.Queue[object]", abandoned: threading.Event) -> None:
    try:
        for item in items:
            if not _put(ready, item, abandoned):
                return
        _put(ready, _END, abandoned)
    except BaseException as error:  # the consumer raises it
        _put(ready, error, abandoned)


def _put(ready: "queue.Queue[object]", item: object, abandoned: threading.Event) -> bool:
    while not abandoned.is_set():
        try:
            ready.put(item, timeout=0.1)
            return True
        except queue.Full:
            continue
    return False
