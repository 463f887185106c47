"""The jobs that find near duplicates and leaks: what they print, write, and leave alone."""

import polars as pl
import pytest

from etl.errors import ConfigError, LakeMissing, NothingUsable
from etl.images.features import FEATURE_VERSION
from etl.jobs import build_training_set, duplicates, leaks
from etl.lake import snapshot
from etl.lake.schemas import COLLECTIONS, DUPLICATE_CLUSTERS, DUPLICATES, GENERATORS, IMAGE_FEATURES, IMAGES

HASHES = {"a": 1, "b": 3, "c": 1, "far": -1, "x": 0xFFFF << 24, "y": (0xFFFF << 24) + 1}
PLACES = {"old": ["a", "far", "x"], "new": ["b", "c", "far"], "odd": ["far", "y"]}


@pytest.fixture(scope="module")
def root(spark, tmp_path_factory) -> str:
    """Six described images in three collections; a, b and c are near, x and y are, far is in all three."""
    root = str(tmp_path_factory.mktemp("near"))
    described = [
        {"image_id": key, "phash": hash_, "feature_version": FEATURE_VERSION} for key, hash_ in HASHES.items()
    ]
    stale = {"image_id": "stale", "phash": 1, "feature_version": FEATURE_VERSION - 1}
    snapshot.append(root, IMAGE_FEATURES, [*described, stale])
    places = [{"collection": name, "image_id": key} for name, keys in PLACES.items() for key in keys]
    snapshot.append(root, COLLECTIONS, places)
    assert duplicates.main(["--root", root]) == 0
    return root


def test_pairs_and_clusters_are_tables(root):
    pairs = {(r["image_id"], r["other_id"], r["distance"]) for r in snapshot.read(root, DUPLICATES).to_dicts()}
    assert pairs == {("a", "c", 0), ("a", "b", 1), ("x", "y", 1)}
    clusters = {
        r["image_id"]: (r["cluster_id"], r["size"]) for r in snapshot.read(root, DUPLICATE_CLUSTERS).to_dicts()
    }
    assert clusters == {**dict.fromkeys("abc", ("a", 3)), **dict.fromkeys("xy", ("x", 2))}


def test_the_same_again_commits_nothing_and_says_so(root, capsys):
    before = [snapshot.current_version(root, table) for table in (DUPLICATES, DUPLICATE_CLUSTERS)]
    assert duplicates.main(["--root", root]) == 0
    assert "duplicates: 6 images = 0 new + 0 rejected + 6 already there; 3 pairs; 5 images in 2 clusters" in (
        capsys.readouterr().out
    )
    assert [snapshot.current_version(root, table) for table in (DUPLICATES, DUPLICATE_CLUSTERS)] == before


def test_leaks_of_a_collection_are_counted_by_distance_and_listed(root, tmp_path, capsys):
    listed = tmp_path / "leaks.csv"
    words = ["--root", root, "--left", "collection:old", "--right", "collection:new", "--output", str(listed)]
    assert leaks.main(words) == 3
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "leaks: 2 of 3 images of collection:old are in collection:new, or nearly",
        "  at 0 bits: 2 pairs",
        "  at 1 bits: 1 pairs",
    ]
    assert pl.read_csv(listed).rows() == [("a", "c", 0), ("far", "far", 0), ("a", "b", 1)]


def test_without_distance_only_what_is_the_same_leaks(root, capsys):
    words = ["--root", root, "--left", "collection:odd", "--right", "collection:old", "--max_distance", "0"]
    assert leaks.main(words) == 3
    assert "leaks: 1 of 2 images of collection:odd" in capsys.readouterr().out


def test_sets_that_share_nothing_end_clean(root, tmp_path, capsys):
    snapshot.append(root, COLLECTIONS, [{"collection": "alone", "image_id": "y"}])
    words = ["--root", root, "--left", "collection:alone", "--right", "collection:new"]
    assert leaks.main(words) == 0
    assert capsys.readouterr().out == "leaks: 0 of 1 images of collection:alone are in collection:new, or nearly\n"


def test_the_splits_of_a_training_set_are_compared(spark, tmp_path, capsys):
    root = str(tmp_path)
    ids = [f"g{i}" for i in range(4)]
    fakes = [{"image_id": f"{g}-{i}", "label": 1, "generator_id": g} for g in ids for i in range(3)]
    reals = [{"image_id": f"real{i}", "label": 0} for i in range(12)]
    images = [{**image, "bytes": b"x", "format": "PNG", "width": 1, "height": 1} for image in fakes + reals]
    snapshot.append(root, IMAGES, images)
    snapshot.append(root, GENERATORS, [{"generator_id": g} for g in ids])
    same = [{"image_id": i["image_id"], "phash": 5, "feature_version": FEATURE_VERSION} for i in images]
    snapshot.append(root, IMAGE_FEATURES, same)
    assert build_training_set.main(["--root", root, "--name", "mine"]) == 0
    both = ["--left", "training-set:mine@1/test", "--right", "training-set:mine/train"]
    capsys.readouterr()
    assert leaks.main(["--root", root, *both]) == 3
    assert "of training-set:mine@1/test are in training-set:mine/train" in capsys.readouterr().out
    with pytest.raises(NothingUsable, match="the lake has no training-set:mine@7"):
        leaks.main(["--root", root, "--left", "training-set:mine@7", "--right", "training-set:mine"])


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--max_distance", "9"], r"--max_distance must lie in 0 … 8"),
        (["--left", "mine"], "--left must be collection:NAME or training-set:NAME"),
        (
            ["--left", "collection:a", "--right", "collection:b", "--output", "x.txt"],
            "must end in .csv or .parquet",
        ),
    ],
)
def test_what_is_wrong_on_the_command_line_is_named(words, problem):
    with pytest.raises(ConfigError, match=problem):
        leaks.main(words)


def test_a_lake_without_described_images_says_what_to_run(spark, tmp_path):
    with pytest.raises(LakeMissing, match="image_features"):
        duplicates.main(["--root", str(tmp_path)])
    snapshot.create(str(tmp_path), IMAGE_FEATURES)
    with pytest.raises(NothingUsable, match="run `forensics describe` first"):
        duplicates.main(["--root", str(tmp_path)])
