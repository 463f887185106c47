"""The job describe: what it measures anew, what it leaves alone, and what it does with images that it cannot."""

import shutil

import polars as pl
import pytest

from etl.errors import TableOutdated
from etl.images.description import TO_DO, File, waves
from etl.images.features import FEATURE_VERSION
from etl.images.features.backbone import Backbone
from etl.jobs import describe
from etl.lake import snapshot
from etl.lake.schemas import IMAGE_FEATURES, IMAGES, REJECTS, THUMBNAILS, Table
from etl.lake.schemas.table import struct

WRITTEN = (IMAGE_FEATURES, THUMBNAILS, REJECTS)


@pytest.fixture(scope="module")
def held(tmp_path_factory, good, bad) -> str:
    """A lake of good images, in two files, and two that passed an ingest of others but do not decode."""
    root = str(tmp_path_factory.mktemp("held") / "a lake")
    names = list(good)
    for part in (names[:8], names[8:]):
        rows = [{"image_id": name, "bytes": good[name], "label": 1, "generator_id": name[0]} for name in part]
        broken = "half.jpg" if part == names[:8] else "many-pixels.png"
        rows.append({"image_id": broken, "bytes": bad[broken][0], "label": 0, "generator_id": None})
        snapshot.append(root, IMAGES, rows)
    return root


@pytest.fixture
def root(held, tmp_path) -> str:
    """A copy of it."""
    return str(shutil.copytree(held, tmp_path / "a lake"))


@pytest.fixture(scope="module")
def once(spark, held, tmp_path_factory) -> str:
    """A copy in which all was measured, without embeddings."""
    root = str(shutil.copytree(held, tmp_path_factory.mktemp("once") / "a lake"))
    assert described(root) == 3
    return root


@pytest.fixture
def done(once, tmp_path) -> str:
    """A copy of that one."""
    return str(shutil.copytree(once, tmp_path / "done"))


def described(root: str, *words: str, backbone: str = "none") -> int:
    return describe.main(["--root", root, "--thumbnail_edge", "16", "--backbone", backbone, *words])


def versions(root: str) -> list[int]:
    return [snapshot.current_version(root, table) for table in WRITTEN]


def features(root: str) -> pl.DataFrame:
    return snapshot.read(root, IMAGE_FEATURES).sort("image_id")


def test_all_is_measured_once_and_what_cannot_be_is_a_reject_that_is_not_tried_again(spark, root, good, capsys):
    assert described(root, "--wave", "5") == 3
    total = len(good) + 2
    assert f"{total} images = {len(good)} new + 2 rejected + 0 already there" in capsys.readouterr().out
    before = versions(root)
    assert described(root) == 3
    assert f"{total} images = 0 new + 2 rejected + {len(good)} already there" in capsys.readouterr().out
    assert versions(root) == before
    assert features(root)["image_id"].to_list() == sorted(good)
    assert sorted(snapshot.read(root, THUMBNAILS)["image_id"]) == sorted(good)
    rejects = {row["key"]: row for row in snapshot.read(root, REJECTS).to_dicts()}
    assert {key: row["code"] for key, row in rejects.items()} == {
        "half.jpg": "UNMEASURABLE",
        "many-pixels.png": "TOO_BIG",
    }
    assert {row["stage"] for row in rejects.values()} == {"describe"}

    assert described(root, "--retry") == 3
    assert f"{total} images = 0 new + 2 rejected + {len(good)} already there" in capsys.readouterr().out
    assert versions(root) == before, "the same refusal is recorded once"


def test_a_run_that_was_killed_between_its_commits_is_finished_without_a_second_thumbnail(spark, done, good):
    complete, thumbnails = features(done).drop("described_at"), snapshot.read(done, THUMBNAILS)
    shutil.rmtree(f"{done}/{IMAGE_FEATURES.name}")
    assert described(done) == 3
    assert features(done).drop("described_at").equals(complete)
    assert snapshot.read(done, THUMBNAILS).equals(thumbnails)


def test_a_later_image_is_measured_alone(spark, done, good, capsys):
    before = features(done)
    snapshot.append(done, IMAGES, [{"image_id": "later", "bytes": good["plain.png"], "label": 0}])
    assert described(done) == 3
    assert f"= 1 new + 2 rejected + {len(good)} already there" in capsys.readouterr().out
    assert features(done).filter(pl.col("image_id") != "later").equals(before)


def test_an_embedding_is_added_once_replaced_by_another_networks_and_kept_where_none_is_asked(
    spark, done, good, monkeypatch
):
    assert features(done)["embedding"].null_count() == len(good)
    assert described(done, backbone="efficientnet-lite0") == 3
    rows = features(done)
    assert rows.height == len(good) and rows["embedding"].list.len().to_list() == [1280] * len(good)
    assert rows["embedding_model"].unique().to_list()[0].startswith("efficientnet-lite0@")
    before = versions(done)
    described(done, backbone="efficientnet-lite0")
    described(done, backbone="none")
    assert versions(done) == before

    def other(*_: object) -> Backbone:
        return Backbone(**(vars(_shipped) | {"identity": "other@0"}))

    from etl.images.features.backbone import resolve

    _shipped = resolve("efficientnet-lite0")
    monkeypatch.setattr(describe, "resolve", other)
    described(done, backbone="efficientnet-lite0")
    assert features(done)["embedding_model"].to_list() == ["other@0"] * len(good)
    assert snapshot.current_version(done, THUMBNAILS) == before[1]


def test_measures_of_an_earlier_version_stay_beside_the_new(spark, root, good):
    earlier = {"image_id": "plain.png", "feature_version": FEATURE_VERSION - 1, "phash": 1}
    snapshot.append(root, IMAGE_FEATURES, [earlier])
    described(root)
    rows = features(root).filter(pl.col("image_id") == "plain.png")
    assert rows.height == 2 and rows.filter(pl.col("feature_version") == FEATURE_VERSION)["phash"].item() != 1


def test_a_table_of_an_older_version_is_told(spark, root):
    older = Table(IMAGE_FEATURES.name, ("image_id",), struct(image_id="string", feature_version="int"))
    snapshot.create(root, older)
    with pytest.raises(TableOutdated, match="it lacks byte_size"):
        described(root)


def test_waves_are_of_whole_files_in_which_something_is_to_do():
    held = [File(name, counts) for name, counts in (("a", {TO_DO: 3}), ("b", {"done": 9}), ("c", {TO_DO: 4}))]
    assert [[file.path for file in wave] for wave in waves(held, 3)] == [["a"], ["c"]]
    assert [[file.path for file in wave] for wave in waves(held, 5)] == [["a", "c"]]
    assert list(waves([held[1]], 5)) == []
