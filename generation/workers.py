"""Running models in processes of their own: started clean, watched, and killed with all they started.

On a CPU the children come from a fork server that has the heavy imports done, so that one starts in well under a
second; CUDA does not survive a fork, so on GPUs each is spawned. The parent reads nothing but JSON and image bytes
from them, each of a limited length, and outlives whatever they do.
"""

import contextlib
import json
import multiprocessing
import multiprocessing.util
import os
import queue
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from generation import child
from generation.child import Body, Job
from generation.devices import Device, visible_gpus
from generation.disk import DiskBudget
from generation.encoding import is_of
from generation.failures import Code, GenerationFailure, plain
from generation.sandbox import clean_environment, environment

LONGEST_MESSAGE = 1 << 16
LARGEST_IMAGE = 64 << 20
"""Bytes of one image; a PNG of 16 megapixels of noise stays below."""

OnImage = Callable[[dict[str, Any], bytes], None]


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


class Workers:
    """The places in which models run at the same time; a context manager. Threads of the caller use it.

    `home` is made empty, is HOME to the children, and is removed at the end.
    """

    def __init__(self, device: Device, places: int, home: Path, disk: DiskBudget | None = None):
        self.device = device
        self.disk = disk or DiskBudget(1 << 62)
        self._cuda = device == "cuda"
        self._home = home
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        self._context: SpawnContext | ForkServerContext = (
            multiprocessing.get_context("spawn") if self._cuda else multiprocessing.get_context("forkserver")
        )
        self.places = places
        self._free: queue.Queue[int] = queue.Queue()
        for place in range(places):
            self._free.put(place)
        self._starting = threading.Lock()
        self._running: set[int] = set()
        self._stopped = False
        if not self._cuda:
            self._start_server()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        """Kill what still runs, end the fork server (it holds much memory), remove the children's HOME."""
        self.stop()
        if not self._cuda:
            forkserver._forkserver._stop()  # type: ignore[attr-defined]
        shutil.rmtree(self._home, ignore_errors=True)

    def stop(self) -> None:
        """Kill every child that runs, and start no more."""
        with self._starting:
            self._stopped = True
            for pid in self._running:
                _kill(pid)

    def run(self, job: Job, deadline_seconds: float, on_image: OnImage, body: Body = child.sample_model) -> Ending:
        """Run `body` (by default: load and sample) in a child and call `on_image` for each image it sends.

        Waits for a free place. A child that ends without saying so gives CRASH, one that is late TIMEOUT; what
        `on_image` raises ends the child and is raised.
        """
        asked = time.monotonic()
        place = self._free.get()
        try:
            process, connection = self._start(job, place, body)
            waited = time.monotonic() - asked
            conversation = _Conversation(connection, job, waited)
            return self._watch(process, conversation, deadline_seconds, on_image)
        finally:
            self._free.put(place)

    def _watch(
        self, process: BaseProcess, conversation: "_Conversation", deadline_seconds: float, on_image: OnImage
    ) -> Ending:
        pid = process.pid or 0
        late = threading.Event()

        def stop() -> None:
            late.set()
            _kill(pid)

        timer = threading.Timer(deadline_seconds, stop)
        timer.daemon = True
        timer.start()
        try:
            for said, content in conversation.images():
                on_image(said, content)
            process.join(2)  # it ends by itself, and its own exit code comes first
        finally:
            timer.cancel()
            with self._starting:
                self._running.discard(pid)
            _kill(pid)  # with all that it may have left in its session
            process.join()
            conversation.close()
        return conversation.ending(process.exitcode, deadline_seconds if late.is_set() else None)

    def _start(self, job: Job, place: int, body: Body) -> tuple[BaseProcess, Connection]:
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(target=child.main, args=(theirs, job, body), daemon=True)
        with self._starting:
            if self._stopped:
                raise GenerationFailure(Code.INTERRUPTED, "the job is stopping")
            if not self._cuda:
                self._keep_server()
            with environment(self._environment(place)) if self._cuda else contextlib.nullcontext():
                process.start()
            self._running.add(process.pid or 0)
        theirs.close()
        return process, ours

    def _start_server(self) -> None:
        # Their folder for sockets must not be chosen in the block below, where TMPDIR is the children's.
        multiprocessing.util.get_temp_dir()
        # The server is one a process and keeps the environment and imports of its start: make sure it is ours.
        forkserver._forkserver._stop()  # type: ignore[attr-defined]
        forkserver.set_forkserver_preload(["generation.preload"])
        self._keep_server()

    def _keep_server(self) -> None:
        """Start the server unless it runs: multiprocessing would start a dead one anew with all that we know."""
        pid = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
        if pid is None or os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            with environment(self._environment(0)):
                forkserver.ensure_running()

    def _environment(self, place: int) -> dict[str, str]:
        return clean_environment(
            str(self._home), {"CUDA_VISIBLE_DEVICES": visible_gpus()[place] if self._cuda else ""}
        )


class _Conversation:
    """What one child says, checked: it is untrusted."""

    def __init__(self, connection: Connection, job: Job, waited_seconds: float):
        self._connection = connection
        self._waited = waited_seconds
        self._formats = {request.request_id: request.format or "PNG" for request in job.requests}
        self._patience = job.image_seconds * job.batch_size if job.image_seconds else None
        self._refused: dict[str, tuple[Code, str]] = {}
        self._used = Used()
        self._end: tuple[Code | None, str] | None = None

    def images(self) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Yield each image with what the child says of it, until it has finished or is gone."""
        while self._end is None:
            try:
                if not self._connection.poll(self._patience if self._used.load_seconds is not None else None):
                    self._end = (Code.TIMEOUT, f"no image for {self._patience:g} s")
                    return
                image = self._take(json.loads(self._connection.recv_bytes(LONGEST_MESSAGE)))
            except EOFError:
                return
            except Exception as error:  # the boundary to an untrusted process: whatever it sends is its own end
                self._end = (Code.CRASH, f"the model's process broke the protocol ({type(error).__name__})")
                return
            if image is not None:
                yield image

    def close(self) -> None:
        """Stop listening; a child that is still alive can say no more."""
        self._connection.close()

    def ending(self, exit_code: int | None, deadline_seconds: float | None) -> Ending:
        """Return how it ended; a deadline that was passed explains everything else."""
        if self._end is not None:
            code, message = self._end
        elif deadline_seconds is not None:
            code, message = Code.TIMEOUT, f"not finished after {deadline_seconds:g} s"
        elif exit_code is not None and exit_code < 0:
            code, message = Code.CRASH, f"sig={-exit_code} ({_signal_name(-exit_code)})"
        else:
            code, message = Code.CRASH, f"exit code {exit_code}"
        return Ending(code, message, self._refused, self._used, self._waited)

    def _take(self, said: dict[str, Any]) -> tuple[dict[str, Any], bytes] | None:
        """Act on one message; return an image where it brings one."""
        self._used = Used(**{f.name: _number(said[f.name]) for f in fields(Used)})
        match said["kind"]:
            case "image":
                format_ = self._formats.pop(said["request_id"])
                content = self._connection.recv_bytes(LARGEST_IMAGE)
                if not is_of(content, format_) or not set(child.FACTS) <= set(said):
                    raise ValueError(f"not a {format_} with all that is to be known of it")
                return said, content
            case "loaded":
                pass
            case "refused":
                self._refused[said["request_id"]] = (Code(said["code"]), plain(str(said["message"])))
            case "end":
                self._end = (Code(said["code"]) if said["code"] else None, plain(str(said.get("message", ""))))
            case _:
                raise ValueError("unknown kind")
        return None


def _number(said: Any) -> float | None:
    return None if said is None else float(said)


def _kill(pid: int) -> None:
    """Kill a child with its session; before it has one of its own, the child alone."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
