"""What one child says, checked: it is untrusted, and what it says of an image goes into the lake."""

import json
import math
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from multiprocessing.connection import Connection
from typing import Any

from generation.child import Job
from generation.encoding import is_of
from generation.failures import Code, plain

LONGEST_MESSAGE = 1 << 16
LARGEST_IMAGE = 64 << 20
"""Bytes of one image; a PNG of 16 megapixels of noise stays below."""
LARGEST_EDGE = (1 << 16) - 1
LONGEST_NAME, LONGEST_VERSION = 64, 128
"""Characters of a scheduler, a precision or a library, and of a library's version."""
MOST_LIBRARIES = 32


@dataclass(frozen=True)
class Used:
    """What a child says it used; None where it did not come so far, or has no GPU."""

    peak_memory_mb: float | None = None
    peak_gpu_memory_mb: float | None = None
    load_seconds: float | None = None
    sampling_seconds: float | None = None


@dataclass(frozen=True)
class Ending:
    """How a child ended: `code` None when it did all it was asked. `refused`: code and message by request id."""

    code: Code | None
    message: str
    refused: dict[str, tuple[Code, str]]
    used: Used
    waited_seconds: float
    """How long there was no place for it, or no fork server yet."""


class Conversation:
    """The parent's end of a child's pipe; nobody listens for longer than `listen_seconds`."""

    def __init__(self, connection: Connection, job: Job, waited_seconds: float, listen_seconds: float):
        self.isolated: bool | None = None
        """Whether the child says that the kernel has given it a network of its own; None until it is loaded."""
        self._connection = connection
        self._waited = waited_seconds
        self._until = time.monotonic() + listen_seconds
        self._batch_size = job.batch_size
        self._open = {request.request_id: request.format or "PNG" for request in job.requests}
        self._patience = job.image_seconds * job.batch_size if job.image_seconds else math.inf
        self._refused: dict[str, tuple[Code, str]] = {}
        self._used = Used()
        self._loaded = False
        self._end: tuple[Code | None, str] | None = None
        self._broken: str | None = None

    def images(self) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Yield each image with what the child says of it, until it has finished, is gone or is late."""
        while self._end is None:
            try:
                if not self._comes():
                    return
                said = json.loads(self._connection.recv_bytes(LONGEST_MESSAGE))
                image = self._take(said)
            except EOFError:
                return
            except Exception as error:  # the boundary to an untrusted process: whatever it sends is its own end
                self._broken = f"the model's process broke the protocol ({type(error).__name__})"
                return
            if image is not None:
                yield image

    def close(self) -> None:
        """Stop listening; a child that is still alive can say no more."""
        self._connection.close()

    def ending(self, exit_code: int | None, deadline_seconds: float | None) -> Ending:
        """Return how it ended. `deadline_seconds` is given where the child was killed for being late.

        A deadline that was passed explains half a message and the signal. `exit_code` None: it does not die.
        """
        if self._end is not None:
            code, message = self._end
        elif deadline_seconds is not None:
            code, message = Code.TIMEOUT, f"not finished after {deadline_seconds:g} s"
        elif self._broken is not None:
            code, message = Code.CRASH, self._broken
        elif exit_code is None:
            code, message = Code.CRASH, "the model's process does not die"
        elif exit_code < 0:
            code, message = Code.CRASH, f"sig={-exit_code} ({_signal_name(-exit_code)})"
        else:
            code, message = Code.CRASH, f"exit code {exit_code}"
        return Ending(code, message, self._refused, self._used, self._waited)

    def _comes(self) -> bool:
        """Wait for a message; False once an image is late, or when a child outlives even its kill."""
        left = max(0.0, self._until - time.monotonic())
        patience = self._patience if self._loaded else math.inf
        if self._connection.poll(min(patience, left)):
            return True
        if patience < left:
            self._end = (Code.TIMEOUT, f"no image for {patience:g} s")
        return False

    def _take(self, said: dict[str, Any]) -> tuple[dict[str, Any], bytes] | None:
        """Act on one message; return an image where it brings one. Raises anything for what is no message."""
        self._used = Used(**{f.name: _number(said[f.name]) for f in fields(Used)})
        self._loaded |= self._used.load_seconds is not None
        match said["kind"]:
            case "image":
                format_ = self._open.pop(said["request_id"])
                facts = self._facts(said)
                content = self._connection.recv_bytes(LARGEST_IMAGE)
                if not is_of(content, format_):
                    raise ValueError(f"not a {format_}")
                return facts, content
            case "loaded":
                self.isolated = _flag(said["isolated"])
            case "refused":
                del self._open[said["request_id"]]
                self._refused[said["request_id"]] = (Code(said["code"]), _message(said["message"]))
            case "end":
                self._end = (None, "") if said["code"] is None else (Code(said["code"]), _message(said["message"]))
            case _:
                raise ValueError("unknown kind")
        return None

    def _facts(self, said: dict[str, Any]) -> dict[str, Any]:
        """Return of what is said of an image what goes into its record (`child.FACTS`), and nothing else."""
        versions = said["library_versions"]
        if len(versions) > MOST_LIBRARIES:
            raise ValueError("too many libraries")
        return {
            "request_id": said["request_id"],
            "width": _whole(said["width"], LARGEST_EDGE),
            "height": _whole(said["height"], LARGEST_EDGE),
            "scheduler": None if said["scheduler"] is None else _name(said["scheduler"], LONGEST_NAME),
            "dtype": _name(said["dtype"], LONGEST_NAME),
            "batch_size": _whole(said["batch_size"], self._batch_size),
            "library_versions": {
                _name(library, LONGEST_NAME): _name(version, LONGEST_VERSION)
                for library, version in versions.items()
            },
            "nsfw": None if said["nsfw"] is None else _flag(said["nsfw"]),
        }


def _number(said: Any) -> float | None:
    """Return a quantity: finite and not negative. Python's JSON knows NaN and Infinity, and reads 1e999 so."""
    if said is None:
        return None
    if type(said) not in (int, float) or not 0 <= float(said) < math.inf:
        raise ValueError("not a quantity")
    return float(said)


def _whole(said: Any, most: int) -> int:
    if type(said) is not int or not 1 <= said <= most:  # a bool is an int to isinstance
        raise ValueError("not a whole number in its range")
    return said


def _flag(said: Any) -> bool:
    if not isinstance(said, bool):
        raise ValueError("neither true nor false")
    return said


def _name(said: Any, longest: int) -> str:
    """Return a name made plain, of 1 to `longest` characters."""
    name = plain(_text(said))
    if not 1 <= len(name) <= longest:
        raise ValueError("not a name")
    return name


def _message(said: Any) -> str:
    return plain(_text(said))


def _text(said: Any) -> str:
    if not isinstance(said, str):
        raise ValueError("not a text")
    return said


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
