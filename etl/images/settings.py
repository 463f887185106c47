"""Configuration of the jobs that bring images into the lake and build training sets from them."""

import re
from dataclasses import dataclass

SET = r"collection:(?P<collection>.+)|training-set:(?P<name>[\w-]+)(@(?P<version>\d+))?(/(?P<split>\w+))?"
"""How a command names a set of images."""
LARGEST_DISTANCE = 8
"""Bits; beyond it a hash has 45 keys and more to be looked up by, and unlike images come together by chance."""


@dataclass(frozen=True)
class IngestSettings:
    """What to ingest."""

    root: str = "lake"
    """where the lake lies: a folder, or an object store's address"""
    source: str = "folder"
    """`folder`: image files with an optional table; `generated`: what `forensics generate` landed"""
    path: str | None = None
    """folder: where the files lie"""
    table: str | None = None
    """folder: CSV file with the columns file, caption, author, licence"""
    collection: str | None = None
    """folder: the name of the set in the lake; on real images it is their real_source too"""
    generator: str | None = None
    """folder: the generator that made these images; without one they are real"""
    limit: int | None = None
    """stop after this many files of each source, in the order of their names"""
    wave: int = 5000
    """files checked and committed together: what a kill can cost at most"""

    def problems(self) -> list[str]:
        """Name what is wrong in these values."""
        found = []
        if self.source not in ("folder", "generated"):
            found.append(f"--source must be 'folder' or 'generated', not '{self.source}'")
        if self.source == "folder" and (self.path is None or self.collection is None):
            found.append("--source folder needs --path and --collection")
        if self.wave < 1 or (self.limit is not None and self.limit < 1):
            found.append("--wave and --limit must be at least 1")
        return found


@dataclass(frozen=True)
class DescribeSettings:
    """What to measure."""

    root: str = "lake"
    """where the lake lies"""
    thumbnail_edge: int = 128
    """longer edge of a thumbnail in pixels; smaller images keep their size"""

    def problems(self) -> list[str]:
        """Name what is wrong in these values."""
        return [] if 16 <= self.thumbnail_edge <= 1024 else ["--thumbnail_edge must lie in 16 … 1024"]


@dataclass(frozen=True)
class DuplicatesSettings:
    """What counts as nearly the same."""

    root: str = "lake"
    """where the lake lies"""
    max_distance: int = 4
    """bits of 64 in which the perceptual hashes of near duplicates may differ"""

    def problems(self) -> list[str]:
        """Name what is wrong in these values."""
        return _problems_of_distance(self.max_distance)


@dataclass(frozen=True)
class LeaksSettings:
    """Which two sets to compare."""

    root: str = "lake"
    """where the lake lies"""
    left: str = ""
    """the set that must not be known: collection:NAME or training-set:NAME[@VERSION][/SPLIT], e.g. mine@2/test"""
    right: str = ""
    """the set to look in, named alike"""
    max_distance: int = 4
    """bits of 64 in which the perceptual hashes of near duplicates may differ"""
    output: str | None = None
    """file for the pairs, .csv or .parquet; by default only the counts are printed"""

    def problems(self) -> list[str]:
        """Name what is wrong in these values."""
        found = _problems_of_distance(self.max_distance)
        found += [
            f"--{side} must be collection:NAME or training-set:NAME[@VERSION][/SPLIT], not '{value}'"
            for side, value in (("left", self.left), ("right", self.right))
            if not re.fullmatch(SET, value)
        ]
        if self.output is not None and not self.output.endswith((".csv", ".parquet")):
            found.append("--output must end in .csv or .parquet")
        return found


def _problems_of_distance(max_distance: int) -> list[str]:
    within = 0 <= max_distance <= LARGEST_DISTANCE
    return [] if within else [f"--max_distance must lie in 0 … {LARGEST_DISTANCE}"]


@dataclass(frozen=True)
class TrainingSetSettings:
    """Which images make the training set, and how they are split."""

    root: str = "lake"
    """where the lake lies"""
    name: str = "demo"
    """the set's name; the same name with other rows becomes its next version"""
    seed: int = 1
    """decides every draw and the order of the rows"""
    val_fraction: float = 0.15
    """share of the generators, and of the reals, for validation"""
    test_fraction: float = 0.25
    """share of the generators, and of the reals, for testing"""
    max_images_per_generator: int = 500
    """fakes drawn from one generator at most"""
    max_reals_per_fake: float = 1.0
    """reals in a split at most, as a multiple of its fakes"""
    split_by: str = "generator_id"
    """what never crosses splits: `generator_id`, or `root_model_id` for whole lineages"""

    def problems(self) -> list[str]:
        """Name what is wrong in these values."""
        found = []
        if not self.name.replace("-", "").replace("_", "").isalnum():
            found.append("--name may hold letters, digits, '-' and '_' only")
        if min(self.val_fraction, self.test_fraction) <= 0 or self.val_fraction + self.test_fraction >= 1:
            found.append("--val_fraction and --test_fraction must be positive and leave a share for training")
        if self.max_images_per_generator < 1 or self.max_reals_per_fake <= 0:
            found.append("--max_images_per_generator and --max_reals_per_fake must be positive")
        if not 0 <= self.seed < 2**31:
            found.append("--seed must lie in 0 … 2147483647")
        if self.split_by not in ("generator_id", "root_model_id"):
            found.append("--split_by must be 'generator_id' or 'root_model_id'")
        return found


@dataclass(frozen=True)
class SummariseSettings:
    """Which lake to summarise."""

    root: str = "lake"
    """where the lake lies"""
