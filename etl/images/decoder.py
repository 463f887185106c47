"""Decoding in a process of its own, which a hostile image may crash, hang or fill without harm.

One child serves many images, since starting one costs a tenth of a second; it is killed and started anew where an
image makes it necessary. Bytes go in and JSON comes out over pipes, so nothing that it says is unpickled.
"""

import atexit
import contextlib
import fcntl
import json
import os
import resource
import select
import signal
import struct
import subprocess
import sys
import time
from dataclasses import asdict
from functools import cache
from typing import BinaryIO

from PIL import AvifImagePlugin

from etl.images.decoding import Code, Properties, Refused, inspect

CPU_SECONDS = 5
"""Of the child, for one image: 50 megapixels need 1 to 3; a JPEG of 3,000 scans takes twice as much."""
WALL_SECONDS = 60.0
"""For a child that waits instead of computing; long, since a loaded machine makes everything late."""
MEMORY_BYTES = 3 << 30
"""Address space of a child; 50 megapixels take up to 1 GB while they are decoded."""

PROGRAM = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from etl.images.decoder import serve; serve()"
"""What a child runs; it finds the project where its parent did, also in a zip."""

_LENGTH = struct.Struct(">I")
_LONGEST_ANSWER = 1 << 16
_PIPE_BYTES = 1 << 20
"""So that most images go through in one piece; the most that Linux grants without privileges."""


class Decoder:
    """One child and the way to talk to it. `inspect` is `decoding.inspect`, and outlives what an image does."""

    def __init__(self, cpu_seconds: int = CPU_SECONDS, wall_seconds: float = WALL_SECONDS, program: str = PROGRAM):
        self._words = [sys.executable, "-I", "-c", program, json.dumps(sys.path), str(cpu_seconds)]
        self._wall_seconds = wall_seconds
        self._child: subprocess.Popen[bytes] | None = None
        self._served = 0

    def inspect(self, data: bytes) -> Properties:
        """Decode `data` in full and return its properties. Raises Refused, and nothing else."""
        while True:
            others = self._served
            try:
                return self._ask(data)
            except Refused as refusal:
                # Of a child that served others before, a crash may be their doing: a fresh one tells.
                if refusal.code is not Code.CRASH or not others:
                    raise

    def close(self) -> None:
        """Kill the child; the next image gets a fresh one."""
        if self._child is not None:
            self._child.kill()
            for pipe in (self._child.stdin, self._child.stdout):
                with contextlib.suppress(OSError):  # what was not sent any more
                    pipe.close()  # type: ignore[union-attr]
            self._child.wait()
        self._child, self._served = None, 0

    def _ask(self, data: bytes) -> Properties:
        deadline = time.monotonic() + self._wall_seconds
        try:
            said = _understood(self._converse(data, deadline))
        except TimeoutError:
            self.close()
            raise Refused(Code.TIMEOUT, f"not decoded after {self._wall_seconds:g} s") from None
        except (OSError, EOFError, ValueError, TypeError, KeyError):
            raise self._end() from None
        self._served += 1
        if isinstance(said, Refused):
            raise said
        return said

    def _converse(self, data: bytes, deadline: float) -> dict:
        """Send one image and return the answer. Raises TimeoutError; OSError, EOFError, ValueError on a breach."""
        if self._child is None:
            self._child = subprocess.Popen(
                self._words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={"PATH": os.defpath},
                start_new_session=True,  # an interrupt at the terminal must not look like a crash
            )
            for pipe in (self._child.stdin, self._child.stdout):
                os.set_blocking(pipe.fileno(), False)  # type: ignore[union-attr]
            with contextlib.suppress(OSError):  # a user may have too many pipes for large ones
                fcntl.fcntl(self._child.stdin, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)  # type: ignore[arg-type]
        sink, answers = self._child.stdin, self._child.stdout
        assert sink is not None and answers is not None
        _write(sink.fileno(), _LENGTH.pack(len(data)) + data, deadline)
        (length,) = _LENGTH.unpack(_read(answers.fileno(), _LENGTH.size, deadline))
        if length > _LONGEST_ANSWER:
            raise ValueError("the answer is too long")
        return dict(json.loads(_read(answers.fileno(), length, deadline)))

    def _end(self) -> Refused:
        """Return what the end of the child means, and clear it away."""
        assert self._child is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(1)
        status = self._child.returncode
        self.close()
        if status == -signal.SIGXCPU:
            return Refused(Code.TIMEOUT, f"not decoded within {self._words[-1]} s of computing")
        if status is None:
            return Refused(Code.CRASH, "the decoder's process broke the protocol")
        how = f"sig={-status}" if status < 0 else f"exit code {status}"
        return Refused(Code.CRASH, f"the decoder's process ended: {how}")


@cache
def shared_decoder() -> Decoder:
    """Return this process's decoder; its child ends with the process, at the end of its input."""
    decoder = Decoder()
    atexit.register(decoder.close)
    return decoder


def serve() -> None:
    """What a child does: read an image, answer with its properties or with the code, until there is no more."""
    seconds = int(sys.argv[2])
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # each thread takes address space, on large machines too much
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    while head := sys.stdin.buffer.read(_LENGTH.size):
        data = sys.stdin.buffer.read(_LENGTH.unpack(head)[0])
        used = resource.getrusage(resource.RUSAGE_SELF)
        limit = int(used.ru_utime + used.ru_stime) + 1 + seconds
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
        _answer(sys.stdout.buffer, data)


def _answer(sink: BinaryIO, data: bytes) -> None:
    try:
        said = asdict(inspect(data))
    except Refused as refusal:
        said = {"code": refusal.code.value, "detail": refusal.detail[:500]}
    content = json.dumps(said).encode()
    sink.write(_LENGTH.pack(len(content)) + content)
    sink.flush()


def _understood(said: dict) -> Properties | Refused:
    """Return an answer as what it means. Raises TypeError, KeyError, ValueError where it means nothing."""
    return Refused(Code(said["code"]), str(said["detail"])) if "code" in said else Properties(**said)


def _write(pipe: int, data: bytes, deadline: float) -> None:
    """Write all of `data`, a part at a time: a child that stops reading must not hold its parent."""
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(pipe, left) :]
        except BlockingIOError:
            _wait(pipe, select.POLLOUT, deadline)


def _read(pipe: int, length: int, deadline: float) -> bytes:
    data = b""
    while len(data) < length:
        try:
            part = os.read(pipe, length - len(data))
        except BlockingIOError:
            _wait(pipe, select.POLLIN, deadline)
            continue
        if not part:
            raise EOFError
        data += part
    return data


def _wait(pipe: int, event: int, deadline: float) -> None:
    poll = select.poll()
    poll.register(pipe, event)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise TimeoutError
