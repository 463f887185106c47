"""Processes that answer a line with a line of JSON: detectors that score a file, a network that embeds one.

A stranger's image is decoded and judged outside the server, by the same command that a terminal runs, so that app
and command line cannot differ. A child that does not answer in time is killed; the next question starts another.
"""

import atexit
import json
import os
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections import OrderedDict
from typing import Any

from etl.errors import ForensicsError

SECONDS = 600.0
"""For an answer, the start of the child included: torch takes long to load on a busy machine."""
CELLS = 8
"""Of one side of a map of what drove a score."""
MOST = 3
"""Children that are kept: each holds a network, half a gigabyte."""
_LONGEST = 32 << 20


class NoAnswer(ForensicsError):
    """A child ended, or did not answer in time."""


class Child:
    """One process, and the way to ask it; questions wait for each other."""

    def __init__(self, words: list[str]):
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the process)
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, start_new_session=True
        )
        self._lock = threading.Lock()
        self._rest = b""

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, line: str, seconds: float = SECONDS) -> dict[str, Any]:
        """Send a line, return what comes back. Raises NoAnswer; the child is then gone."""
        assert self._process.stdin is not None
        with self._lock:
            try:
                self._process.stdin.write(line.encode() + b"\n")
                self._process.stdin.flush()
                return dict(json.loads(self._line(time.monotonic() + seconds)))
            except TimeoutError:  # first: it is an OSError
                self.close()
                raise NoAnswer(f"there was no answer within {seconds:.3g} s") from None
            except (OSError, ValueError, TypeError, EOFError):
                self._process.stdin.close()
                self._let_end()
                raise NoAnswer(self._last_words()) from None

    def _let_end(self) -> None:
        """Let a process that breaks off say why; one that goes on is killed."""
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self.close()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()

    def _line(self, deadline: float) -> bytes:
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        while b"\n" not in self._rest:
            if not select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError
            part = os.read(pipe, 1 << 16)
            if not part or len(self._rest) > _LONGEST:
                raise EOFError
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read()[-4000:].decode(errors="replace").strip().splitlines()
        return lines[-1][:400] if lines else f"the process ended with code {self._process.returncode}"


def scorer(root: str, model: str, point: str | None = None) -> Child:
    """Return the process of `forensics score` for a detector at an operating point."""
    options = [f"--root={root}", f"--model={model}", "--format=json", f"--heat_map={CELLS}"]
    if point is not None:
        options.append(f"--operating_point={point}")
    return _kept((sys.executable, "-m", "etl.cli", "score", "-", *options))


def embedder(model: str) -> Child:
    """Return the process that embeds files as `forensics describe` did with a network, named as in its table."""
    return _kept((sys.executable, "-m", "explorer.embedding", model))


_children: "OrderedDict[tuple[str, ...], Child]" = OrderedDict()
_guard = threading.Lock()


def _kept(words: tuple[str, ...]) -> Child:
    with _guard:
        child = _children.get(words)
        if child is None or not child.alive:
            child = _children[words] = Child(list(words))
        _children.move_to_end(words)
        while len(_children) > MOST:
            _, oldest = _children.popitem(last=False)
            oldest.close()
        return child


@atexit.register
def _end() -> None:
    for child in _children.values():
        child.close()
