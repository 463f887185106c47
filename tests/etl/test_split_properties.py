"""Whatever the catalogue: what a recipe keeps apart lies in one split, and no near duplicates lie in two."""

import random
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import pytest
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from etl.images.candidates import KEPT
from etl.images.makers import makers
from etl.images.matching import balance
from etl.images.recipe import TrainingSetSettings
from etl.images.splits import SPLITS, draw, split
from etl.lake.schemas import DUPLICATE_CLUSTERS, GENERATORS, IMAGE_FEATURES, IMAGES

Row = dict[str, Any]
_FIELDS = {f.name: f for t in (IMAGE_FEATURES, DUPLICATE_CLUSTERS, GENERATORS, IMAGES) for f in t.schema}
_LIKE = {"stratum": "family", "given_split": "family"}
CANDIDATE = StructType()
for _name in KEPT:
    CANDIDATE.add(_name, _FIELDS[_LIKE.get(_name, _name)].dataType)


def catalogue(chance: random.Random) -> list[Row]:
    """Return candidates of random generators with random lineages, families, sizes and near duplicates."""
    generators = [f"owner/model-{n}" for n in range(chance.randint(3, 40))]
    roots = chance.sample(generators, chance.randint(1, len(generators)))
    families = [None, *(f"family {n}" for n in range(chance.randint(1, 9)))]
    of_root = {root: chance.choice(families) for root in roots}
    clusters = [None] * chance.randint(1, 30) + [f"cluster {n}" for n in range(chance.randint(0, 20))]
    rows: list[Row] = []
    for generator in generators:
        root = chance.choice([None, *roots]) if generator not in roots else generator
        about = {"label": 1, "generator_id": generator, "root_model_id": root, "family": of_root.get(root)}
        images = min(60, int(chance.paretovariate(0.7)))
        rows += [about | {"cluster_id": chance.choice(clusters)} for _ in range(images)]
    rows += [{"label": 0, "cluster_id": chance.choice(clusters)} for _ in range(chance.randint(3, 400))]
    return [row | {"image_id": f"{n:05}"} for n, row in enumerate(rows)]


def groups_in_several_splits(rows: Iterable[Any], *columns: str) -> set[str]:
    """Return the values of the first column that is not null which occur in more than one split."""
    splits = defaultdict(set)
    for row in rows:
        value = next((row[column] for column in columns if row[column] is not None), None)
        if value is not None:
            splits[value].add(row.split)
    return {value for value, found in splits.items() if len(found) > 1}


@pytest.mark.parametrize("split_by", ["generator_id", "root_model_id", "family", "time"])
@pytest.mark.parametrize("seed", range(2))
def test_nothing_that_is_kept_apart_lies_in_two_splits(spark, split_by, seed):
    chance = random.Random(f"{seed} {split_by}")
    offered = catalogue(chance)
    settings = TrainingSetSettings(
        split_by=split_by,
        seed=chance.randrange(1000),
        max_images_per_generator=chance.randint(1, 80),
        max_reals_per_fake=chance.choice([0.5, 1.0, 3.0]),
        val_fraction=chance.uniform(0.05, 0.4),
        test_fraction=chance.uniform(0.05, 0.4),
    )
    rows = [[row.get(name) for name in CANDIDATE.fieldNames()] for row in offered]
    frame = spark.createDataFrame(rows, CANDIDATE).repartition(3)
    fakes, reals = (frame.where(F.col("label") == label) for label in (1, 0))
    placed = split(draw(fakes, settings), reals, settings)
    kept = balance(placed, settings).collect()

    fakes_kept = [row for row in kept if row.label == 1]
    columns = ("generator_id",) if split_by == "time" else (split_by, "generator_id")
    assert fakes_kept
    assert not groups_in_several_splits(fakes_kept, *columns)
    assert not groups_in_several_splits(fakes_kept, "generator_id")
    assert not groups_in_several_splits(kept, "cluster_id")
    assert len({row.image_id for row in kept}) == len(kept)


@pytest.mark.parametrize("seed", range(2))
def test_given_splits_stand_but_for_near_duplicates_and_generators_in_several_are_counted(spark, seed):
    chance = random.Random(f"{seed} given")
    offered = [row | {"given_split": chance.choice([*SPLITS, "odd", None])} for row in catalogue(chance)]
    settings = TrainingSetSettings(split_by="given", collection="bench", max_reals_per_fake=9.0)
    rows = [[row.get(name) for name in CANDIDATE.fieldNames()] for row in offered]
    frame = spark.createDataFrame(rows, CANDIDATE).repartition(3)
    fakes, reals = (frame.where(F.col("label") == label) for label in (1, 0))
    placed = split(fakes, reals, settings).localCheckpoint()
    kept, given = placed.collect(), {row["image_id"]: row["given_split"] for row in offered}

    assert kept and all(given[row.image_id] == row.split and row.split in SPLITS for row in kept)
    assert not groups_in_several_splits(kept, "cluster_id")
    assert makers(placed).crossing == len(groups_in_several_splits(kept, "generator_id")) > 0
