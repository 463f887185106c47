"""One crawl of 5,000 models in which the Hub fails in every way it can and its records are as bad as may be."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl.demo.hub import DemoHub, Fault
from etl.jobs.catalogue import main as catalogue
from etl.jobs.crawl import visit
from etl.lake import snapshot
from etl.lake.schemas import HUB_RECORDS, MODELS, REJECTS
from etl.lake.store import Lake
from etl.models.hub import HubClient
from etl.models.itinerary import open_crawl
from etl.models.landing import DONE, CrawlState, Landing
from etl.models.loading import load
from etl.models.settings import CrawlSettings
from tests.etl.tiny_hub import INDEX, write_repository

COUNT, PAGE = 5000, 1000
NOW, OLDEST = datetime(2026, 11, 1, 12, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)
EVERYTHING = "pipeline_tag=text-to-image"
LISTINGS = [EVERYTHING, "author=looping", "author=foreign"]
PLAIN = "license: mit\npipeline_tag: text-to-image\n"
SAMPLED = PLAIN + "library_name: diffusers\n"

ODD: dict[int, dict[str, Any]] = {
    10: {"cardData": {"license": "mit", "text": "x" * 5_000_000}},
    20: {name: None for name in ("author", "likes", "tags", "siblings", "cardData", "config", "library_name")},
    30: {"downloads": "many", "likes": {"a": [1]}, "tags": "diffusers", "siblings": 5, "lastModified": True},
    40: {"tags": ["nul\x00nul", "\u202ertl", "<script>alert(1)</script>", "half \ud800 pair"]},
    50: {"id": "lab/../escape"},
    60: {"id": None},
    70: {"sha": "main"},
    80: {"id": "lab/twice"},
    4080: {"id": "lab/twice"},
    90: {"siblings": [{"rfilename": "../../escape"}]},
    100: {"id": "lab/<script>alert(1)</script>"},
}
"""What the records at these places say; record 4080 is on another page than record 80."""
GONE, SHUT, EARLY = 200, 300, 4500
"""Models that are deleted and gated once the first page is landed, the last before its own page is."""
DETAILED = (GONE, SHUT, 400)


def name(place: int) -> str:
    return f"lab/m{place:04d}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Hub's repositories, and one author each for the listings that end in a bad cursor."""
    folder = tmp_path_factory.mktemp("hub")
    for place in range(COUNT):
        created = (OLDEST + timedelta(minutes=place)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        card, index = (SAMPLED, INDEX) if place in DETAILED else (PLAIN, None)
        said = {"createdAt": created, "verbatim": ODD.get(place, {})}
        write_repository(folder, name(place), index=index, files={}, card=card, **said)
    for author in ("looping", "foreign"):
        write_repository(folder, f"{author}/model", index=None, files={}, card="license: mit\n")
    return folder


@pytest.fixture(scope="module")
def hub(folder: Path) -> Iterator[DemoHub]:
    with DemoHub(folder, page_limit=PAGE) as hub:
        for fault in (
            Fault("author=looping", "next"),
            Fault("author=foreign", "next", url="https://evil.example/api/models?cursor=1"),
            Fault(r"/api/models\?.*cursor=", "status", status=429),
            Fault(r"/api/models\?.*cursor=", "status", status=429, retry_after=7),
            Fault(r"/api/models\?.*cursor=", "status", status=429, headers={"Retry-After": "9"}),
            Fault(r"/api/models\?", "status", status=503),
            Fault(r"/api/models\?", "drop", after_bytes=5000),
            Fault(r"/api/models\?", "html"),
            Fault(r"/api/models\?", "corrupt"),
        ):
            hub.faults.add(fault)
        yield hub


@pytest.fixture(scope="module")
def waits() -> list[float]:
    """The seconds that the crawl would have waited, in order."""
    return []


@pytest.fixture(scope="module")
def crawled(folder: Path, hub: DemoHub, waits: list[float], spark: Any, tmp_path_factory: Any) -> Lake:
    """A lake after crawl and catalogue; nobody intervenes."""
    lake = Lake(str(tmp_path_factory.mktemp("lake")), spark)
    settings = CrawlSettings(root=lake.root, endpoint=hub.endpoint, listings=LISTINGS, page_size=PAGE)
    landing = Landing(lake.root)
    state = open_crawl(landing, settings, NOW)

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if state.pages and (folder / name(GONE)).exists():
            shutil.rmtree(folder / name(GONE))
            shutil.rmtree(folder / name(EARLY))
            marks = folder / name(SHUT) / ".hub.json"
            marks.write_text(json.dumps(json.loads(marks.read_text()) | {"gated": "manual"}))

    visit(HubClient(hub.endpoint, sleep=wait), landing, state, settings)
    load(lake, landing, state)
    assert catalogue(["--root", lake.root]) == 3
    return lake


def state_of(lake: Lake) -> CrawlState:
    return Landing(lake.root).crawls()[0]


def test_the_crawl_ends_by_itself_and_waits_as_long_as_it_was_asked(crawled: Lake, waits: list[float]) -> None:
    assert state_of(crawled).phase == DONE
    assert {8.0, 10.0} <= set(waits)
    assert len(waits) == 7  # once for every fault but the two of the links


def test_every_page_and_every_record_is_accounted_for(crawled: Lake) -> None:
    state = state_of(crawled)
    assert [page["records"] for page in state.pages] == [1000, 1000, 1000, 1000, 999, 1, 1]
    loaded = snapshot.read(crawled.root, HUB_RECORDS)
    codes = Counter(snapshot.read(crawled.root, REJECTS)["code"])
    without_id = 1
    assert len(loaded) + without_id + codes["DUPLICATE"] == state.records
    models = snapshot.read(crawled.root, MODELS)
    assert len(models) + codes["UNSAFE_NAME"] + codes["BAD_RECORD"] - without_id == len(loaded)


def test_rejects_name_each_fault_and_nothing_else(crawled: Lake) -> None:
    rejects = snapshot.read(crawled.root, REJECTS)
    found = {(row["stage"], row["code"], row["key"]) for row in rejects.to_dicts()}
    crawl_id = state_of(crawled).crawl_id
    assert found == {
        ("crawl", "BAD_CURSOR", f"{crawl_id}/page-00005"),
        ("crawl", "BAD_CURSOR", f"{crawl_id}/page-00006"),
        ("crawl", "BAD_RECORD", f"{crawl_id}/page-00000/60"),
        ("crawl", "DUPLICATE", f"{crawl_id}/page-00004/80"),
        ("crawl", "GONE", name(GONE)),
        ("crawl", "GATED", name(SHUT)),
        ("catalogue", "BAD_FIELD", name(30)),
        ("catalogue", "UNSAFE_NAME", "lab/../escape"),
        ("catalogue", "UNSAFE_NAME", "lab/<script>alert(1)</script>"),
        ("catalogue", "UNSAFE_NAME", name(90)),
        ("catalogue", "BAD_RECORD", name(70)),
    }
    assert len(rejects) == len(found)


def test_what_is_odd_and_sound_is_a_model_with_all_that_it_said(crawled: Lake) -> None:
    rows = {row["model_id"]: row for row in snapshot.read(crawled.root, MODELS).to_dicts()}
    assert rows[name(10)]["licence"] == "mit"
    records = {row["model_id"]: row["record"] for row in snapshot.read(crawled.root, HUB_RECORDS).to_dicts()}
    assert len(records[name(10)]) > 5_000_000
    assert rows[name(20)]["likes"] is None
    assert (rows[name(30)]["downloads"], rows[name(30)]["tags"]) == (None, None)
    assert rows[name(40)]["tags"][:3] == ["nul\x00nul", "\u202ertl", "<script>alert(1)</script>"]
    assert rows["lab/twice"]["created_at"] is not None
    assert rows[name(SHUT)]["gated"] == "manual"
    assert name(EARLY) not in rows
