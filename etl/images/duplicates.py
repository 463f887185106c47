"""Images that are nearly the same, by their 64-bit perceptual hashes, in pairs and in clusters.

Two hashes of which at most d bits differ agree in at least two of d + 2 blocks of bits: the bits that differ lie
in d blocks at most. So hashes are compared only where two of their blocks are equal, and every near pair is
found (the banding of locality-sensitive hashing, with the pigeonhole in place of chance). Two blocks rather than
one make the buckets small: at 2.7 million images two of six blocks leave about one hash in each.
"""

from functools import reduce
from itertools import combinations, pairwise

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

HASH_BITS = 64
_PARTITIONS = 32
_MOST_ROUNDS = 50


def near_pairs(hashes: DataFrame, max_distance: int) -> DataFrame:
    """Return image_id < other_id and the distance of images whose hashes differ in at most `max_distance` bits.

    `hashes` has image_id and phash, once an image. Images of equal hash are paired with the first of them alone,
    and only that one with images of other hashes: n copies give n pairs and not n², and the clusters are the
    same.
    """
    known = hashes.where(F.col("phash").isNotNull()).select("image_id", "phash")
    first = known.groupBy("phash").agg(F.min("image_id").alias("first"))
    equal = known.join(first, on="phash", how="inner").where(F.col("image_id") != F.col("first"))
    unlike = _unlike(_keys(first, max_distance), _keys(first, max_distance), max_distance)
    unlike = unlike.where(F.col("phash") < F.col("other_phash")).distinct()
    others = first.select(F.col("phash").alias("other_phash"), F.col("first").alias("other"))
    named = unlike.join(first, on="phash", how="inner").join(others, on="other_phash", how="inner")
    pairs = equal.select("first", F.col("image_id").alias("other"), F.lit(0).alias("distance")).unionByName(
        named.select("first", "other", "distance")
    )
    return pairs.select(
        F.least("first", "other").alias("image_id"), F.greatest("first", "other").alias("other_id"), "distance"
    )


def leaks(left: DataFrame, right: DataFrame, max_distance: int) -> DataFrame:
    """Return image_id of `left`, other_id of `right` and their distance, for all near pairs between two sets.

    Both have image_id and phash. An image that is in both sets is its own pair, at distance 0.
    """
    left, right = (side.where(F.col("phash").isNotNull()).select("image_id", "phash") for side in (left, right))
    theirs = right.select(F.col("image_id").alias("other_id"), F.col("phash").alias("other_phash"))
    pairs = _unlike(
        _keys(left.select("phash").distinct(), max_distance),
        _keys(right.select("phash").distinct(), max_distance),
        max_distance,
    ).distinct()
    found = pairs.join(left, on="phash", how="inner").join(theirs, on="other_phash", how="inner")
    return found.select("image_id", "other_id", "distance")


def clusters(pairs: DataFrame) -> DataFrame:
    """Return image_id, cluster_id (the first image's id) and size of all images that any chain of pairs connects.

    Connected components by large-star and small-star (Kiveris et al., "Connected Components in MapReduce and
    Beyond", SoCC 2014), which needs about log² of the longest chain's length rounds. Raises RuntimeError when it
    does not end.
    """
    edges = pairs.select(F.col("image_id").alias("u"), F.col("other_id").alias("v")).where(
        F.col("u") != F.col("v")
    )
    edges = edges.distinct().localCheckpoint()
    for _ in range(_MOST_ROUNDS):
        starred = _small_star(_large_star(edges)).localCheckpoint()
        if edges.count() == starred.count() and edges.exceptAll(starred).isEmpty():
            break
        edges = starred
    else:
        raise RuntimeError(f"the clusters of near duplicates are not found after {_MOST_ROUNDS} rounds")
    # Every edge now leads from an image to the first of its cluster.
    members = edges.select(F.col("u").alias("image_id"), F.col("v").alias("cluster_id"))
    first = members.select(F.col("cluster_id").alias("image_id"), "cluster_id").distinct()
    whole = members.unionByName(first)
    sizes = whole.groupBy("cluster_id").agg(F.count("*").cast("int").alias("size"))
    return whole.join(sizes, on="cluster_id", how="inner").select("image_id", "cluster_id", "size")


def _keys(hashes: DataFrame, max_distance: int) -> DataFrame:
    """Return each hash with all pairs of its blocks: (`blocks`, `bits`, `phash`)."""
    masks = _masks(max_distance + 2)
    keys = [
        F.struct(F.lit(number).alias("blocks"), F.col("phash").bitwiseAND(F.lit(mask)).alias("bits"))
        for number, mask in enumerate(masks)
    ]
    exploded = hashes.select("phash", F.explode(F.array(*keys)).alias("key"))
    return exploded.select("key.blocks", "key.bits", "phash").repartition(_PARTITIONS, "blocks", "bits")


def _unlike(left: DataFrame, right: DataFrame, max_distance: int) -> DataFrame:
    """Return phash, other_phash and their distance where two blocks are equal and few bits differ."""
    other = right.withColumnRenamed("phash", "other_phash")
    joined = left.join(other, on=["blocks", "bits"], how="inner")
    distance: Column = F.bit_count(F.col("phash").bitwiseXOR(F.col("other_phash")))
    found = joined.select("phash", "other_phash", distance.cast("int").alias("distance"))
    return found.where(F.col("distance") <= max_distance)


def _masks(blocks: int) -> list[int]:
    """Return a mask for each two of `blocks` blocks of a 64-bit hash, as signed integers."""
    cuts = [HASH_BITS * number // blocks for number in range(blocks + 1)]
    each = [(1 << high) - (1 << low) for low, high in pairwise(cuts)]
    both = [reduce(int.__or__, pair) for pair in combinations(each, 2)]
    return [mask - (1 << HASH_BITS) if mask >> (HASH_BITS - 1) else mask for mask in both]


def _large_star(edges: DataFrame) -> DataFrame:
    """Connect the neighbours that come after an image to the first of it and its neighbours."""
    both = edges.unionByName(edges.select(F.col("v").alias("u"), F.col("u").alias("v")))
    least = both.groupBy("u").agg(F.min("v").alias("least"))
    joined = both.join(least, on="u", how="inner").where(F.col("v") > F.col("u"))
    return joined.select(F.col("v").alias("u"), F.least("u", "least").alias("v")).distinct()


def _small_star(edges: DataFrame) -> DataFrame:
    """Connect an image and the neighbours that come before it to the first of them."""
    down = edges.select(F.greatest("u", "v").alias("u"), F.least("u", "v").alias("v"))
    least = down.groupBy("u").agg(F.min("v").alias("least"))
    joined = down.join(least, on="u", how="inner")
    moved = joined.where(F.col("v") != F.col("least")).select(F.col("v").alias("u"), F.col("least").alias("v"))
    return moved.unionByName(least.select("u", F.col("least").alias("v"))).distinct()
