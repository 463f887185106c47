"""From crawls to `models` and `generators`: what a new crawl changes, and that an unchanged one does not."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pyspark.sql import functions as F

from etl.command import run
from etl.jobs.catalogue import main, read_policy
from etl.lake import snapshot
from etl.lake.schemas import CRAWLS, GENERATORS, GOLD_CRAWL_HISTORY, GOLD_GROWTH, HUB_RECORDS, MODELS, REJECTS
from etl.lake.store import Lake
from etl.models import history
from etl.models.catalogue import earlier
from etl.models.guard import Shape, findings
from etl.models.landing import DONE, INCREMENTAL, LOAD, CrawlState, Landing, started
from etl.models.records import parse
from etl.models.settings import CatalogueSettings, Policy

INDEX = '{"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}'
LATE = "20261102T120000Z"
FIRST, SECOND, THIRD = "20261101T000000Z", "20261102T000000Z", "20261103T000000Z"


def record(model_id: str, sha: str = "a" * 40, **changes: Any) -> dict[str, Any]:
    siblings = [
        {"rfilename": "model_index.json", "size": 80},
        {"rfilename": "unet/w.safetensors", "size": 9, "lfs": {"sha256": f"{model_id} weights"}},
    ]
    return {
        "_id": model_id,
        "id": model_id,
        "sha": sha,
        "createdAt": "2024-01-01T00:00:00.000Z",
        "tags": ["diffusers", "license:mit"],
        "gated": False,
        "downloads": 1,
        "siblings": siblings,
    } | changes


def land(
    lake: Lake,
    crawl_id: str,
    *records: dict[str, Any],
    detailed: bool = True,
    scope: str = "filter=diffusers",
    **state: Any,
) -> None:
    """Load a crawl as the crawl job does: its records, with details where asked, and its manifest."""
    rows = []
    for place, said in enumerate(records):
        listed = said | {"siblings": [{"rfilename": file["rfilename"]} for file in said["siblings"]]}
        about = json.dumps({"outcome": "OK", "info": said, "model_index": INDEX}) if detailed else None
        seen = started(crawl_id) + timedelta(minutes=1)
        rows.append((crawl_id, said["id"], 0, place, json.dumps(listed), about, seen))
    lake.append(HUB_RECORDS, lake.spark.createDataFrame(rows, HUB_RECORDS.schema))
    Landing(lake.root).save(CrawlState(crawl_id, "127.0.0.1", [scope], 0, phase=DONE, **state))


def rows(lake: Lake, table: Any, key: str) -> dict[str, dict[str, Any]]:
    return {row[key]: row for row in snapshot.read(lake.root, table).to_dicts()}


def current(lake: Lake) -> dict[str, dict[str, Any]]:
    found = [row for row in snapshot.read(lake.root, MODELS).to_dicts() if row["is_current"]]
    assert len(found) == len({row["model_id"] for row in found})
    return {row["model_id"]: row for row in found}


def versions(lake: Lake) -> list[int]:
    return [snapshot.current_version(lake.root, table) for table in (MODELS, GENERATORS)]


@pytest.mark.timeout(600)  # four catalogues one after the other
def test_a_crawl_becomes_models_and_generators_and_the_next_one_changes_what_changed(
    lake: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = record("lab/a"), record("lab/b", tags=["base_model:finetune:lab/a"])
    gated, unsafe = record("lab/gated", gated="auto"), record("lab/../c")
    land(lake, FIRST, a, b, gated, unsafe)
    assert main(["--root", lake.root]) == 3
    told = capsys.readouterr().out
    assert "catalogue: 4 records = 3 new + 1 rejected + 0 already there" in told
    assert "3 models = 2 eligible + 1 GATED" in told
    assert [(r["key"], r["code"]) for r in snapshot.read(lake.root, REJECTS).to_dicts()] == [
        ("lab/../c", "UNSAFE_NAME")
    ]
    assert rows(lake, GENERATORS, "generator_id")["lab/b"]["root_model_id"] == "lab/a"
    before = versions(lake)

    # The same crawl again, and a later one that says the same without details: nothing is committed.
    assert main(["--root", lake.root, "--crawl_id", FIRST]) == 3
    land(lake, SECOND, a, b, gated, detailed=False)
    assert main(["--root", lake.root]) == 0
    assert "3 records = 0 new + 0 rejected + 3 already there" in capsys.readouterr().out
    assert versions(lake) == before

    # One has a new revision, one is gone, one is new.
    land(lake, THIRD, record("lab/a", sha="b" * 40), gated, record("lab/d"))
    assert main(["--root", lake.root]) == 0
    counts = "3 records = 2 new + 0 rejected + 1 already there"
    kinds = "crawl 20261103T000000Z: 1 new, 1 revised, 0 updated, 1 withdrawn"
    assert f"{counts}; {kinds}" in capsys.readouterr().out
    now = current(lake)
    assert (now["lab/a"]["revision"], now["lab/a"]["first_seen"].day) == ("b" * 40, 3)
    assert now["lab/b"]["withdrawn_at"] is not None
    assert now["lab/b"]["first_seen"].day == 1
    assert now["lab/gated"]["withdrawn_at"] is None
    assert len(snapshot.read(lake.root, MODELS)) == 5
    found = rows(lake, GENERATORS, "generator_id")
    assert (found["lab/b"]["eligible"], found["lab/b"]["reason"]) == (False, "WITHDRAWN")
    assert found["lab/a"]["revision"] == "a" * 40  # a new card, the same weights: not a new generator
    crawls = rows(lake, CRAWLS, "crawl_id")
    counts = [tuple(crawls[c][n] for n in ("records", "new", "changed", "gone")) for c in (FIRST, SECOND, THIRD)]
    assert counts == [(4, 3, 0, 0), (3, 0, 0, 0), (3, 1, 1, 1)]
    by_family = snapshot.read(lake.root, GOLD_CRAWL_HISTORY).filter(pl.col("crawl_id") == THIRD)
    assert by_family.select("family", "new", "changed", "gone", "there").rows() == [("SD 1.x", 1, 1, 1, 3)]
    assert snapshot.read(lake.root, GOLD_GROWTH).select("month", "family", "models").rows() == [
        ("2024-01", "SD 1.x", 4)
    ]

    # A crawl from between that comes late: nothing on what was seen since, and it withdraws none.
    land(lake, LATE, record("lab/a", sha="c" * 40), record("lab/late"))
    assert main(["--root", lake.root]) == 0
    assert f"crawl {LATE}: 1 new, 0 revised, 0 updated, 0 withdrawn" in capsys.readouterr().out
    now = current(lake)
    assert now["lab/a"]["revision"] == "b" * 40
    assert now["lab/gated"]["withdrawn_at"] is now["lab/d"]["withdrawn_at"] is None
    assert now["lab/late"]["first_crawl"] == LATE


def test_a_known_revision_keeps_its_details_when_something_else_changed(lake: Lake) -> None:
    land(lake, FIRST, record("lab/a"))
    land(lake, SECOND, record("lab/a", downloads=99), record("lab/b", sha="c" * 40), detailed=False)
    crawls = {
        crawl_id: lake.read(HUB_RECORDS).where(F.col("crawl_id") == crawl_id) for crawl_id in (FIRST, SECOND)
    }
    known = history.first_rows(parse(crawls[FIRST]), started(FIRST), FIRST)
    changed = history.changes(parse(crawls[SECOND]), None, known, started(SECOND), SECOND)
    found = {row["model_id"]: row for row in changed.collect()}
    assert {name: row["change"] for name, row in found.items()} == {"lab/a": "updated", "lab/b": "new"}
    a = found["lab/a"]
    assert (a["downloads"], a["weight_bytes"], a["model_index"]) == (99, 9, INDEX)
    assert (a["first_seen"].day, a["last_seen"].day) == (1, 2)
    assert (found["lab/b"]["weight_bytes"], found["lab/b"]["model_index"]) == (None, None)


def test_only_a_crawl_that_looked_everywhere_can_tell_that_a_model_is_gone(lake: Lake) -> None:
    def missed(**state: Any) -> set[str]:
        """The models that the second crawl would withdraw if it did not show them."""
        scope = state.pop("scope", "filter=diffusers")
        this = CrawlState(SECOND, "127.0.0.1", [scope], **({"limit": 0, "phase": DONE} | state))
        shown = earlier(lake, this)
        return {row["model_id"] for row in shown.collect()} if shown is not None else set()

    renamed = json.dumps({"outcome": "RENAMED", "info": record("lab/own-name")})
    land(lake, FIRST, record("lab/a"), record("lab/b"))
    row = (FIRST, "lab/former", 1, 0, json.dumps(record("lab/former")), renamed, started(FIRST))
    lake.append(HUB_RECORDS, lake.spark.createDataFrame([row], HUB_RECORDS.schema))
    assert missed() == set()  # not taken up yet
    taken = {"crawl_id": FIRST, "hub": "127.0.0.1", "listings": ["filter=diffusers"], "status": "taken"}
    snapshot.append(lake.root, CRAWLS, [taken])
    assert missed() == {"lab/a", "lab/b", "lab/former", "lab/own-name"}
    assert missed(problems=[{"key": "page-0", "code": "BAD_CURSOR", "detail": ""}]) == set()
    assert missed(phase=LOAD) == set()
    assert missed(mode=INCREMENTAL) == set()
    assert missed(limit=2, pages=[{"records": 2, "walk": 0}]) == set()
    assert missed(scope="author=someone") == set()


def test_the_size_of_an_incremental_crawl_is_no_measure_of_the_next_one() -> None:
    last = {"crawl_id": FIRST, "records": 1000, "missing": "{}", "mode": "sweep"}
    now = Shape(records=600, rejected=0, maimed=0, missing={})
    assert len(findings(now, last, CatalogueSettings())) == 1
    assert findings(now, last | {"mode": INCREMENTAL}, CatalogueSettings()) == []


def many(count: int, **changes: Any) -> list[dict[str, Any]]:
    return [record(f"lab/m{number:03d}", **changes) for number in range(count)]


def test_a_crawl_unlike_the_last_one_is_refused_and_the_tables_stay_until_a_person_accepts_it(
    lake: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    land(lake, FIRST, *many(60))
    assert main(["--root", lake.root]) == 0
    before = versions(lake)
    # Two of sixty have lost their licence.
    bare = [record(f"lab/m{number:03d}", tags=["diffusers"]) for number in range(2)]
    land(lake, SECOND, *bare, *many(60)[2:])
    assert run(main, ["--root", lake.root]) == 4
    error = capsys.readouterr().err
    assert "licence is missing in 3.3% of the records, 3.3 points more than in 20261101T000000Z" in error
    assert "--accept true" in error
    # Ten of sixty are not there.
    land(lake, THIRD, *many(50))
    assert run(main, ["--root", lake.root]) == 4
    assert "50 records, 16.7% fewer than the 60 of 20261101T000000Z" in capsys.readouterr().err
    assert versions(lake) == before
    crawls = rows(lake, CRAWLS, "crawl_id")
    assert {crawls[crawl]["status"] for crawl in (SECOND, THIRD)} == {"refused"}
    refused = {(r["key"], r["code"]) for r in snapshot.read(lake.root, REJECTS).to_dicts()}
    assert refused == {(SECOND, "CRAWL_REFUSED"), (THIRD, "CRAWL_REFUSED")}
    # A person has looked.
    assert main(["--root", lake.root, "--crawl_id", SECOND, "--accept"]) == 0
    row = rows(lake, CRAWLS, "crawl_id")[SECOND]
    assert (row["status"], row["changed"], len(row["findings"])) == ("accepted", 0, 1)
    assert sum(model["licence"] is None for model in current(lake).values()) == 2


def test_the_policy_file_that_ships_says_what_the_defaults_say() -> None:
    assert read_policy("conf/policy.yaml") == read_policy("") == Policy()


def test_a_lake_without_a_crawl_is_named_with_the_remedy(
    lake: Lake, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(main, ["--root", str(tmp_path / "nowhere")]) == 4
    assert "there is no table 'hub_records'" in capsys.readouterr().err
    land(lake, FIRST, record("lab/a"))
    assert run(main, ["--root", lake.root, "--crawl_id", SECOND]) == 4
    assert f"no record of the crawl '{SECOND}'" in capsys.readouterr().err


def test_a_policy_that_is_no_regular_expression_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("excluded: ['(']\nalow_nsfw: true\n")
    assert run(main, ["--policy", str(policy)]) == 2
    assert "unknown key 'alow_nsfw' (did you mean 'allow_nsfw'?)" in capsys.readouterr().err
    policy.write_text("excluded: ['(']\n")
    assert run(main, ["--policy", str(policy)]) == 2
    assert "is not a regular expression" in capsys.readouterr().err
