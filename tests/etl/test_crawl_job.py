"""The crawl against a demo Hub: what is landed, what a kill or a refusal costs, what reaches `hub_records`."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from etl.command import run
from etl.demo.hub import DemoHub, Fault
from etl.errors import ConfigError
from etl.jobs.crawl import main
from etl.lake import snapshot
from etl.lake.schemas import HUB_RECORDS, REJECTS
from etl.models.crawl import CrawlStopped, ask_details, walk, wants_detail
from etl.models.hub import HubClient
from etl.models.itinerary import open_crawl
from etl.models.landing import DETAIL, DONE, LOAD, CrawlState, Landing
from etl.models.settings import CrawlSettings
from tests.etl.tiny_hub import write_repository

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
LISTINGS = ["filter=diffusers"]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[DemoHub]:
    """Five models, two a page: three pages."""
    for number in range(5):
        write_repository(tmp_path / "hub", f"lab/model-{number}", createdAt=f"2024-01-0{number + 1}T00:00:00.000Z")
    with DemoHub(tmp_path / "hub") as hub:
        yield hub


@pytest.fixture
def root(tmp_path: Path) -> str:
    return str(tmp_path / "lake")


def settings(root: str, hub: DemoHub, **changes: Any) -> CrawlSettings:
    return CrawlSettings(
        **({"root": root, "endpoint": hub.endpoint, "listings": LISTINGS, "page_size": 2} | changes)
    )


def arguments(root: str, hub: DemoHub) -> list[str]:
    return ["--root", root, "--endpoint", hub.endpoint, "--listings", json.dumps(LISTINGS), "--page_size", "2"]


def crawl(root: str, hub: DemoHub, **changes: Any) -> CrawlState:
    """Walk and ask for details, as the job does before it needs Spark; waits are skipped."""
    config, landing = settings(root, hub, **changes), Landing(root)
    client, state = HubClient(hub.endpoint, sleep=lambda _: None), open_crawl(landing, config, NOW)
    walk(client, landing, state, config.page_size)
    ask_details(client, landing, state, lambda *_: False, config.workers)
    return state


def landed_ids(root: str, state: CrawlState) -> list[str]:
    return [line["record"]["id"] for line in Landing(root).lines(state, state.pages)]


def requested(hub: DemoHub, part: str) -> int:
    return sum(part in path for _, path in hub.requests)


ALL = [f"lab/model-{number}" for number in range(5)]


def test_every_page_and_detail_is_landed_with_a_manifest(root: str, hub: DemoHub) -> None:
    state = crawl(root, hub)
    assert landed_ids(root, state) == ALL
    details = list(Landing(root).lines(state, state.details))
    assert [(line["model_id"], line["outcome"]) for line in details] == [(model_id, "OK") for model_id in ALL]
    assert Landing(root).crawls() == [state]
    assert (state.crawl_id, state.phase, state.records) == ("20261101T120000Z", LOAD, 5)
    assert [page["records"] for page in state.pages] == [2, 2, 1]
    assert [path.name for path in Path(root).rglob("*.tmp")] == []


def test_a_limit_stops_the_walk_and_the_crawl_is_not_complete(root: str, hub: DemoHub) -> None:
    state = crawl(root, hub, limit=3, page_size=2)
    state.phase = DONE
    assert landed_ids(root, state) == ALL[:4]
    assert not state.complete


def test_a_walk_to_the_end_below_the_limit_is_complete(root: str, hub: DemoHub) -> None:
    state = crawl(root, hub, limit=6)
    assert not state.complete  # not loaded yet
    state.phase = DONE
    assert state.complete


def test_an_unfinished_crawl_of_the_same_settings_is_taken_up_and_a_finished_one_is_not(
    root: str, hub: DemoHub
) -> None:
    landing, config = Landing(root), settings(root, hub)
    state = crawl(root, hub)
    assert open_crawl(landing, config, NOW).crawl_id == state.crawl_id
    assert open_crawl(landing, settings(root, hub, limit=9), NOW).crawl_id != state.crawl_id
    assert (
        open_crawl(landing, settings(root, hub, endpoint="https://huggingface.co"), NOW).crawl_id != state.crawl_id
    )
    state.phase = DONE
    landing.save(state)
    assert open_crawl(landing, config, NOW).crawl_id == "20261101T120003Z"


@pytest.mark.parametrize(("point", "pages_asked"), [("crawl:after-page", 3), ("crawl:before-state", 4)])
def test_a_crawl_killed_at_a_page_goes_on_there(
    root: str, hub: DemoHub, tmp_path: Path, point: str, pages_asked: int
) -> None:
    reached = tmp_path / "reached"
    environment = os.environ | {"FORENSICS_FAULT": point, "FORENSICS_FAULT_FILE": str(reached)}
    command = [sys.executable, "-m", "etl.jobs.crawl", *arguments(root, hub)]
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        while not reached.exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        process.kill()
        process.wait()
    state = crawl(root, hub)
    assert landed_ids(root, state) == ALL
    assert requested(hub, "/api/models?") == pages_asked
    assert len(Landing(root).crawls()) == 1


def test_too_many_requests_stop_the_crawl_which_then_goes_on(root: str, hub: DemoHub) -> None:
    hub.faults.add(Fault("cursor=", "status", status=429, retry_after=86400))
    assert main(arguments(root, hub)) == 3
    rejects = snapshot.read(root, REJECTS).to_dicts()
    assert [(row["stage"], row["code"], row["key"][-10:]) for row in rejects] == [
        ("crawl", "HUB_RATE_LIMIT", "page-00001")
    ]
    assert landed_ids(root, crawl(root, hub)) == ALL
    assert requested(hub, "/api/models?") == 4


def test_too_many_requests_among_the_details_stop_the_crawl_which_then_goes_on(root: str, hub: DemoHub) -> None:
    hub.faults.add(Fault("model-3.blobs", "status", times=6, status=429))
    with pytest.raises(CrawlStopped, match="HUB_RATE_LIMIT"):
        crawl(root, hub)
    assert Landing(root).crawls()[0].phase == DETAIL
    assert crawl(root, hub).details_asked == 5
    assert requested(hub, "/api/models?") == 3


def test_details_that_are_landed_are_not_asked_for_again(
    root: str, hub: DemoHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl.models.crawl.BATCH", 2)
    hub.faults.add(Fault("model-4.blobs", "status", status=429, retry_after=86400))
    with pytest.raises(CrawlStopped, match="HUB_RATE_LIMIT"):
        crawl(root, hub)
    assert crawl(root, hub).details_asked == 5
    assert [requested(hub, f"{model_id}?blobs") for model_id in ALL] == [1, 1, 1, 1, 2]


def test_a_hub_that_always_fails_on_one_model_costs_that_model_alone(root: str, hub: DemoHub) -> None:
    hub.faults.add(Fault("model-1.blobs", "status", times=None, status=503))
    state = crawl(root, hub)
    outcomes = {line["model_id"]: line["outcome"] for line in Landing(root).lines(state, state.details)}
    assert [name for name, outcome in outcomes.items() if outcome != "OK"] == ["lab/model-1"]
    assert outcomes["lab/model-1"] == "HUB_ERROR"


def test_a_hub_that_fails_on_every_model_stops_the_crawl(root: str, hub: DemoHub) -> None:
    hub.faults.add(Fault("blobs=true", "status", times=None, status=503))
    with pytest.raises(CrawlStopped, match="HUB_ERROR"):
        crawl(root, hub)


@pytest.mark.parametrize("url", ["https://evil.example/api/models", None], ids=["foreign", "itself"])
def test_a_bad_cursor_ends_the_listing_and_keeps_its_page(root: str, hub: DemoHub, url: str | None) -> None:
    hub.faults.add(Fault("/api/models.cursor=|&cursor=", "next", url=url))
    state = crawl(root, hub)
    assert landed_ids(root, state) == ALL[:4]
    assert [problem["code"] for problem in state.problems] == ["BAD_CURSOR"]
    state.phase = DONE
    assert not state.complete


def test_a_loop_over_two_pages_is_seen(root: str, hub: DemoHub) -> None:
    first = HubClient(hub.endpoint).first(LISTINGS[0], 2)
    hub.faults.add(Fault("&cursor=", "next", url=hub.endpoint + first))
    state = crawl(root, hub)
    assert len(state.pages) == 2
    assert "walked already" in state.problems[0]["detail"]


def test_a_hub_that_is_not_there_ends_with_one_sentence(
    root: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl.models.hub.TRIES", 1)
    assert run(main, ["--root", root, "--endpoint", "http://127.0.0.1:9"]) == 4
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: the Hub at http://127.0.0.1:9 cannot be reached")
    assert "run the same command again" in error
    assert "Traceback" not in error


def test_an_address_that_is_no_hub_ends_with_one_sentence(
    root: str, hub: DemoHub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(main, ["--root", root, "--endpoint", f"{hub.endpoint}/nowhere"]) == 4
    assert "refuses to list its models (GONE" in capsys.readouterr().err


def test_all_wrong_settings_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        main(
            [
                "--root",
                "s3a://lake",
                "--endpoint",
                "ftp://x",
                "--page_size",
                "0",
                "--limit",
                "-1",
                "--workers",
                "9",
            ]
        )
    assert [problem.split()[0] for problem in caught.value.problems] == [
        *("endpoint", "page_size", "limit", "workers")
    ]


def test_details_are_asked_for_what_may_be_a_pipeline_and_is_open() -> None:
    good = {"id": "lab/a", "tags": ["diffusers"]}
    assert wants_detail(good)
    assert wants_detail({"id": "lab/a", "siblings": [{"rfilename": "model_index.json"}]})
    assert wants_detail({"id": "lab/a", "library_name": "diffusers"})
    closed: list[dict[str, Any]] = [{"gated": "auto"}, {"disabled": True}, {"private": True}, {"id": "lab/../a"}]
    assert not any(wants_detail(good | change) for change in closed)
    strange: list[Any] = [None, "text", [], {}, {"id": 5}, {"id": "lab/a"}, {"id": "lab/a", "tags": "diffusers"}]
    assert not any(wants_detail(record) for record in strange)


def test_the_job_loads_every_record_once_and_names_what_failed(
    root: str, hub: DemoHub, tmp_path: Path, spark: SparkSession, capsys: pytest.CaptureFixture[str]
) -> None:
    write_repository(tmp_path / "hub", "lab/old-name", index=None, files={}, moved_to="lab/model-0", listed=True)
    write_repository(tmp_path / "hub", "lab/nameless", id=None)
    hub.faults.add(Fault("model-2.blobs", "status", status=404, times=1))
    command = [*arguments(root, hub), "--listings", '["filter=diffusers", "pipeline_tag=text-to-image"]']
    assert main(command) == 3
    # The second listing shows the models and the nameless one again; the renamed one has no pipeline there.
    told = capsys.readouterr().out
    rows = {row["model_id"]: row for row in snapshot.read(root, HUB_RECORDS).to_dicts()}
    assert sorted(rows) == [*ALL, "lab/old-name"]
    assert json.loads(rows["lab/model-1"]["detail"])["model_index"].startswith('{"_class_name"')
    assert json.loads(rows["lab/model-1"]["record"])["id"] == "lab/model-1"
    assert json.loads(rows["lab/old-name"]["detail"])["outcome"] == "RENAMED"
    rejects = {(row["code"], row["key"]) for row in snapshot.read(root, REJECTS).to_dicts()}
    assert {(code, key) for code, key in rejects if code != "BAD_RECORD"} == {
        ("GONE", "lab/model-2"),
        ("RENAMED", "lab/old-name"),
    }
    assert "6 new + 2 rejected" in told
    assert [code for code, _ in rejects].count("BAD_RECORD") == 2
    state = Landing(root).crawls()[0]
    assert (state.phase, state.complete) == (DONE, True)
    # Killed after the load and before the state was saved: the same command adds nothing.
    version = snapshot.current_version(root, HUB_RECORDS)
    state.phase = LOAD
    Landing(root).save(state)
    assert main(command) == 3
    assert snapshot.current_version(root, HUB_RECORDS) == version
    assert "0 new + 2 rejected" in capsys.readouterr().out
