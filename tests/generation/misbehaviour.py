"""What untrusted models might do, as bodies of a child process; importable there by name."""

import json
import os
import signal
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

from generation.child import Job, Sender


def segfault(job: Job, sender: Sender) -> None:
    os.kill(os.getpid(), 11)


def hang(job: Job, sender: Sender) -> None:
    time.sleep(600)


def load_and_hang(job: Job, sender: Sender) -> None:
    sender.loaded(0.5)
    time.sleep(600)


def say_who_and_hang(job: Job, sender: Sender) -> None:
    (job.folder / "pid.tmp").write_text(str(os.getpid()))
    (job.folder / "pid.tmp").rename(job.folder / "pid")
    time.sleep(600)


def run_out_of_memory(job: Job, sender: Sender) -> None:
    bytearray(job.limits.memory_bytes or 0)


def raise_something(job: Job, sender: Sender) -> None:
    raise LookupError("nobody expects\nthis")


def babble(job: Job, sender: Sender) -> None:
    sender._connection.send_bytes(b"\x80\x04K\x01.")  # a pickle, which the parent must not load


def nest_without_end(job: Job, sender: Sender) -> None:
    sender._connection.send_bytes(b"[" * 60_000)


def say_half_a_surrogate_pair(job: Job, sender: Sender) -> None:
    raise LookupError("half \ud800 and \x1b[31m red")


def send_an_image_that_nobody_asked_for(job: Job, sender: Sender) -> None:
    sender.image(b"\x89PNG\r\n\x1a\n", request_id="../../etc/passwd")


def send_an_image_of_which_nothing_is_known(job: Job, sender: Sender) -> None:
    sender.image(b"\x89PNG\r\n\x1a\n", request_id=job.requests[0].request_id)


PNG = b"\x89PNG\r\n\x1a\n"


def send_what_the_folder_says(job: Job, sender: Sender) -> None:
    """Send the raw messages that the test has written, and an image's file after each that brings one."""
    for line in (job.folder / "messages").read_bytes().splitlines():
        sender._connection.send_bytes(line)
        if b'"image"' in line:
            sender._connection.send_bytes(PNG)


def send_half_a_message_and_hang(job: Job, sender: Sender) -> None:
    os.write(sender._connection.fileno(), struct.pack("!i", 1000) + b'{"kind"')
    time.sleep(600)


def babble_and_hang(job: Job, sender: Sender) -> None:
    (job.folder / "pid").write_text(str(os.getpid()))
    babble(job, sender)
    time.sleep(600)


def say_that_nothing_isolates_it(job: Job, sender: Sender) -> None:
    sender._isolated = False
    sender.loaded(0.1)


def lose_the_gpu(job: Job, sender: Sender) -> None:
    raise RuntimeError("CUDA error: an illegal memory access was encountered")


def leave_a_file_at_home(job: Job, sender: Sender) -> None:
    """Leave what Python would run at its next start, and say what lay there before."""
    found = [len(os.listdir(folder)) for folder in (os.environ["HOME"], tempfile.gettempdir())]
    for folder in (os.environ["HOME"], tempfile.gettempdir()):
        (Path(folder) / "sitecustomize.py").write_text("raise SystemExit")
    (job.folder / "seen.json").write_text(json.dumps({"home": os.environ["HOME"], "found": found}))


def report_on_cuda(job: Job, sender: Sender) -> None:
    import torch
    from diffusers.utils.torch_utils import TorchDeviceBackend

    seen = {
        "initialised": torch.cuda.is_initialized(),
        "asked before the fork": torch.cuda._is_in_bad_fork(),
        "remembered": TorchDeviceBackend._detect_device_type.cache_info().currsize,
        "visible to torch": torch.cuda._parse_visible_devices(),
    }
    (job.folder / "seen.json").write_text(json.dumps(seen))


def report_the_surroundings(job: Job, sender: Sender) -> None:
    """Say by an error's text what the child sees of the environment and how its attempts to get out end."""
    first = Path("/proc/self/environ").read_bytes().decode().split("\0")
    seen = {"now": dict(os.environ), "first": first, "session": os.getsid(0) == os.getpid()}
    for name, attempt in (
        ("python", _connect),
        ("native", _interfaces),
        ("process", _start),
        ("file", _write),
        ("signal", _kill),
    ):
        seen[name] = attempt(job)
    (job.folder / "seen.json").write_text(json.dumps(seen))


def _connect(job: Job) -> str:
    try:
        socket.create_connection(("127.0.0.1", int(job.device)), timeout=2).close()
    except OSError as error:
        return f"{type(error).__name__}: {error}"
    return "connected"


def _interfaces(job: Job) -> list[str]:
    lines = Path("/proc/self/net/dev").read_text().splitlines()[2:]
    return [line.split(":")[0].strip() for line in lines]


def _start(job: Job) -> str:
    try:
        subprocess.run(["true"], check=True)
    except OSError as error:
        return f"{type(error).__name__}: {error}"
    return "started"


def _write(job: Job) -> str:
    try:
        (job.folder / "large").write_bytes(bytes(8 << 20))
    except OSError as error:
        return f"{type(error).__name__}: {error}"
    return "written"


def _kill(job: Job) -> list[str]:
    """Signal the own process and group, which is allowed, and then others; with a signal that does nothing."""
    signal.signal(signal.SIGURG, signal.SIG_IGN)
    os.kill(os.getpid(), signal.SIGURG)
    os.killpg(os.getpgrp(), signal.SIGURG)
    said = []
    for kill, whom in ((os.kill, os.getppid()), (os.kill, -1), (os.killpg, os.getpgid(os.getppid()))):
        try:
            kill(whom, 0)
            said.append("sent")
        except PermissionError as error:
            said.append(str(error))
    return said
