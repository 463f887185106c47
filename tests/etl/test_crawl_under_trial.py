"""What a crawl must bear: damaged landings, values of any type, models on which the Hub fails, an interrupt."""

import gzip
import itertools
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etl.demo.hub import DemoHub, Fault
from etl.errors import ConfigError, TableDamaged
from etl.models.bulk import land_table
from etl.models.crawl import CrawlStopped, ask_details, walk, wants_detail
from etl.models.hub import CallFailed, HubClient
from etl.models.itinerary import open_crawl
from etl.models.landing import DETAIL, LOAD, CrawlState, Landing, changed_at, identity
from etl.models.settings import CrawlSettings, Policy
from tests.etl.tiny_hub import write_repository

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
COUNT = 8


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[DemoHub]:
    for number in range(COUNT):
        write_repository(tmp_path / "hub", f"lab/m{number}", createdAt=f"2024-01-0{number + 1}T00:00:00.000Z")
    with DemoHub(tmp_path / "hub") as hub:
        yield hub


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    return Landing(str(tmp_path / "lake"))


def walked(landing: Landing, hub: DemoHub) -> tuple[HubClient, CrawlState]:
    settings = CrawlSettings(
        str(Path(landing.address("")).parents[1]), hub.endpoint, listings=["filter=diffusers"]
    )
    client, state = HubClient(hub.endpoint, sleep=lambda _: None), open_crawl(landing, settings, NOW)
    walk(client, landing, state, 4)
    return client, state


def details_of(landing: Landing, hub: DemoHub) -> CrawlState:
    client, state = walked(landing, hub)
    ask_details(client, landing, state, lambda *_: False, 2)
    return state


@pytest.mark.parametrize("damage", ["empty", "cut", "exchanged", "gone"])
def test_a_landed_page_that_is_not_as_it_was_written_stops_the_crawl(
    landing: Landing, hub: DemoHub, damage: str
) -> None:
    state = walked(landing, hub)[1]
    page = Path(landing.address("")) / state.crawl_id / state.pages[0]["file"]
    content = page.read_bytes()
    match damage:
        case "empty":
            page.write_bytes(b"")
        case "cut":
            page.write_bytes(content[:100])
        case "exchanged":
            page.write_bytes(gzip.compress(b"{}\n"))
        case "gone":
            page.unlink()
    with pytest.raises(TableDamaged, match=r"page-00000.jsonl.gz is not as it was written .* crawl again"):
        details_of(landing, hub)
    with pytest.raises(TableDamaged, match="is not as it was written"):
        landing.files(state, state.pages)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"pages": "abc"}, {"pages": [{"file": 1}]}, {"details": ["detail-00000.jsonl.gz"]}, {"walks": 5}),
        *({"walk": 7}, {"walk": -1}, {"phase": "nonsense"}, {"crawl_id": "20200101T000000Z"}, {"unknown": 1}),
    ],
)
def test_a_state_that_is_none_is_named(landing: Landing, hub: DemoHub, wrong: dict[str, Any]) -> None:
    file = Path(landing.address("")) / details_of(landing, hub).crawl_id / "state.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | wrong))
    with pytest.raises(TableDamaged, match="is not the state of a crawl"):
        landing.crawls()


VALUES = [None, True, -1, 1e300, "", "text", [], ["x"], [None], {}, {"a": [1]}, [[{}]], [{"rfilename": ["x"]}]]
DATES = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2024-13-01", "2024-01-01", "١"]


def test_no_value_of_any_type_in_any_field_ends_a_crawl(landing: Landing) -> None:
    good = {"id": "lab/a", "sha": "a" * 40, "tags": ["diffusers"], "siblings": [{"rfilename": "model_index.json"}]}
    fields = [*good, "gated", "disabled", "private", "library_name", "lastModified", "createdAt"]
    records = [good | {name: value} for name, value in itertools.product(fields, VALUES)]
    records += [good | {"lastModified": date} for date in DATES]
    for record in [*records, *VALUES]:
        wants_detail(record)
        changed_at(record)
        identity(record)
    state = CrawlState(landing.name(NOW), "127.0.0.1", ["filter=diffusers"], 0)
    landing.land_page(state, "/api/models", [*records, *VALUES], {})
    known = {("lab/a", "b" * 40)}
    state.phase = DETAIL
    asked: list[str] = []

    class Client(HubClient):
        def detail(self, model_id: str) -> Any:
            asked.append(model_id)
            raise CallFailed("GONE", "not here")

    ask_details(Client("http://127.0.0.1:9"), landing, state, lambda *key: key in known, 2)
    assert state.phase == LOAD
    assert set(asked) == {"lab/a", "text"}  # one of the values is an id


def test_one_odd_date_does_not_end_a_walk_by_change(landing: Landing) -> None:
    from etl.models.crawl import _reaches

    recent = [{"lastModified": "2026-10-30T00:00:00Z"}] * 3
    assert not _reaches([*recent, {"lastModified": "1970-01-01T00:00:00Z"}], "2026-10-01T00:00:00+00:00")
    assert _reaches([{"lastModified": "2026-09-01T00:00:00Z"}] * 3, "2026-10-01T00:00:00+00:00")


def test_models_on_which_the_hub_always_fails_stop_one_run_and_not_the_next(
    landing: Landing, hub: DemoHub
) -> None:
    hub.faults.add(Fault(r"m[1-6].blobs", "status", times=None, status=500))
    with pytest.raises(CrawlStopped, match="HUB_ERROR"):
        details_of(landing, hub)
    [state] = landing.crawls()
    assert state.details_asked == 1  # what came before is landed
    state = details_of(landing, hub)
    outcomes = {line["model_id"]: line["outcome"] for line in landing.lines(state, state.details)}
    assert outcomes == {
        f"lab/m{number}": "HUB_ERROR" if number in range(1, 7) else "OK" for number in range(COUNT)
    }
    assert sum(entry["models"] for entry in state.details) == COUNT


def test_a_bulk_crawl_does_not_go_on_with_another_table(landing: Landing, tmp_path: Path) -> None:
    def table(name: str, count: int) -> str:
        ids = [f"{name}/m{number:04d}" for number in range(count)]
        columns = {"id": ids, "sha": ["a" * 40] * count, "tags": [["diffusers"]] * count}
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
        return str(tmp_path / f"{name}.parquet")

    settings = CrawlSettings(
        str(tmp_path / "lake"), mode="bulk", table=table("a", 2500), listings=["filter=diffusers"]
    )
    state = open_crawl(landing, settings, NOW)
    land_table(landing, state, settings)
    state.phase, state.pages = "walk", state.pages[:1]
    landing.save(state)
    with pytest.raises(ConfigError, match="was begun with another table and is not finished"):
        land_table(landing, state, replace(settings, table=table("b", 2500)))
    land_table(landing, state, settings)
    assert state.records == 2500


def test_an_interrupt_ends_a_crawl_that_waits_for_the_hub(hub: DemoHub, tmp_path: Path) -> None:
    hub.faults.add(Fault("blobs=true", "status", times=None, status=429, retry_after=250))
    command = [sys.executable, "-m", "etl.cli", "crawl", "--root", str(tmp_path / "lake")]
    command += ["--endpoint", hub.endpoint, "--listings", '["filter=diffusers"]']
    # Whoever runs the tests in the background hands down that interrupts are ignored.
    heed = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heed)
    lines: list[str] = []
    assert process.stderr is not None
    reader = threading.Thread(target=lines.extend, args=(process.stderr,))
    reader.start()
    deadline = time.monotonic() + 60
    while not any("waiting" in line for line in lines):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) != 0
    reader.join()
    assert not any("Traceback" in line for line in lines)


def test_a_pattern_that_python_and_java_read_otherwise_is_refused() -> None:
    assert Policy(excluded=["someone/.*", r"(?i)lab/[a-z]+-\d{2}"]).problems() == []
    for pattern in ("(?P<n>x)", "(?a)x", r"x\Z", "[[x]]"):
        assert [pattern in problem for problem in Policy(excluded=[pattern]).problems()] == [True], pattern
