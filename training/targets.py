"""What is judged: the images of a training set's split, or of a collection, at fixed versions of their tables."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

import polars as pl

from etl.errors import NothingUsable
from etl.lake import snapshot
from etl.lake.schemas import COLLECTIONS, IMAGES, Table
from training import sets
from training.sets import TrainingSet
from training.splits import opened

_SPLIT = re.compile(r"(?P<name>[^@/]+)@(?P<version>\d{1,9})/(?P<split>train|val|test)", re.ASCII)
_DESCRIBED = ("image_id", "label", "generator_id", "real_source", "format")


@dataclass(frozen=True)
class Target:
    """Images to judge, one row each: image_id, label, generator_id, real_source, format; sorted by id."""

    name: str
    """A collection, or NAME@VERSION/SPLIT of a training set"""
    examples: pl.DataFrame
    table: Table
    version: int
    """Of the table with their bytes"""
    training_set: TrainingSet | None = None
    split: str = ""
    pairs: pl.DataFrame | None = None
    """image_id and paired_generator_id, where a collection sets reals beside generators"""
    left_out: frozenset[str] = frozenset()
    """Images that the detector has learnt from, which are not judged"""
    lost: int = 0
    """Images of the collection that the table `images` lacks"""

    def without(self, learnt: Collection[str]) -> "Target":
        """Leave out the images that a detector has learnt from. Raises NothingUsable when none is left."""
        known = self.examples["image_id"].is_in(list(learnt))
        kept, left_out = self.examples.filter(~known), self.examples.filter(known)
        if kept.is_empty():
            raise NothingUsable(
                f"all {left_out.height} images of {self.name} are ones that the detector has learnt"
            )
        return replace(self, examples=kept, left_out=frozenset(left_out["image_id"]))


def find(root: str, name: str) -> Target:
    """Return the collection or split called `name`. Raises NothingUsable, LakeMissing."""
    named = _SPLIT.fullmatch(name)
    if named:
        return of_split(root, sets.find(root, named["name"], int(named["version"])), named["split"])
    version = snapshot.current_version(root, IMAGES)
    members = snapshot.read(root, COLLECTIONS, columns=["collection", "image_id", "paired_generator_id"])
    chosen = members.filter(pl.col("collection") == name)
    if chosen.is_empty():
        known = ", ".join(members["collection"].unique().sort().head(20)) or "none"
        raise NothingUsable(
            f"there is no collection '{name}' (known: {known}); a training set's images are named as NAME@1/test"
        )
    ids = chosen.select("image_id").unique()
    rows = snapshot.scan(root, IMAGES, version).select(_DESCRIBED)
    examples = rows.join(ids.lazy(), on="image_id", how="semi").unique("image_id").sort("image_id").collect()
    if examples.is_empty():
        raise NothingUsable(f"none of the {ids.height} images of the collection '{name}' is in the lake")
    pairs = chosen.select("image_id", "paired_generator_id").drop_nulls().unique()
    lost = ids.height - examples.height
    return Target(name, examples, IMAGES, version, pairs=None if pairs.is_empty() else pairs, lost=lost)


def of_split(root: str, training_set: TrainingSet, split: str) -> Target:
    """Return a split of a training set; it may be empty."""
    rows = snapshot.scan(root, training_set.table, training_set.rows_version).filter(pl.col("split") == split)
    examples = rows.select(_DESCRIBED).sort("image_id").collect()
    name = f"{training_set.label}/{split}"
    return Target(name, examples, training_set.table, training_set.rows_version, training_set, split)


def learnt(root: str, training_set: TrainingSet) -> frozenset[str]:
    """Return the ids of the images that a detector of the training set has learnt from."""
    rows = snapshot.scan(root, training_set.table, training_set.rows_version).filter(pl.col("split") == "train")
    return frozenset(rows.select("image_id").collect()["image_id"])


def encoded(root: str, table: Table, version: int, ids: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Yield id and bytes of images, in the order of the files; a row group without any is skipped."""
    wanted = set(ids)
    for file in snapshot.live_files(root, table, version):
        with opened(file) as parquet:
            for group in range(parquet.num_row_groups):
                held = parquet.read_row_group(group, columns=["image_id"]).column(0).to_pylist()
                if wanted.isdisjoint(held):
                    continue
                contents = parquet.read_row_group(group, columns=["bytes"]).column(0)
                for row, image_id in enumerate(held):
                    if image_id in wanted:
                        wanted.remove(image_id)  # a table may hold an image twice; it is judged once
                        yield image_id, contents[row].as_py()
