"""Splits are disjoint by generator, balanced, capped, and the same however the rows are partitioned."""

from collections import Counter, defaultdict

import pytest

from etl.images.settings import TrainingSetSettings
from etl.images.splits import choose, id_checksum

FAKES = [(f"f{g}-{i:02}", 1, f"g{g}") for g in range(12) for i in range(20)]
REALS = [(f"r{i:03}", 0, None) for i in range(400)]
ROOTS = [(f"g{g}", f"root{g // 3}" if g < 9 else None) for g in range(12)]
OF_IMAGE = {image: (label, generator) for image, label, generator in FAKES + REALS}


@pytest.fixture(scope="module")
def chosen(spark):
    """Choose by the given settings; rows of (image_id, split, position), in the order of split and position."""
    images = spark.createDataFrame(FAKES + REALS, "image_id string, label int, generator_id string")
    generators = spark.createDataFrame(ROOTS, "generator_id string, root_model_id string")

    def choosing(partitions: int = 2, **settings):
        rows = choose(images.repartition(partitions), generators, TrainingSetSettings(**settings))
        return sorted(((r.image_id, r.split, r.position) for r in rows.collect()), key=lambda row: row[1:])

    return choosing


@pytest.fixture(scope="module")
def usual(chosen):
    return chosen(max_images_per_generator=10)


def splits_of(rows, unit) -> dict[str, set[str]]:
    found = defaultdict(set)
    for image, split, _ in rows:
        label, generator = OF_IMAGE[image]
        if label:
            found[unit(generator)].add(split)
    return found


def test_a_generator_lies_in_one_split_and_every_split_has_its_share(usual):
    found = splits_of(usual, lambda generator: generator)
    assert all(len(splits) == 1 for splits in found.values())
    assert Counter(split for (split,) in found.values()) == {"train": 7, "val": 2, "test": 3}


def test_at_most_so_many_images_of_a_generator_are_drawn(usual):
    drawn = Counter(OF_IMAGE[image][1] for image, _, _ in usual if OF_IMAGE[image][0])
    assert drawn == {f"g{g}": 10 for g in range(12)}


def test_reals_are_cut_to_the_fakes_of_their_split(usual):
    counts = Counter((split, OF_IMAGE[image][0]) for image, split, _ in usual)
    assert counts == {(s, label): n for s, n in (("train", 70), ("val", 20), ("test", 30)) for label in (0, 1)}


def test_no_image_comes_twice_and_positions_count_from_0_in_each_split(usual):
    assert len({image for image, _, _ in usual}) == len(usual)
    positions = defaultdict(list)
    for _, split, position in usual:
        positions[split].append(position)
    assert all(found == list(range(len(found))) for found in positions.values())


def test_reals_and_fakes_are_mixed_in_the_shuffled_order(usual):
    start = [OF_IMAGE[image][0] for image, split, position in usual if split == "train" and position < 40]
    assert 8 < sum(start) < 32


def test_the_choice_is_the_same_however_the_images_are_partitioned(chosen, usual):
    assert chosen(partitions=7, max_images_per_generator=10) == usual


def test_another_seed_makes_another_choice(chosen, usual):
    assert {row[0] for row in chosen(seed=2, max_images_per_generator=10)} != {row[0] for row in usual}


def test_a_lineage_lies_in_one_split_when_asked(chosen):
    root = {generator: root or generator for generator, root in ROOTS}
    found = splits_of(chosen(split_by="root_model_id", max_images_per_generator=2), root.__getitem__)
    assert len(found) == 6 and all(len(splits) == 1 for splits in found.values())


def test_the_checksum_depends_on_the_pairs_and_not_on_their_order(spark):
    rows = [(f"{i:02x}", "train") for i in range(40)]
    schema = "image_id string, split string"
    checksum = id_checksum(spark.createDataFrame(rows, schema))
    assert id_checksum(spark.createDataFrame(rows[::-1], schema).repartition(3)) == checksum
    assert id_checksum(spark.createDataFrame([*rows[1:], ("00", "test")], schema)) != checksum
    assert id_checksum(spark.createDataFrame(rows[1:], schema)) != checksum
