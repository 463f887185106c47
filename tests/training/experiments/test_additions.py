"""What to add to a training set next: what it resembles least, and a family that nobody has sampled."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from etl.errors import NothingUsable
from etl.lake import snapshot
from etl.lake.schemas import GENERATORS, GOLD_ADDITIONS, IMAGES, TRAINING_SETS, WITHDRAWALS, training_rows
from training.jobs import additions

LEARNT = ("comb/model-0", "comb/model-1", "stairs/model-0")
TESTED = ("weave/model-0",)


@pytest.fixture
def root(tiny_world: str, tmp_path: Path) -> str:
    """A copy of the tiny world with a training set of three generators, and models of a family without images."""
    lake = str(tmp_path / "lake")
    shutil.copytree(tiny_world, lake)
    images = snapshot.read(lake, IMAGES)
    chosen = images.filter(pl.col("generator_id").is_in([*LEARNT, *TESTED]) | (pl.col("label") == 0))
    rows = [
        {
            **{
                name: row[name] for name in ("image_id", "bytes", "format", "label", "generator_id", "real_source")
            },
            "split": "test" if row["generator_id"] in TESTED else "train",
            "position": number,
        }
        for number, row in enumerate(chosen.iter_rows(named=True))
    ]
    snapshot.append(lake, training_rows("mine"), rows)
    snapshot.append(
        lake, TRAINING_SETS, [{"name": "mine", "version": 1, "rows_version": 1, "counts": json.dumps({})}]
    )
    fresh = {"kind": "hub", "family": "vines", "eligible": True}
    few, many = (
        {"generator_id": f"vines/{name}", "downloads": n, **fresh} for name, n in (("few", 1), ("many", 9))
    )
    barred = {"generator_id": "moss/one", "kind": "hub", "family": "moss", "eligible": False}
    snapshot.append(lake, GENERATORS, [few, many, barred])
    return lake


def chosen(root: str, *more: str) -> pl.DataFrame:
    assert additions.main(["--root", root, "--training_set", "mine", "--size", "40", *more]) == 0
    return snapshot.read(root, GOLD_ADDITIONS).sort("rank")


@pytest.mark.parametrize("strategy", ["spread", "value"])
def test_generators_unlike_those_that_are_learnt_come_first_and_none_that_the_set_has(root, strategy, capsys):
    found = chosen(root, "--generators", "4", "--strategy", strategy)
    sampled = found.filter(strategy=strategy)
    assert sampled.height == 4 and not set(sampled["generator_id"]) & {*LEARNT, *TESTED}
    assert not set(sampled["family"]) & {"comb", "stairs"}, "their grids are known"
    assert sampled["family"].n_unique() == 4 and sampled["images"].min() > 0
    assert sampled["novelty"].min() > 0 and sampled["error"].null_count() == 0


def test_of_a_family_without_images_the_most_downloaded_is_named_with_its_plan(root, capsys):
    found = chosen(root).filter(strategy="unseen family")
    assert found["generator_id"].to_list() == ["vines/many"] and found["novelty"].to_list() == [None]
    assert "forensics plan --images_per_generator 8 --include '[vines/many]'" in capsys.readouterr().out


def test_what_was_withdrawn_is_not_named_and_asking_again_replaces_the_answer(root):
    before = chosen(root)
    first = before["generator_id"][0]
    snapshot.append(root, WITHDRAWALS, [{"generator_id": first}])
    after = chosen(root)
    assert first not in set(after["generator_id"]) and after["rank"].to_list() == list(range(1, after.height + 1))


def test_a_set_that_is_not_there_is_said(root):
    with pytest.raises(NothingUsable, match="no training set 'yours'"):
        additions.main(["--root", root, "--training_set", "yours"])
