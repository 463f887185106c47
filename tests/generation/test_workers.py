"""Child processes against what an untrusted model may do; the parent outlives all of it."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from multiprocessing import forkserver
from pathlib import Path

import pytest

from etl.demo.hub import DemoHub
from generation.child import Job
from generation.failures import Code
from generation.plan import Request
from generation.sandbox import Limits
from tests.generation import misbehaviour

BREACHES = [
    misbehaviour.babble,
    misbehaviour.nest_without_end,
    misbehaviour.send_an_image_that_nobody_asked_for,
    misbehaviour.send_an_image_of_which_nothing_is_known,
]
REQUEST = Request("0" * 64, "p", "a cat", None, None, 1, 2, 7.5, 64, 64)


@pytest.fixture
def job(tmp_path) -> Job:
    return Job(folder=tmp_path, requests=(REQUEST,), limits=Limits(cpu_seconds=60, memory_bytes=16 << 30))


def ending(workers, job, body, deadline_seconds=60.0):
    def refuse_images(said, png):
        raise AssertionError(f"an image came: {said}")

    return workers.run(job, deadline_seconds, refuse_images, body)


def test_a_segfault_is_a_crash_with_its_signal(workers, job):
    found = ending(workers, job, misbehaviour.segfault)
    assert (found.code, found.message) == (Code.CRASH, "sig=11 (SIGSEGV)")


def test_a_hanging_model_is_killed_at_its_deadline(workers, job):
    started = time.monotonic()
    found = ending(workers, job, misbehaviour.hang, deadline_seconds=1.0)
    assert (found.code, found.message) == (Code.TIMEOUT, "not finished after 1 s")
    assert time.monotonic() - started < 20


def test_a_loaded_model_that_gives_no_image_is_killed_long_before_its_deadline(workers, job):
    found = ending(workers, replace(job, image_seconds=0.5, batch_size=2), misbehaviour.load_and_hang)
    assert (found.code, found.message) == (Code.TIMEOUT, "no image for 1 s")
    assert found.used.load_seconds == 0.5


def test_a_model_that_asks_for_more_memory_than_its_limit_is_out_of_memory(workers, job):
    assert ending(workers, job, misbehaviour.run_out_of_memory).code is Code.OOM


def test_an_error_that_nobody_expects_becomes_a_code_and_one_line(workers, job):
    found = ending(workers, job, misbehaviour.raise_something)
    assert (found.code, found.message) == (Code.FAILED, "LookupError: nobody expects this")


def test_what_no_table_takes_is_told_in_escapes(workers, job):
    found = ending(workers, job, misbehaviour.say_half_a_surrogate_pair)
    assert found.message == "LookupError: half \\ud800 and [31m red"


@pytest.mark.parametrize("body", BREACHES)
def test_a_child_that_breaks_the_protocol_is_a_crash(workers, job, body):
    found = ending(workers, job, body)
    assert found.code is Code.CRASH
    assert "broke the protocol" in found.message


@pytest.fixture(scope="module")
def seen(workers, tmp_path_factory):
    """What a child reports of its surroundings, with a server that listens on the loopback."""
    folder = tmp_path_factory.mktemp("cell")
    with DemoHub(folder) as listening:
        job = Job(folder, (REQUEST,), Limits(60, None), device=str(listening.port))
        found = workers.run(job, 60, lambda said, png: None, misbehaviour.report_the_surroundings)
    assert found.code is None, found.message
    return json.loads((folder / "seen.json").read_text())


def test_a_child_has_no_secret_in_its_environment_from_its_first_moment(seen):
    assert "HF_TOKEN" not in seen["now"]
    assert not [entry for entry in seen["first"] if "secret" in entry]
    assert seen["now"]["HF_HUB_OFFLINE"] == "1"
    assert seen["now"]["HOME"] != os.environ.get("HOME")


def test_a_server_that_died_is_not_started_anew_with_our_secrets(workers, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    server = forkserver._forkserver._forkserver_pid
    os.kill(server, signal.SIGKILL)
    os.waitid(os.P_PID, server, os.WEXITED | os.WNOWAIT)
    job = Job(tmp_path, (REQUEST,), Limits(60, None), device="9")
    found = workers.run(job, 100, lambda said, png: None, misbehaviour.report_the_surroundings)
    assert found.code is None, found.message
    surroundings = json.loads((tmp_path / "seen.json").read_text())
    assert not [entry for entry in surroundings["first"] if "secret" in entry]
    assert "HF_TOKEN" not in surroundings["now"]


def test_a_child_reaches_no_server(seen):
    assert seen["python"] == "PermissionError: socket.getaddrinfo is refused to a model's process"


def test_a_child_sees_no_network_where_the_kernel_allows_namespaces(seen):
    script = "import ctypes, sys; sys.exit(ctypes.CDLL(None).unshare(0x50000000) != 0)"
    if subprocess.run([sys.executable, "-c", script], check=False).returncode:
        pytest.skip("no user namespaces here")
    assert seen["native"] == ["lo"]


def test_a_child_starts_no_process_and_writes_no_large_file(seen):
    assert seen["process"] == "PermissionError: subprocess.Popen is refused to a model's process"
    assert "File too large" in seen["file"]


def test_a_child_has_a_session_of_its_own(seen):
    assert seen["session"]


PARENT = """
import sys
from multiprocessing import forkserver
from pathlib import Path

from generation.child import Job
from generation.sandbox import Limits
from generation.workers import Workers
from tests.generation.misbehaviour import say_who_and_hang
from tests.generation.test_workers import REQUEST

forkserver.set_forkserver_preload = lambda names: forkserver._forkserver.set_forkserver_preload([])
folder = Path(sys.argv[1])
with Workers("cpu", 1, folder / "home") as workers:
    workers.run(Job(folder, (REQUEST,), Limits(60, None)), 600, lambda said, png: None, say_who_and_hang)
"""


def until(condition, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT], ids=lambda kill: kill.name)
def test_children_die_with_their_parent_however_it_dies(tmp_path, kill):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stderr=subprocess.DEVNULL)
    try:
        until((tmp_path / "pid").exists)
        child = int((tmp_path / "pid").read_text())
        assert is_running(child)
        parent.send_signal(kill)
        until(lambda: not is_running(child), 15)
    finally:
        parent.kill()
        parent.wait()
