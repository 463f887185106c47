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
from generation.child import FACTS, Job
from generation.failures import Code, GenerationFailure
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


GOOD = {
    **{"kind": "image", "request_id": REQUEST.request_id, "width": 64, "height": 64, "scheduler": "DDIMScheduler"},
    **{"dtype": "float32", "batch_size": 1, "library_versions": {"torch": "2.9.1"}, "nsfw": None},
    **{"peak_memory_mb": 1.5, "peak_gpu_memory_mb": None, "load_seconds": 2, "sampling_seconds": 0.5},
}
REFUSED = {**GOOD, "kind": "refused", "code": "NAN_IMAGE", "message": "no"}
END = json.dumps({**GOOD, "kind": "end", "code": None}).encode()


@pytest.fixture
def told(workers, job):
    """Run a child that sends these messages; return how it ended and what came of its images."""

    def run(*messages, job=job):
        lines = [said if isinstance(said, bytes) else json.dumps(said).encode() for said in messages]
        (job.folder / "messages").write_bytes(b"\n".join(lines))
        came = []
        found = workers.run(job, 60.0, lambda said, png: came.append(said), misbehaviour.send_what_the_folder_says)
        return found, came

    return run


def test_what_a_child_says_of_an_image_is_taken_and_nothing_more_than_that(told):
    found, [said] = told({**GOOD, "generator_id": "somebody/else", "scheduler": "DDIM\x1b[31m\n"}, END)
    assert (found.code, found.used.load_seconds) == (None, 2.0)
    assert set(said) == {"request_id", *FACTS}
    assert said["scheduler"] == "DDIM [31m"


@pytest.mark.parametrize(
    "lie",
    [
        *({"width": value} for value in (0, -64, 1 << 16, True, 64.0, "64", None)),
        *({"height": value} for value in (0, 1 << 70, [64])),
        *({"batch_size": value} for value in (0, 2, True)),
        *({"scheduler": value} for value in ("", "x" * 65, 7, {"a": 1})),
        *({"dtype": value} for value in ("\x00", "x" * 65, ["float32"])),
        *({"library_versions": value} for value in (None, [], "2.9", {"torch": 2}, {"torch": "x" * 129})),
        *({"library_versions": value} for value in ({"x" * 65: "1"}, {str(n): "1" for n in range(33)})),
        *({"nsfw": value} for value in (0, "false", [])),
        *({"peak_memory_mb": value} for value in (float("nan"), float("inf"), -1.0, "12", True, 10**400)),
        *({"sampling_seconds": value} for value in (float("-inf"), [1.0])),
    ],
    ids=str,
)
def test_a_child_that_lies_about_an_image_breaks_the_protocol(told, lie):
    found, came = told({**GOOD, **lie}, END)
    assert (found.code, came) == (Code.CRASH, [])
    assert "broke the protocol" in found.message


@pytest.mark.parametrize(
    "messages",
    [
        (GOOD, GOOD),
        (GOOD, REFUSED),
        (REFUSED, REFUSED),
        (REFUSED, GOOD),
        ({**REFUSED, "request_id": "f" * 64},),
        ({**REFUSED, "request_id": ["f"]},),
        ({**REFUSED, "code": "FINE"},),
        ({**REFUSED, "message": 5},),
        (json.dumps(GOOD).replace("1.5", "1e999").encode(),),
        ({**GOOD, "kind": "loaded", "isolated": "yes"},),
    ],
    ids=lambda messages: str(messages)[:60],
)
def test_a_request_ends_once_and_by_a_message_that_is_one(told, messages):
    found, came = told(*messages, END)
    assert found.code is Code.CRASH
    assert "broke the protocol" in found.message
    assert len(came) + len(found.refused) <= 1


def test_a_deadline_that_passes_within_a_message_is_a_timeout(workers, job):
    found = ending(workers, job, misbehaviour.send_half_a_message_and_hang, deadline_seconds=1.0)
    assert (found.code, found.message) == (Code.TIMEOUT, "not finished after 1 s")


def test_a_gpu_that_fails_is_no_fault_of_the_model(workers, job):
    found = ending(workers, job, misbehaviour.lose_the_gpu)
    assert found.code is Code.CRASH
    assert not found.code.permanent
    assert "illegal memory access" in found.message


def test_a_child_that_does_not_die_keeps_nobody_waiting(workers, job, monkeypatch):
    monkeypatch.setattr("generation.workers._kill", lambda pid: None)
    monkeypatch.setattr("generation.workers.LONGEST_DEATH_SECONDS", 0.5)
    started = time.monotonic()
    late = ending(workers, job, misbehaviour.babble_and_hang, deadline_seconds=30.0)
    assert late.code is Code.CRASH
    assert time.monotonic() - started < 20
    os.kill(int((job.folder / "pid").read_text()), signal.SIGKILL)


def test_a_child_that_outlives_its_deadline_and_its_kill_is_not_listened_to(workers, job, monkeypatch):
    monkeypatch.setattr("generation.workers._kill", lambda pid: None)
    monkeypatch.setattr("generation.workers.LONGEST_DEATH_SECONDS", 0.5)
    found = ending(workers, job, misbehaviour.say_who_and_hang, deadline_seconds=1.0)
    assert found.code is Code.TIMEOUT
    os.kill(int((job.folder / "pid").read_text()), signal.SIGKILL)


@pytest.mark.parametrize("error", [EOFError(), ConnectionRefusedError(111, "Connection refused")], ids=repr)
def test_a_process_that_cannot_be_started_is_a_crash_that_may_pass(workers, job, monkeypatch, error):
    def fail(fds):
        raise error

    monkeypatch.setattr(forkserver._forkserver, "connect_to_new_process", fail)
    monkeypatch.setattr(forkserver, "connect_to_new_process", fail)
    with pytest.raises(GenerationFailure, match="could not be started") as failed:
        ending(workers, job, misbehaviour.hang)
    assert failed.value.code is Code.CRASH
    monkeypatch.undo()
    assert ending(workers, job, misbehaviour.segfault).code is Code.CRASH


def test_people_are_told_once_that_the_kernel_isolates_nothing(workers, job, capsys):
    for _ in range(2):
        assert ending(workers, job, misbehaviour.say_that_nothing_isolates_it).code is None
    assert capsys.readouterr().err.count("no network namespace") == 1


def test_a_child_finds_an_empty_home_and_nothing_of_it_stays(workers, job):
    homes = []
    for _ in range(2):
        found = ending(workers, job, misbehaviour.leave_a_file_at_home)
        assert found.code is None, found.message
        seen = json.loads((job.folder / "seen.json").read_text())
        assert seen["found"] == [0, 0]
        homes.append(Path(seen["home"]))
    assert homes[0] != homes[1]
    assert not any(home.exists() for home in homes)


def test_a_child_is_told_its_gpu_before_cuda_is_asked_for_anything(workers, job, monkeypatch):
    """On a machine without GPUs: torch knows of a fork after CUDA was initialised, and parses the variable."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    monkeypatch.setattr(workers, "device", "cuda")
    assert ending(workers, job, misbehaviour.report_on_cuda).code is None
    seen = json.loads((job.folder / "seen.json").read_text())
    assert (seen["initialised"], seen["asked before the fork"], seen["remembered"]) == (False, False, 0)
    assert seen["visible to torch"] in ([3], [5])


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


def test_a_child_signals_no_other_process(seen):
    refused = "is refused to a model's process"
    assert seen["signal"] == [f"os.kill {refused}", f"os.kill {refused}", f"os.killpg {refused}"]


def test_a_child_reads_no_python_of_the_users(seen):
    assert seen["now"]["PYTHONNOUSERSITE"] == "1"
    assert [entry for entry in seen["first"] if entry.startswith("HOME=")] == ["HOME=/dev/null"]


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


INTERRUPTED = """
import sys
import threading
import time
from multiprocessing import forkserver
from pathlib import Path

from generation.child import Job
from generation.failures import GenerationFailure
from generation.sandbox import Limits
from generation.workers import Workers
from tests.generation.misbehaviour import say_who_and_hang
from tests.generation.test_workers import REQUEST

folder = Path(sys.argv[1])
(folder / "slow_imports.py").write_text("import time; time.sleep(60)")
sys.path.insert(0, str(folder))
forkserver.set_forkserver_preload = lambda names: forkserver._forkserver.set_forkserver_preload(["slow_imports"])


def run():
    try:
        workers.run(Job(folder, (REQUEST,), Limits(60, None)), 600, lambda said, png: None, say_who_and_hang)
    except GenerationFailure as failure:
        print(failure.code)


with Workers("cpu", 1, folder / "home") as workers:
    waiting = threading.Thread(target=run)
    waiting.start()
    while not workers._starting.locked():
        time.sleep(0.05)
    time.sleep(1)
    started = time.monotonic()
    workers.stop()
    waiting.join()
    print(time.monotonic() - started < 10)
"""


def test_a_stop_does_not_wait_for_the_imports_of_the_server(tmp_path):
    script = [sys.executable, "-c", INTERRUPTED, str(tmp_path)]
    assert subprocess.run(script, capture_output=True, text=True, check=False).stdout == "INTERRUPTED\nTrue\n"
