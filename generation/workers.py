"""Running models in processes of their own: started clean, watched, and killed with all they started.

The children come from a fork server that has the heavy imports done, so that one starts in well under a second.
CUDA does not survive a fork once it is initialised, so the server never does that: each child is told its GPU
before it asks for one. The parent reads nothing but JSON and image bytes from them, each of a limited length, and
outlives whatever they do.
"""

import contextlib
import multiprocessing
import multiprocessing.util
import os
import queue
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from generation import child
from generation.child import Body, Job
from generation.conversation import Conversation, Ending
from generation.devices import Device, visible_gpus
from generation.disk import DiskBudget
from generation.failures import Code, GenerationFailure
from generation.sandbox import clean_environment, environment

OnImage = Callable[[dict[str, Any], bytes], None]
LONGEST_DEATH_SECONDS = 10.0
"""For a killed process to be gone; one that hangs in a driver may never be."""
_STOPPING = "the job is stopping"


class Workers:
    """The places in which models run at the same time; a context manager. Threads of the caller use it.

    `home` is made empty, holds a HOME for each child as long as it lives, and is removed at the end. `stopping` is
    set when the job is to end: whoever waits for something looks at it.
    """

    def __init__(self, device: Device, places: int, home: Path, disk: DiskBudget | None = None):
        self.device = device
        self.disk = disk or DiskBudget(1 << 62)
        self.stopping = threading.Event()
        self.places = places
        self._home = home
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        self._context = multiprocessing.get_context("forkserver")
        self._free: queue.Queue[int] = queue.Queue()
        for place in range(places):
            self._free.put(place)
        self._starting = threading.Lock()
        self._running: set[int] = set()
        self._warned = False
        self._start_server()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        """Kill what still runs, end the fork server (it holds much memory), remove the children's HOMEs."""
        self.stop()
        _kill_server()  # asked to end, it would first import all that it was asked to
        forkserver._forkserver._stop()  # type: ignore[attr-defined]
        shutil.rmtree(self._home, ignore_errors=True)

    def stop(self) -> None:
        """Kill every child that runs, start no more, and let nobody wait any longer."""
        self.stopping.set()
        while not self._starting.acquire(timeout=0.2):  # who starts a child waits for all imports of a new server
            _kill_server()
        try:
            for pid in self._running:
                _kill(pid)
        finally:
            self._starting.release()
        self.disk.stop()

    def run(self, job: Job, deadline_seconds: float, on_image: OnImage, body: Body = child.sample_model) -> Ending:
        """Run `body` (by default: load and sample) in a child and call `on_image` for each image it sends.

        Waits for a free place. A child that ends without saying so gives CRASH, one that is late TIMEOUT; what
        `on_image` raises ends the child and is raised. Raises GenerationFailure: INTERRUPTED, and CRASH where no
        process can be started.
        """
        asked = time.monotonic()
        place = self._free.get()
        try:
            with self._own_home() as home:
                process, connection = self._start(job, self._variables(home, place), body)
                waited = time.monotonic() - asked
                listen = deadline_seconds + LONGEST_DEATH_SECONDS
                return self._watch(
                    process, Conversation(connection, job, waited, listen), deadline_seconds, on_image
                )
        finally:
            self._free.put(place)

    def _watch(
        self, process: BaseProcess, conversation: Conversation, deadline_seconds: float, on_image: OnImage
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
            _bury(process)
            conversation.close()
        self._warn_unless(conversation.isolated)
        return conversation.ending(process.exitcode, deadline_seconds if late.is_set() else None)

    def _start(self, job: Job, variables: dict[str, str], body: Body) -> tuple[BaseProcess, Connection]:
        ours, theirs = self._context.Pipe(duplex=False)
        try:
            process = self._context.Process(target=child.main, args=(theirs, job, body, variables), daemon=True)
            with self._starting:
                if self.stopping.is_set():
                    raise GenerationFailure(Code.INTERRUPTED, _STOPPING)
                self._keep_server()
                process.start()
                self._running.add(process.pid or 0)
        except (OSError, EOFError) as error:  # of the fork server, or of a kernel that gives no process
            ours.close()
            if self.stopping.is_set():
                raise GenerationFailure(Code.INTERRUPTED, _STOPPING) from error
            said = f"{type(error).__name__} {error}".strip()
            raise GenerationFailure(Code.CRASH, f"the model's process could not be started ({said})") from error
        except GenerationFailure:
            ours.close()
            raise
        finally:
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
        """Start the server unless it runs: multiprocessing would start a dead one anew with all that we know.

        It has no GPU, nor a HOME: what libraries derive from that when they are imported leads nowhere.
        """
        pid = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
        if pid is None or os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            with environment(clean_environment()):
                forkserver.ensure_running()

    @contextlib.contextmanager
    def _own_home(self) -> Iterator[str]:
        """A folder for one child, so that it leaves nothing for the next one."""
        self._home.mkdir(parents=True, exist_ok=True)
        home = tempfile.mkdtemp(prefix="model-", dir=self._home)
        try:
            yield home
        finally:
            shutil.rmtree(home, ignore_errors=True)

    def _variables(self, home: str, place: int) -> dict[str, str]:
        """Return what is a child's own in its environment."""
        gpu = visible_gpus()[place] if self.device == "cuda" else ""
        return {"HOME": home, "TMPDIR": home, "CUDA_VISIBLE_DEVICES": gpu}

    def _warn_unless(self, isolated: bool | None) -> None:
        """Say once a job that models could reach the network by native code."""
        if isolated is False and not self._warned:
            self._warned = True
            print(
                "generate: the kernel gives models' processes no network namespace of their own: only Python's "
                "sockets are refused to them; allow user namespaces, or cut the network off around the job",
                file=sys.stderr,
            )


def _kill_server() -> None:
    if pid := forkserver._forkserver._forkserver_pid:  # type: ignore[attr-defined]
        _kill(pid)


def _kill(pid: int) -> None:
    """Kill a child with its session; before it has one of its own, the child alone."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _bury(process: BaseProcess) -> None:
    """Wait for a killed process, within limits; multiprocessing would wait for it at our own end without any."""
    process.join(LONGEST_DEATH_SECONDS)
    if process.exitcode is None:
        multiprocessing.process._children.discard(process)  # type: ignore[attr-defined]
