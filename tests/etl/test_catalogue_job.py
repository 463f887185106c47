"""From crawls to `models` and `generators`: what a new crawl changes, and that an unchanged one does not."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from etl.command import run
from etl.jobs.catalogue import earlier_models, main
from etl.lake import snapshot
from etl.lake.schemas import GENERATORS, HUB_RECORDS, MODELS, REJECTS
from etl.lake.store import Lake
from etl.models.history import seen
from etl.models.landing import DONE, LOAD, CrawlState, Landing, started
from etl.models.records import accepted, parse

INDEX = '{"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}'
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
    assert (
        "3 records = 2 new + 0 rejected + 1 already there; crawl 20261103T000000Z; 1 superseded, 1 withdrawn"
        in (capsys.readouterr().out)
    )
    now = current(lake)
    assert (now["lab/a"]["revision"], now["lab/a"]["first_seen"].day) == ("b" * 40, 3)
    assert now["lab/b"]["withdrawn_at"] is not None
    assert now["lab/b"]["first_seen"].day == 1
    assert now["lab/gated"]["withdrawn_at"] is None
    assert len(snapshot.read(lake.root, MODELS)) == 5
    found = rows(lake, GENERATORS, "generator_id")
    assert (found["lab/b"]["eligible"], found["lab/b"]["reason"]) == (False, "WITHDRAWN")
    assert found["lab/a"]["revision"] == "b" * 40


def test_a_known_revision_keeps_its_details_when_something_else_changed(lake: Lake, spark: SparkSession) -> None:
    land(lake, FIRST, record("lab/a"))
    land(lake, SECOND, record("lab/a", downloads=99), record("lab/b", sha="c" * 40), detailed=False)
    crawls = {
        crawl_id: lake.read(HUB_RECORDS).where(F.col("crawl_id") == crawl_id) for crawl_id in (FIRST, SECOND)
    }
    nothing = spark.createDataFrame([], MODELS.schema)
    known = seen(accepted(parse(crawls[FIRST])), nothing)
    found = {row["model_id"]: row for row in seen(accepted(parse(crawls[SECOND])), known).collect()}
    a = found["lab/a"]
    assert (a["downloads"], a["weight_bytes"], a["model_index"]) == (99, 9, INDEX)
    assert (a["first_seen"].day, a["last_seen"].day) == (1, 2)
    assert (found["lab/b"]["weight_bytes"], found["lab/b"]["model_index"]) == (None, None)


def test_only_a_crawl_that_looked_everywhere_can_tell_that_a_model_is_gone(lake: Lake) -> None:
    def missed(**state: Any) -> set[str]:
        """The models that the second crawl would withdraw if it did not show them."""
        scope = state.pop("scope", "filter=diffusers")
        Landing(lake.root).save(CrawlState(SECOND, "127.0.0.1", [scope], 0, **({"phase": DONE} | state)))
        return {row["model_id"] for row in earlier_models(lake, SECOND).collect()}

    land(lake, FIRST, record("lab/a"), record("lab/b"))
    assert missed() == {"lab/a", "lab/b"}
    assert missed(problems=[{"key": "page-0", "code": "BAD_CURSOR", "detail": ""}]) == set()
    assert missed(phase=LOAD) == set()
    assert missed(scope="author=someone") == set()
    assert earlier_models(lake, THIRD).count() == 0  # its manifest is not there


def test_a_lake_without_a_crawl_is_named_with_the_remedy(
    lake: Lake, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(main, ["--root", str(tmp_path / "nowhere")]) == 4
    assert "there is no table 'hub_records'" in capsys.readouterr().err
    land(lake, FIRST, record("lab/a"))
    assert run(main, ["--root", lake.root, "--crawl_id", SECOND]) == 4
    assert f"no record of the crawl '{SECOND}'" in capsys.readouterr().err


def test_a_policy_that_is_no_regular_expression_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, ["--forbidden_licences", "['(']"]) == 2
    assert "is not a regular expression" in capsys.readouterr().err
