"""Downloads from a real server, with the faults that servers commit."""

import threading
import time
from dataclasses import replace

import httpx2
import pytest
from huggingface_hub.utils import get_session

from etl.demo.hub import DemoHub, Fault, Faults
from generation.download import LONGEST_WAIT_SECONDS, TRIES, _asked_wait, fetch
from generation.failures import Code, GenerationFailure
from generation.repository import RepoFile, Repository

WEIGHTS = "unet/model.safetensors"


@pytest.fixture
def served(tmp_path):
    """A Hub with one small repository, its record, and the rules of its faults."""
    folder = tmp_path / "hub" / "lab" / "model"
    (folder / "unet").mkdir(parents=True)
    (folder / "model_index.json").write_text("{}")
    (folder / WEIGHTS).write_bytes(bytes(range(256)) * 64)
    faults = Faults()
    with DemoHub(tmp_path / "hub", faults=faults) as hub:
        snapshot = hub.store.get("lab/model").main
        files = tuple(RepoFile(path, file.size, file.sha256) for path, file in snapshot.files.items())
        yield hub, Repository("lab/model", snapshot.sha, files, "{}"), faults


@pytest.fixture
def download(served, tmp_path):
    """Download the repository; return the waits between tries."""
    hub, repository, _ = served

    def run(wanted=None, deadline_seconds: float = 60.0) -> list[float]:
        waits: list[float] = []
        wanted = wanted or repository
        fetch(wanted, wanted.files, tmp_path / "to", hub.endpoint, deadline_seconds, waits.append)
        return waits

    return run


def failure(download, *arguments) -> GenerationFailure:
    with pytest.raises(GenerationFailure) as failed:
        download(*arguments)
    return failed.value


def test_the_planned_files_arrive_whole(served, download, tmp_path):
    hub, repository, _ = served
    assert download() == []
    assert (tmp_path / "to" / WEIGHTS).read_bytes() == bytes(range(256)) * 64
    assert {path.name for path in (tmp_path / "to").iterdir()} == {"model_index.json", "unet"}
    assert all(repository.revision in path for _, path in hub.requests)


def test_no_token_is_sent(served, download, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    sent = []
    monkeypatch.setattr("generation.download.get_session", lambda: _Spy(get_session(), sent))
    download()
    assert sent
    assert not [headers for headers in sent if "authorization" in {name.lower() for name in headers}]


class _Spy:
    def __init__(self, session, sent):
        self._session, self._sent = session, sent

    def stream(self, *arguments, headers, **options):
        self._sent.append(headers)
        return self._session.stream(*arguments, headers=headers, **options)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(WEIGHTS, "status", times=2, status=503),
        Fault(WEIGHTS, "status", times=2, status=429),
        Fault(WEIGHTS, "drop", times=2, after_bytes=1000),
        Fault(WEIGHTS, "corrupt", times=2),
        Fault(WEIGHTS, "html", times=2),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}",
)
def test_a_fault_that_passes_costs_tries_and_nothing_else(served, download, tmp_path, fault):
    served[2].add(fault)
    assert len(download()) == 2
    assert (tmp_path / "to" / WEIGHTS).read_bytes() == bytes(range(256)) * 64


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault(WEIGHTS, "status", times=None, status=500), Code.HUB_ERROR),
        (Fault(WEIGHTS, "drop", times=None, after_bytes=1000), Code.HUB_ERROR),
        (Fault(WEIGHTS, "corrupt", times=None), Code.BAD_DOWNLOAD),
        (Fault(WEIGHTS, "html", times=None), Code.BAD_DOWNLOAD),
    ],
    ids=lambda value: getattr(value, "kind", value),
)
def test_a_fault_that_stays_has_a_code_that_allows_another_try(served, download, fault, code):
    served[2].add(fault)
    found = failure(download)
    assert found.code is code
    assert not code.permanent
    assert len([path for _, path in served[0].requests if WEIGHTS in path]) == TRIES


def test_a_server_cannot_make_us_wait_longer_than_our_limit(served, download):
    served[2].add(Fault(WEIGHTS, "status", times=1, status=429, retry_after=86400))
    assert download(None, 10**6) == [LONGEST_WAIT_SECONDS]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 8.0),
        ({"Retry-After": "9" * 400}, LONGEST_WAIT_SECONDS),
        ({"Retry-After": "²"}, 0.0),
        ({"Retry-After": "-5"}, 0.0),
        ({"Retry-After": "nan"}, 0.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0.0),
        ({"ratelimit": '"api";r=0;t=5'}, 6.0),
        ({"ratelimit": '"api";r=3;t=5'}, 0.0),
        ({"ratelimit": f'"api";r=0;t={"9" * 400}'}, 0.0),
        ({"ratelimit": f'"api";r=0;t={"9" * 5000}'}, 0.0),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wait_that_is_asked_for_is_a_number_of_seconds_or_nothing(headers, seconds):
    sent = [(name, value.encode("utf-8")) for name, value in headers.items()]
    assert _asked_wait(httpx2.Response(429, headers=sent)) == seconds


def test_a_stop_ends_a_wait_between_two_tries(served, tmp_path):
    hub, repository, faults = served
    faults.add(Fault(WEIGHTS, "status", times=None, status=429, retry_after=50))
    stop, started = threading.Event(), time.monotonic()
    threading.Timer(0.5, stop.set).start()
    with pytest.raises(GenerationFailure) as stopped:
        fetch(repository, repository.files, tmp_path / "to", hub.endpoint, stop=stop)
    assert stopped.value.code is Code.INTERRUPTED
    assert time.monotonic() - started < 20


def test_a_stop_ends_a_download_at_its_next_bytes(served, tmp_path, monkeypatch):
    hub, repository, _ = served
    stop = threading.Event()
    monkeypatch.setattr("generation.download.hf_raise_for_status", lambda response: stop.set())
    weights = [file for file in repository.files if file.path == WEIGHTS]
    with pytest.raises(GenerationFailure) as stopped:
        fetch(repository, weights, tmp_path / "to", hub.endpoint, stop=stop)
    assert stopped.value.code is Code.INTERRUPTED
    assert len(hub.requests) == 1


def test_the_deadline_ends_the_tries(served, download):
    served[2].add(Fault(WEIGHTS, "status", times=None, status=429, retry_after=86400))
    assert failure(download).code is Code.HUB_ERROR
    assert len([path for _, path in served[0].requests if WEIGHTS in path]) == 1


def test_a_file_that_is_larger_than_listed_is_not_read_to_its_end(served, download):
    _, repository, _ = served
    shrunk = replace(repository, files=tuple(replace(file, size=1) for file in repository.files))
    assert "longer than the listed" in failure(download, shrunk).message


@pytest.mark.parametrize(
    ("setting", "code"),
    [('{"gated": "manual"}', Code.GATED), ('{"disabled": true}', Code.DISABLED), ('{"private": true}', Code.GONE)],
)
def test_a_closed_repository_is_told_apart_and_not_asked_again(served, download, tmp_path, setting, code):
    hub, _, _ = served
    (tmp_path / "hub" / "lab" / "model" / ".hub.json").write_text(setting)
    found = failure(download)
    assert found.code is code
    assert code.permanent
    assert len(hub.requests) == 1


def test_a_hub_that_cannot_be_reached_is_a_hub_error(served, download):
    served[0].stop()
    assert failure(download).code is Code.HUB_ERROR


def test_a_download_beyond_half_of_the_disk_is_refused(served, download):
    _, repository, _ = served
    huge = replace(repository, files=(RepoFile("model_index.json", 10**18),))
    assert failure(download, huge).code is Code.NO_SPACE
