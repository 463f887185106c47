"""Splits are disjoint by generator, balanced, capped, and the same however the rows are partitioned."""

from collections import Counter, defaultdict
from datetime import datetime

import pytest
from pyspark.sql import functions as F

from etl.errors import ConfigError, NothingUsable
from etl.images.candidates import candidates
from etl.images.matching import balance
from etl.images.recipe import TrainingSetSettings
from etl.images.splits import draw, id_checksum, positions, split
from etl.lake.schemas import COLLECTIONS, DUPLICATE_CLUSTERS, GENERATORS, IMAGE_FEATURES, IMAGES

FAKES = [(f"f{g}-{i:02}", 1, f"g{g}") for g in range(12) for i in range(20)]
REALS = [(f"r{i:03}", 0, None) for i in range(400)]
ROOTS = [(f"g{g}", f"root{g // 3}" if g < 9 else None) for g in range(12)]
ABOUT = {
    f"g{g}": {"family": f"family{g % 4}", "released_at": datetime(2020 + g, 1, 1) if g < 10 else None}
    for g in range(12)
}
CLUSTERS = {
    "f0-00": "a",
    "f5-00": "a",
    "f9-00": "a",
    "r000": "b",
    "r001": "b",
    "f1-00": "b",
    "r002": "c",
    "r003": "c",
}
"""Near duplicates across generators, across classes, and among reals."""
GIVEN = {
    "f0-00": "train",
    "f1-00": "test",
    "r000": "train",
    "r001": "val",
    "f2-00": "val",
    "r002": "test",
    "r003": "odd",
}
OF_IMAGE = {image: (label, generator) for image, label, generator in FAKES + REALS}


def table(spark, schema, rows: list[dict]):
    return spark.createDataFrame([[row.get(name) for name in schema.columns] for row in rows], schema.schema)


@pytest.fixture(scope="module")
def chosen(spark):
    """Choose by the given settings; rows of (image_id, split, position), in the order of split and position."""
    images = table(
        spark, IMAGES, [dict(zip(("image_id", "label", "generator_id"), r, strict=True)) for r in FAKES + REALS]
    )
    roots = [{"generator_id": g, "root_model_id": root, **ABOUT[g]} for g, root in ROOTS]
    generators = table(spark, GENERATORS, roots)
    clusters = table(spark, DUPLICATE_CLUSTERS, [{"image_id": i, "cluster_id": c} for i, c in CLUSTERS.items()])
    places = [{"collection": "bench", "image_id": i, "split": s} for i, s in GIVEN.items()]
    collections, features = table(spark, COLLECTIONS, places), table(spark, IMAGE_FEATURES, [])

    def meeting(**conditions):
        rest = (generators, features, clusters, collections, TrainingSetSettings(**conditions))
        return candidates(images, *rest)

    every = meeting().persist()

    def choosing(partitions: int = 2, near: bool = False, where=None, fakes=None, reals=None, **changes):
        settings = TrainingSetSettings(**changes)
        asked = {"where": where, "fakes": fakes, "reals": reals, "collection": changes.get("collection")}
        conditions = {name: value for name, value in asked.items() if value}
        found = meeting(**conditions) if conditions else every
        found = found if near else found.withColumn("cluster_id", F.lit(None).cast("string"))
        made, taken = (found.repartition(partitions).where(F.col("label") == label) for label in (1, 0))
        rows = positions(balance(split(draw(made, settings), taken, settings), settings), settings.seed)
        return sorted(((r.image_id, r.split, r.position) for r in rows.collect()), key=lambda row: row[1:])

    return choosing


@pytest.fixture(scope="module")
def usual(chosen):
    return chosen(max_images_per_generator=10)


def splits_of(rows, unit) -> dict[str, set[str]]:
    found = defaultdict(set)
    for image, place, _ in rows:
        label, generator = OF_IMAGE[image]
        if label:
            found[unit(generator)].add(place)
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
    of_split = defaultdict(list)
    for _, place, position in usual:
        of_split[place].append(position)
    assert all(found == list(range(len(found))) for found in of_split.values())


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


def test_a_family_lies_in_one_split_when_asked(chosen):
    found = splits_of(chosen(split_by="family", max_images_per_generator=2), lambda g: ABOUT[g]["family"])
    assert len(found) == 4 and all(len(splits) == 1 for splits in found.values())


def test_by_time_the_newest_generators_are_tested_and_those_without_a_date_trained_on(chosen):
    found = splits_of(chosen(split_by="time", max_images_per_generator=2), lambda g: g)
    assert {g for g, s in found.items() if s == {"test"}} == {"g7", "g8", "g9"}
    assert {g for g, s in found.items() if s == {"val"}} == {"g5", "g6"}
    assert found["g10"] == found["g11"] == {"train"}


def test_given_splits_are_taken_and_what_has_none_is_left_out(chosen):
    rows = chosen(split_by="given", collection="bench")
    assert {image: split for image, split, _ in rows} == {k: v for k, v in GIVEN.items() if v != "odd"}


@pytest.mark.parametrize("seed", [1, 2])
def test_near_duplicates_lie_in_one_split_and_nothing_else_is_lost(chosen, seed):
    without = {image: split for image, split, _ in chosen(seed=seed, max_reals_per_fake=9.0)}
    rows = chosen(near=True, seed=seed, max_reals_per_fake=9.0)
    found = {image: split for image, split, _ in rows}
    for cluster in set(CLUSTERS.values()):
        assert len({found[i] for i, c in CLUSTERS.items() if c == cluster and i in found}) == 1
    assert set(without) - set(found) <= set(CLUSTERS)
    fakes = [i for i, c in CLUSTERS.items() if c == "a"]
    last = max((without[i] for i in fakes), key=("train", "val", "test").index)
    assert {i for i in fakes if i in found} == {i for i in fakes if without[i] == last}


def test_so_many_generators_of_at_least_so_many_images_are_taken(chosen):
    few = {"where": ["not (generator_id = 'g3' and image_id > 'f3-05')"], "min_images_per_generator": 10}
    rows = chosen(generators=11, strategy="random", **few)
    assert {OF_IMAGE[image][1] for image, _, _ in rows} - {None} == {f"g{g}" for g in range(12)} - {"g3"}
    with pytest.raises(NothingUsable, match="12 generators are asked for, and 11 with at least 10 images"):
        chosen(generators=12, strategy="random", **few)


def test_stratified_generators_come_as_evenly_from_every_stratum_as_can_be(chosen):
    rows = chosen(generators=6, strategy="stratified", stratify_by="family")
    taken = {OF_IMAGE[image][1] for image, _, _ in rows} - {None}
    counts = Counter(ABOUT[g]["family"] for g in taken)
    assert len(taken) == 6 and sorted(counts.values()) == [1, 1, 2, 2]


def test_the_generators_with_most_images_are_taken(chosen):
    rows = chosen(
        generators=3,
        strategy="most-images",
        where=["generator_id is null or image_id < concat('f', 'z')"],
        fakes=["generator_id in ('g1', 'g2', 'g4') or image_id like '%-00'"],
    )
    assert {OF_IMAGE[image][1] for image, _, _ in rows} - {None} == {"g1", "g2", "g4"}


def test_conditions_hold_for_columns_of_every_table(chosen):
    rows = chosen(
        where=["array_contains(collections, 'bench') or label = 0 or family = 'family2'"],
        fakes=["released_at is not null"],
        reals=["image_id < 'r2'"],
    )
    fakes = {OF_IMAGE[i][1] for i, _, _ in rows if OF_IMAGE[i][0]}
    assert fakes == {"g0", "g1", "g2", "g6"}
    assert all(i < "r2" for i, _, _ in rows if not OF_IMAGE[i][0])


@pytest.mark.parametrize("condition", ["colour = 'red'", "((", "label +"])
def test_a_condition_that_cannot_be_read_is_named_with_the_columns(chosen, condition, capfd):
    with pytest.raises(
        ConfigError, match=r"--where: .* cannot be understood: \[[A-Z_.]+\] .*the columns are image_id, .*family"
    ):
        chosen(where=[condition])
    assert "stacktrace" not in capfd.readouterr().err, "the JVM's stack is no answer to a typing error"


def test_the_checksum_depends_on_the_pairs_and_not_on_their_order(spark):
    rows = [(f"{i:02x}", "train") for i in range(40)]
    schema = "image_id string, split string"
    checksum = id_checksum(spark.createDataFrame(rows, schema))
    assert id_checksum(spark.createDataFrame(rows[::-1], schema).repartition(3)) == checksum
    assert id_checksum(spark.createDataFrame([*rows[1:], ("00", "test")], schema)) != checksum
    assert id_checksum(spark.createDataFrame(rows[1:], schema)) != checksum
