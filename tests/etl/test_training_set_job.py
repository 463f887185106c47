"""A training set is a version: built again it stands, changed it is the next one, and the earlier one stays."""

import json

import pyarrow.parquet as pq
import pytest

from etl.errors import ConfigError, LakeMissing, NothingUsable
from etl.jobs import build_training_set
from etl.lake import snapshot
from etl.lake.schemas import GENERATORS, IMAGES, TRAINING_SETS, training_rows

ROWS = training_rows("demo")


def image(name: str, generator: str | None) -> dict:
    real = {"label": 0, "real_source": "photos"}
    origin = {"label": 1, "generator_id": generator} if generator else real
    return {"image_id": name, "bytes": name.encode(), "format": "PNG", "width": 1, "height": 1, **origin}


def fill(root: str, generators: int) -> None:
    ids = [f"g{i}" for i in range(generators)]
    fakes = [image(f"{i}-{generator}", generator) for generator in ids for i in range(4)]
    snapshot.append(root, IMAGES, fakes + [image(f"real{i}", None) for i in range(40)])
    snapshot.append(root, GENERATORS, [{"generator_id": generator} for generator in ids])


@pytest.fixture(scope="module")
def built(spark, tmp_path_factory) -> tuple[str, list[dict], list[int]]:
    """A lake in which the set was built three times: twice alike, then by another seed."""
    root = str(tmp_path_factory.mktemp("built"))
    fill(root, generators=6)
    codes = [build_training_set.main(["--root", root, *more]) for more in ([], [], ["--seed", "5"])]
    return root, snapshot.read(root, TRAINING_SETS).sort("version").to_dicts(), codes


def test_the_same_recipe_stands_and_another_seed_is_the_next_version(built):
    root, sets, codes = built
    assert codes == [0, 0, 0]
    assert [row["version"] for row in sets] == [1, 2]
    assert snapshot.current_version(root, ROWS) == sets[1]["rows_version"] == sets[0]["rows_version"] + 1
    assert sets[0]["config_hash"] != sets[1]["config_hash"] and sets[0]["id_checksum"] != sets[1]["id_checksum"]


def test_each_version_holds_the_rows_that_its_counts_say(built):
    root, sets, _ = built
    for row in sets:
        rows = snapshot.read(root, ROWS, version=row["rows_version"])
        counts = {
            f"{s}/{('real', 'fake')[label]}": n for s, label, n in rows.group_by("split", "label").len().rows()
        }
        assert json.loads(row["counts"]) == counts
        assert rows["image_id"].n_unique() == rows.height == sum(counts.values())
        assert all(r["bytes"] == r["image_id"].encode() for r in rows.to_dicts())


def test_a_set_says_what_it_was_made_from(built):
    root, sets, _ = built
    versions = {table.name: snapshot.current_version(root, table) for table in (IMAGES, GENERATORS)}
    assert json.loads(sets[0]["table_versions"]) == versions
    assert json.loads(sets[1]["config"])["seed"] == 5 and "root" not in json.loads(sets[0]["config"])


def test_a_set_says_how_many_generators_its_fakes_come_from_and_how_evenly(built):
    root, sets, _ = built
    said = json.loads(sets[0]["audit"])
    rows = snapshot.read(root, ROWS, version=sets[0]["rows_version"]).filter(label=1)
    for split, kinds in said["effective"].items():
        there = rows.filter(split=split)["generator_id"].n_unique()
        # Four images of each, and neither lineage nor family is known: each generator stands for itself.
        assert kinds == {kind: [there] * 3 for kind in ("generators", "lineages", "families")}
    assert said["effective"].keys() == {"train", "val", "test"} and said["generators_in_several_splits"] == 0


def test_a_file_holds_one_split_in_its_shuffled_order(built):
    root, sets, _ = built
    files = snapshot.live_files(root, ROWS, version=sets[1]["rows_version"])
    found = [pq.read_table(file.removeprefix("file://"), columns=["split", "position"]) for file in files]
    for table in found:
        positions = table["position"].to_pylist()
        assert len(set(table["split"].to_pylist())) == 1 and positions == sorted(positions)
    assert {name for table in found for name in table["split"].to_pylist()} == {"train", "val", "test"}


def test_too_few_generators_are_nothing_usable_and_leave_no_set(spark, tmp_path):
    fill(str(tmp_path), generators=2)
    with pytest.raises(NothingUsable, match="the splits lack train/real, train/fake: at least 3 generators"):
        build_training_set.main(["--root", str(tmp_path)])
    assert not snapshot.exists(str(tmp_path), TRAINING_SETS) and not snapshot.exists(str(tmp_path), ROWS)


def test_a_condition_that_fails_on_a_row_is_named(built):
    with pytest.raises(ConfigError, match=r"'int\(image_id\)' fails on a row: \[CAST_INVALID_INPUT\]"):
        build_training_set.main(["--root", built[0], "--name", "cast", "--where", "['int(image_id) > 0']"])


def test_splits_of_a_collection_that_there_is_not_are_nothing_usable(built):
    with pytest.raises(NothingUsable, match=r"nothing of .nosuch. has a split .known: none"):
        build_training_set.main(["--root", built[0], "--split_by", "given", "--collection", "nosuch"])


def test_a_lake_that_is_missing_is_said(spark, tmp_path):
    with pytest.raises(LakeMissing, match="there is no table 'images'"):
        build_training_set.main(["--root", str(tmp_path / "none")])
    assert not (tmp_path / "none").exists()
