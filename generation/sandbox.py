"""The cell in which an untrusted model runs: what a child process gives up before it opens the model's files.

- No network. On Linux with user namespaces the child moves into an empty network namespace, which holds for
  native code too. Everywhere an audit hook, which nothing can remove, refuses sockets and new processes to Python.
- No secrets. The environment is built from nothing (`clean_environment`); it is the process's first one, so that
  /proc shows no other. HOME is an empty folder of the process's own, and goes with it.
- No signals to other processes from Python.
- Limits on CPU time, file size, core dumps; on a CPU also address space, and processes where they count per cell.
- A session of its own, so that all it starts is killed with it, and the kernel's promise to kill it when its
  parent dies.
"""

import contextlib
import ctypes
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import forkserver
from typing import Any

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000  # linux/sched.h
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38  # linux/prctl.h
_KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "CUDA_HOME", "TZ")
_REFUSED_EVENTS = (
    *("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo"),
    *("socket.gethostbyname", "socket.gethostbyaddr"),
    *("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty"),
)
_SIGNAL_EVENTS = ("os.kill", "os.killpg")
"""Refused where they aim at another process than the own one and its session."""
LARGEST_FILE = 1 << 20
"""Bytes that a child may write to a file; its results go through a pipe."""
MOST_PROCESSES = 512
"""Processes and threads of one cell: loaders use a few threads."""


@dataclass(frozen=True)
class Limits:
    """What one child may use; `memory_bytes` None where address space says nothing (CUDA maps far more)."""

    cpu_seconds: int
    memory_bytes: int | None


def clean_environment() -> dict[str, str]:
    """Return the fork server's environment: no token, no proxy, no cache of ours; offline, one thread, no GPU.

    diffusers asks for CUDA when it is imported. Asked through NVML, and with none visible, torch answers without
    initialising it (torch.cuda.is_available, torch 2.9), which no fork of the server would survive.
    """
    return {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        "HOME": os.devnull,
        "TMPDIR": os.devnull,
        "CUDA_VISIBLE_DEVICES": "",
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
        "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
        "PYTHONSAFEPATH": "1",
        "PYTHONNOUSERSITE": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DIFFUSERS_DISABLE_REMOTE_CODE": "1",
    }


@contextlib.contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    """Let processes started in the block have exactly `variables`; multiprocessing takes no environment."""
    saved = dict(os.environ)
    os.environ.clear()
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(saved)


def enter(limits: Limits, variables: dict[str, str]) -> bool:
    """Move this process into its cell; return whether it has a network namespace of its own.

    Called first of all in the child, while it has one thread: the kernel moves no process that has more.
    `variables` are its own HOME, TMPDIR and CUDA_VISIBLE_DEVICES. The last takes effect although torch is
    imported: the driver reads it at cuInit, which torch calls when CUDA is first used (torch.cuda._lazy_init).
    """
    os.environ.update(variables)
    tempfile.tempdir = None  # what the server may have found
    os.setsid()
    _die_with_parent()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    own_user = libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0
    # The kernel may refuse a user namespace (their number, a second thread); root needs none for the network's.
    isolated = own_user or libc.unshare(_CLONE_NEWNET) == 0
    _limit(resource.RLIMIT_CPU, limits.cpu_seconds)
    _limit(resource.RLIMIT_FSIZE, LARGEST_FILE)
    _limit(resource.RLIMIT_CORE, 0)
    if limits.memory_bytes is not None:
        _limit(resource.RLIMIT_AS, limits.memory_bytes)
    if own_user:  # elsewhere the limit would count all processes of the user
        _limit(resource.RLIMIT_NPROC, MOST_PROCESSES)
    _silence()
    sys.dont_write_bytecode = True
    sys.addaudithook(_refuse)
    return isolated


def _die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies; under the fork server that is the server."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The server ends when every copy of this descriptor is closed. The one here would keep it, and with it this
    # process, alive after the process that started both.
    alive = forkserver._forkserver._forkserver_alive_fd  # type: ignore[attr-defined]
    if alive is not None:
        os.close(alive)
        forkserver._forkserver._forkserver_alive_fd = None  # type: ignore[attr-defined]
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        os._exit(1)


def _limit(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))


def _silence() -> None:
    """Send what libraries print to nowhere: a model's files can make them print anything, at any length."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    # A process, 0 for the own group, a group as its negative number; the cell's group and session have its number.
    at_others = event in _SIGNAL_EVENTS and abs(arguments[0]) not in (0, os.getpid())
    if event in _REFUSED_EVENTS or at_others:
        raise PermissionError(f"{event} is refused to a model's process")
