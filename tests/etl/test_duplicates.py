"""Near duplicates: every near pair is found, no other, and clusters are the connected components."""

import random
from itertools import combinations

import pytest
from pyspark.sql.types import LongType, StringType, StructField, StructType

from etl.images.duplicates import _masks, clusters, leaks, near_pairs
from etl.lake.schemas import DUPLICATES

HASHES = StructType([StructField("image_id", StringType()), StructField("phash", LongType())])


def signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def distance(a: int, b: int) -> int:
    return bin((a ^ b) & ((1 << 64) - 1)).count("1")


def frame(spark, hashes: dict[str, int | None]):
    return spark.createDataFrame(list(hashes.items()), HASHES)


@pytest.fixture(scope="module")
def hashes() -> dict[str, int]:
    """300 random hashes, and for 40 of them one that differs in 1 to 7 bits, or a copy."""
    rng = random.Random(5)
    found = {f"i{n:03}": rng.getrandbits(64) for n in range(300)}
    for n in range(40):
        other = found[f"i{n:03}"]
        for bit in rng.sample(range(64), n % 8):
            other ^= 1 << bit
        found[f"j{n:03}"] = other
    return {key: signed(value) for key, value in found.items()}


@pytest.mark.parametrize("most", [0, 3, 4])
def test_pairs_are_those_of_comparing_every_hash_with_every_other(spark, hashes, most):
    near = {(a, b): distance(hashes[a], hashes[b]) for a, b in combinations(sorted(hashes), 2)}
    pairs = near_pairs(frame(spark, hashes), most).collect()
    assert {(r.image_id, r.other_id): r.distance for r in pairs} == {k: d for k, d in near.items() if d <= most}
    assert len(pairs) == len({(r.image_id, r.other_id) for r in pairs})


def test_pairs_are_rows_of_their_table(spark, hashes):
    assert near_pairs(frame(spark, hashes), 1).schema.simpleString() == DUPLICATES.schema.simpleString()


def test_many_copies_are_paired_with_the_first_alone(spark):
    copies = {f"c{n}": 7 for n in range(30)} | {"near": 6, "far": -1}
    pairs = {(r.image_id, r.other_id, r.distance) for r in near_pairs(frame(spark, copies), 3).collect()}
    assert pairs == {("c0", f"c{n}", 0) for n in range(1, 30)} | {("c0", "near", 1)}


def test_images_without_a_hash_have_no_duplicates(spark):
    assert near_pairs(frame(spark, {"a": None, "b": None, "c": 1}), 4).isEmpty()


@pytest.mark.parametrize("blocks", [2, 5, 6, 10])
def test_masks_cover_every_bit_and_fit_a_long(blocks):
    masks = _masks(blocks)
    assert len(set(masks)) == blocks * (blocks - 1) // 2
    assert all(-(1 << 63) <= mask < 1 << 63 for mask in masks)
    covered = 0
    for mask in masks:
        covered |= mask & ((1 << 64) - 1)
    assert covered == (1 << 64) - 1


def test_leaks_are_the_near_pairs_between_two_sets_and_the_images_in_both(spark, hashes):
    left = {key: value for key, value in hashes.items() if key.startswith("i")}
    right = {key: value for key, value in hashes.items() if key.startswith("j")} | {"i000": hashes["i000"]}
    found = {
        (r.image_id, r.other_id): r.distance for r in leaks(frame(spark, left), frame(spark, right), 4).collect()
    }
    near = {(a, b): distance(left[a], right[b]) for a in left for b in right}
    assert found == {pair: d for pair, d in near.items() if d <= 4}
    assert found["i000", "i000"] == 0


def components(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Union-find, to compare with."""
    parent: dict[str, str] = {}

    def root(x: str) -> str:
        while parent.setdefault(x, x) != x:
            x = parent[x]
        return x

    for a, b in pairs:
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    return {x: root(x) for x in parent}


@pytest.mark.parametrize("seed", [1, 2])
def test_clusters_are_the_connected_components_of_any_graph(spark, seed):
    rng = random.Random(seed)
    chain = [(f"k{n:02}", f"k{n + 1:02}") for n in range(25)]
    rng.shuffle(chain)
    names = [f"n{n:02}" for n in range(40)]
    pairs = chain + [tuple(rng.sample(names, 2)) for _ in range(30)]
    rows = [(*sorted(pair), 1) for pair in {tuple(sorted(pair)) for pair in pairs}]
    found = clusters(spark.createDataFrame(rows, DUPLICATES.schema)).collect()
    expected = components([(a, b) for a, b, _ in rows])
    assert {r.image_id: r.cluster_id for r in found} == expected
    assert len(found) == len(expected)
    sizes = {first: list(expected.values()).count(first) for first in expected.values()}
    assert {r.cluster_id: r.size for r in found} == sizes


def test_no_pairs_make_no_cluster(spark):
    assert clusters(spark.createDataFrame([], DUPLICATES.schema)).isEmpty()
