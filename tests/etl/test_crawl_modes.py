"""Incremental and bulk crawls, what a crawl costs, and records that their walk shows twice."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etl.demo.hub import DemoHub
from etl.errors import ConfigError, NothingUsable
from etl.models.bulk import land_table, rows
from etl.models.crawl import ask_details, end_network, walk
from etl.models.hub import HubClient
from etl.models.itinerary import Cost, expected_cost, open_crawl, told
from etl.models.landing import DONE, CrawlState, Landing, Walk
from etl.models.settings import CrawlSettings
from tests.etl.tiny_hub import write_repository

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
LISTINGS = ["filter=diffusers"]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[DemoHub]:
    """Eight models, created and changed a day each, in January 2024."""
    for number in range(8):
        day = f"2024-01-0{number + 1}T00:00:00.000Z"
        write_repository(tmp_path / "hub", f"lab/model-{number}", createdAt=day, lastModified=day)
    with DemoHub(tmp_path / "hub") as hub:
        yield hub


@pytest.fixture
def root(tmp_path: Path) -> str:
    return str(tmp_path / "lake")


def crawl(root: str, hub: DemoHub, mode: str = "sweep", **changes: Any) -> CrawlState:
    """One whole crawl but for the load into tables."""
    settings = CrawlSettings(
        **({"root": root, "endpoint": hub.endpoint, "listings": LISTINGS, "page_size": 2, "mode": mode} | changes)
    )
    landing, client = Landing(root), HubClient(hub.endpoint, sleep=lambda _: None)
    state = open_crawl(landing, settings, NOW)
    walk(client, landing, state, settings.page_size)
    end_network(landing, state)
    state.phase = DONE
    landing.save(state)
    return state


def landed(root: str, state: CrawlState) -> list[str]:
    lines = Landing(root).lines(state, state.pages)
    return [line["record"]["id"].removeprefix("lab/") for line in lines if not line["again"]]


def test_an_incremental_crawl_shows_what_is_new_or_changed_and_little_else(root: str, hub: DemoHub) -> None:
    folder = hub.store.root
    crawl(root, hub)
    changed = {"createdAt": "2024-01-01T00:00:00.000Z", "lastModified": "2024-02-01T00:00:00.000Z"}
    write_repository(folder, "lab/model-0", card="license: mit\nlibrary_name: diffusers\nx: 1\n", **changed)
    later = "2024-03-01T00:00:00.000Z"
    write_repository(folder, "lab/model-8", createdAt=later, lastModified=later)
    hub.requests.clear()
    state = crawl(root, hub, "incremental")
    found = landed(root, state)
    assert {"model-0", "model-8"} <= set(found)
    assert {"model-1", "model-2", "model-3"} & set(found) == set()
    assert len([path for _, path in hub.requests if path.startswith("/api/models?")]) == len(state.pages) == 5
    assert not state.complete
    assert state.newest_change == "2024-03-01T00:00:00+00:00"


def test_an_incremental_crawl_goes_on_from_an_incremental_one(root: str, hub: DemoHub) -> None:
    folder = hub.store.root
    crawl(root, hub)
    crawl(root, hub, "incremental")
    later = "2024-03-01T00:00:00.000Z"
    write_repository(folder, "lab/model-8", createdAt=later, lastModified=later)
    assert "model-8" in landed(root, crawl(root, hub, "incremental"))


def test_an_incremental_crawl_needs_a_whole_one_before_it(root: str, hub: DemoHub) -> None:
    with pytest.raises(NothingUsable, match="--mode sweep"):
        crawl(root, hub, "incremental")
    crawl(root, hub, limit=2)
    with pytest.raises(NothingUsable, match="--mode sweep"):
        crawl(root, hub, "incremental")


def test_a_record_that_its_walk_shows_twice_is_marked_and_one_of_another_listing_is_not(tmp_path: Path) -> None:
    landing = Landing(str(tmp_path))
    state = CrawlState("20260101T000000Z", "hub", ["a=b", "c=d"], 0, walks=[Walk("a=b"), Walk("c=d")])
    seen: dict[str, int] = {}
    landing.land_page(state, "/1", [{"id": "x"}, {"id": "x"}, {"id": 5}, None], seen)
    state.walk = 1
    landing.land_page(state, "/2", [{"id": "x"}], seen)
    lines = list(landing.lines(state, state.pages))
    marks = [(line["model_id"], line["again"], line["twice"]) for line in lines]
    nameless = (None, False, False)
    assert marks == [("x", False, False), ("x", True, True), nameless, nameless, ("x", True, False)]
    assert landing.ids(state) == seen == {"x": 1}


def table(path: Path, **columns: list[Any]) -> Path:
    count = len(next(iter(columns.values())))
    pq.write_table(pa.table({"sha": ["a" * 40] * count, "tags": [["diffusers"]] * count} | columns), path)
    return path


def test_a_bulk_crawl_lands_the_rows_that_the_listings_show(root: str, tmp_path: Path) -> None:
    file = table(
        tmp_path / "models.parquet",
        id=["lab/a", "lab/b", "lab/c"],
        tags=[["diffusers"], ["other"], ["diffusers", "x"]],
        createdAt=[datetime(2024, 1, 1), None, datetime(2024, 1, 2)],
        lastModified=[datetime(2024, 5, 1), None, datetime(2024, 1, 2)],
        cardData=['{"license": "mit"}', None, "not json"],
        unknown=[1, 2, 3],
    )
    settings = CrawlSettings(root=root, listings=LISTINGS, mode="bulk", table=str(file))
    landing = Landing(root)
    state = open_crawl(landing, settings, NOW)
    land_table(landing, state, settings)
    lines = list(landing.lines(state, state.pages))
    assert [line["record"] for line in lines] == [
        {
            "id": "lab/a",
            "sha": "a" * 40,
            "tags": ["diffusers"],
            "createdAt": "2024-01-01T00:00:00Z",
            "lastModified": "2024-05-01T00:00:00Z",
            "cardData": {"license": "mit"},
        },
        {
            "id": "lab/c",
            "sha": "a" * 40,
            "tags": ["diffusers", "x"],
            "createdAt": "2024-01-02T00:00:00Z",
            "lastModified": "2024-01-02T00:00:00Z",
            "cardData": "not json",
        },
    ]
    assert (state.newest_change, state.complete) == ("2024-05-01T00:00:00+00:00", False)
    # Again after a kill between page and phase: nothing is landed twice.
    state.phase = "walk"
    land_table(landing, state, settings)
    assert len(state.pages) == 1


def test_a_file_that_is_no_table_of_models_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "models.parquet"
    text.write_text("no Parquet")
    with pytest.raises(ConfigError, match="cannot be read as Parquet"):
        list(rows(text))
    pq.write_table(pa.table({"id": ["lab/a"]}), text)
    with pytest.raises(ConfigError, match="lacks sha, tags"):
        list(rows(text))


def test_the_cost_is_told_before_the_first_request(root: str, hub: DemoHub) -> None:
    settings = CrawlSettings(root=root)
    state = open_crawl(Landing(root), settings, NOW)
    cost = expected_cost(state, [], settings, has_token=False)
    assert cost == Cost(pages=111 + 105, details=111_000, quota=500)
    line = told(state, cost, has_token=False)
    assert "about 216 pages and details of up to 111,000 models" in line and "18.5 hours" in line
    limited = CrawlSettings(root=root, limit=500)
    few = expected_cost(open_crawl(Landing(root), limited, NOW), [], limited, has_token=True)
    assert few == Cost(pages=2, details=500, quota=1000)


def test_a_crawl_like_one_before_is_expected_to_cost_the_same(root: str, hub: DemoHub) -> None:
    before = crawl(root, hub)
    settings = CrawlSettings(root=root, endpoint=hub.endpoint, listings=LISTINGS, page_size=2)
    state = open_crawl(Landing(root), settings, NOW)
    cost = expected_cost(state, [before], settings, has_token=True)
    assert cost is not None and (cost.pages, cost.details) == (4, 0)


def test_without_details_no_model_is_asked_for_and_the_next_crawl_does(root: str, hub: DemoHub) -> None:
    crawl(root, hub)
    assert not any("blobs=true" in path for _, path in hub.requests)
    settings = CrawlSettings(root=root, endpoint=hub.endpoint, listings=LISTINGS)
    landing, client = Landing(root), HubClient(hub.endpoint)
    state = open_crawl(landing, settings, NOW)
    walk(client, landing, state, settings.page_size)
    ask_details(client, landing, state, lambda *_: False, 4)
    assert state.details_asked == 8
    details = list(landing.lines(state, state.details))
    assert json.loads(details[0]["detail"]["model_index"])["_class_name"] == "StableDiffusionPipeline"


def test_the_scheduler_s_configuration_comes_with_the_details(tmp_path: Path) -> None:
    scheduler = '{"_class_name": "DDIMScheduler"}'
    write_repository(tmp_path, "lab/a", files={"scheduler/scheduler_config.json": scheduler})
    with DemoHub(tmp_path) as hub:
        assert HubClient(hub.endpoint).detail("lab/a").scheduler == scheduler
