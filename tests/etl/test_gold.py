"""Describe and summarise: what they count adds up, and repetitions commit nothing."""

from datetime import UTC, datetime

import polars as pl
import pytest

from etl.errors import LakeMissing
from etl.jobs import describe, summarise
from etl.lake import snapshot
from etl.lake.schemas import (
    GENERATION_ATTEMPTS,
    GENERATORS,
    GOLD_COUNTS,
    GOLD_DIVERSITY,
    GOLD_GENERATOR_CARDS,
    GOLD_IMAGES,
    GOLD_SPECTRA,
    GOLD_SPREAD,
    IMAGE_FEATURES,
    IMAGES,
    THUMBNAILS,
)
from etl.statistics.gold import DIMENSIONS, UNKNOWN, spectra

GOLD = (GOLD_COUNTS, GOLD_DIVERSITY, GOLD_GENERATOR_CARDS, GOLD_IMAGES, GOLD_SPECTRA, GOLD_SPREAD)
MADE = {"a": 3, "b": 2, "unlisted": 1}


@pytest.fixture(scope="module")
def root(tmp_path_factory, encode, picture) -> str:
    root = str(tmp_path_factory.mktemp("gold"))
    names = [f"{generator}{i}" for generator, n in MADE.items() for i in range(n)] + ["real0", "real1"]
    images = []
    for position, name in enumerate(names):
        fake = not name.startswith("real")
        data = encode(picture.crop((0, 0, 20 + position, 20)), "PNG")
        images.append(
            {"image_id": name, "bytes": data, "label": int(fake), "generator_id": name[:-1] if fake else None}
        )
    snapshot.append(root, IMAGES, images)
    generators = [
        {"generator_id": "a", "kind": "hub", "family": "SDXL"},
        {"generator_id": "b", "kind": "hub"},
        {"generator_id": "never", "kind": "hub"},
    ]
    snapshot.append(root, GENERATORS, generators)
    tries = [
        {
            "plan_id": "p",
            "generator_id": "a",
            "attempt": n,
            "code": code,
            "started_at": datetime(2025, 1, n, tzinfo=UTC),
        }
        for n, code in ((1, "OOM"), (2, "OK"))
    ]
    snapshot.append(root, GENERATION_ATTEMPTS, tries)
    return root


@pytest.fixture(scope="module")
def summarised(root, spark) -> list[list[int]]:
    """The versions of the gold tables after each of two runs."""
    versions = []
    for _ in range(2):
        assert summarise.main(["--root", root]) == 0
        versions.append([snapshot.current_version(root, table) for table in GOLD])
    return versions


def test_every_dimension_counts_every_fake_once(root, summarised):
    counts = snapshot.read(root, GOLD_COUNTS)
    for dimension in DIMENSIONS:
        rows = counts.filter(dimension=dimension)
        assert (rows["images"].sum(), rows["generators"].sum()) == (6, 3), dimension


def test_what_is_not_known_counts_as_unknown(root, summarised):
    counts = {row[:2]: row[2:] for row in snapshot.read(root, GOLD_COUNTS).rows()}
    assert counts["family", "SDXL"] == (1, 3) and counts["family", UNKNOWN] == (2, 3)
    assert counts["kind", "hub"] == (2, 5) and counts["kind", UNKNOWN] == (1, 1)


def test_diversity_is_that_of_the_counts(root, summarised):
    rows = {(row["dimension"], row["unit"]): row for row in snapshot.read(root, GOLD_DIVERSITY).to_dicts()}
    assert len(rows) == 2 * len(DIMENSIONS)
    family = rows["family", "images"]
    assert (family["values"], family["total"], family["entropy_bits"], family["effective_number"]) == (
        2,
        6,
        1.0,
        2.0,
    )


def test_a_generator_has_one_card_with_its_tries_and_images(root, summarised):
    cards = {card["generator_id"]: card for card in snapshot.read(root, GOLD_GENERATOR_CARDS).to_dicts()}
    found = {name: (card["attempts"], card["last_code"], card["images"]) for name, card in cards.items()}
    assert found == {"a": (2, "OK", 3), "b": (0, None, 2), "never": (0, None, 0)}


def test_the_list_of_images_has_each_once_without_bytes_and_with_its_maker(root, summarised):
    listed = snapshot.read(root, GOLD_IMAGES)
    assert sorted(listed["image_id"]) == sorted(snapshot.read(root, IMAGES)["image_id"])
    rows = {row["image_id"]: row for row in listed.to_dicts()}
    assert (rows["a0"]["family"], rows["real0"]["family"], rows["a0"]["nsfw"]) == ("SDXL", None, False)
    sizes = snapshot.read(root, IMAGES).with_columns(n=pl.col("bytes").bin.size())
    assert {name: row["byte_size"] for name, row in rows.items()} == dict(
        sizes.select("image_id", "n").iter_rows()
    )


def test_a_spectrum_is_the_mean_in_decibels_of_a_makers_images(spark):
    images = spark.createDataFrame(
        [("x", 1, "a", None), ("y", 1, "a", None), ("z", 0, None, "photos")],
        "image_id string, label int, generator_id string, real_source string",
    )
    values = [("x", [1.0, 100.0]), ("y", [100.0, 100.0]), ("z", [10.0, 1.0])]
    features = spark.createDataFrame(
        [(name, 2, s, 1.0, 2.0, 3.0, 4) for name, s in values] + [("x", 1, [9.0, 9.0], 1.0, 2.0, 3.0, 4)],
        "image_id string, feature_version int, spectrum array<float>, sharpness double, colourfulness double, "
        "entropy double, byte_size long",
    )
    found = {(row.kind, row.name): (row.images, row.spectrum) for row in spectra(images, features, 2).collect()}
    assert found == {
        ("generator", "a"): (2, [10.0, 20.0]),
        ("real_source", "photos"): (1, [10.0, 0.0]),
        ("label", "fake"): (2, [10.0, 20.0]),
        ("label", "real"): (1, [10.0, 0.0]),
    }


def test_a_second_summary_commits_nothing(summarised):
    assert summarised[0] == summarised[1]


def test_images_are_described_once_and_a_repetition_commits_nothing(root, spark, capsys):
    words = ["--root", root, "--thumbnail_edge", "16", "--backbone", "none"]
    assert describe.main(words) == 0
    versions = [snapshot.current_version(root, table) for table in (IMAGE_FEATURES, THUMBNAILS)]
    assert describe.main(words) == 0
    assert [snapshot.current_version(root, table) for table in (IMAGE_FEATURES, THUMBNAILS)] == versions
    assert "8 images = 0 new + 0 rejected + 8 already there" in capsys.readouterr().out
    ids = set(snapshot.read(root, IMAGES, columns=["image_id"])["image_id"])
    features, thumbnails = snapshot.read(root, IMAGE_FEATURES), snapshot.read(root, THUMBNAILS)
    assert set(features["image_id"]) == set(thumbnails["image_id"]) == ids
    assert features.height == thumbnails.height == 8
    assert thumbnails["width"].max() == 16 and thumbnails["generator_id"].null_count() == 2


def test_a_lake_that_is_missing_ends_with_4_and_a_remedy(spark, tmp_path):
    for job in (describe, summarise):
        with pytest.raises(LakeMissing, match="run the stage that writes it first") as error:
            job.main(["--root", str(tmp_path / "none")])
        assert error.value.exit_code == 4
    assert not (tmp_path / "none").exists()
