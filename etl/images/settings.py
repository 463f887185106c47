"""Configuration of the jobs that bring images into the lake and measure them; recipe.py has the training sets'."""

import re
from dataclasses import dataclass, field

SET = r"collection:(?P<collection>.+)|training-set:(?P<name>[\w-]+)(@(?P<version>\d+))?(/(?P<split>\w+))?"
"""How a command names a set of images."""
BACKBONE = r"none|efficientnet-lite0|timm:[A-Za-z0-9_.]+|clip:.+"
"""Networks that make embeddings. A timm name has no scheme, by which timm would go and fetch another model."""
SOURCES = ("folder", "generated", "released", "imagefolder", "webdataset", "list")
LAYOUTS = ("reference", "genimage", "forensynths", "universal-fake-detect", "synthbuster")
EXPORTED = ("released", "folders", "webdataset")
LARGEST_DISTANCE = 8
"""Bits; beyond it a hash has 45 keys and more to be looked up by, and unlike images come together by chance."""


@dataclass(frozen=True)
class IngestSettings:
    """What to ingest."""

    root: str = "lake"
    """where the lake lies: a folder, or an object store's address"""
    source: str = "folder"
    """`folder`: image files; `generated`: what `forensics generate` landed; `released`: Parquet in the schema of
    the released Community Forensics; `imagefolder`: folders with a metadata.csv or .jsonl; `webdataset`: tar
    files; `list`: a CSV or JSONL file of paths and addresses"""
    path: str | None = None
    """where the files lie; for `list` the list itself"""
    table: str | None = None
    """folder: CSV file with the columns file, caption, author, licence"""
    layout: str | None = None
    """folder: how folders tell generator and class: reference, genimage, forensynths, universal-fake-detect or
    synthbuster"""
    pattern: str | None = None
    """folder: a layout of your own, such as '{generator}/{split}/{class}/*'; ** stands for any folders between"""
    collection: str | None = None
    """the name of the set in the lake; it is the real_source too of reals of which nothing names another"""
    generator: str | None = None
    """the generator that made these images; without one those of a folder are real"""
    assume_real: bool = False
    """imagefolder, webdataset, list: images of which nothing tells the class are real"""
    base: str | None = None
    """list: the folder in which its paths lie, none outside; by default that of the list"""
    schemes: list[str] = field(default_factory=lambda: ["https"])
    """list: schemes of addresses that may be fetched"""
    hosts: list[str] = field(default_factory=list)
    """list: hosts that may be fetched from, redirects included; *.example.org allows those below it"""
    private_hosts: list[str] = field(default_factory=list)
    """list: hosts that may be fetched from although they have a private or loopback address"""
    fetch_seconds: float = 60.0
    """list: longest time for one download"""
    limit: int | None = None
    """stop after this many images of each source, in the order of their names"""
    wave: int = 5000
    """images checked and committed together: what a kill can cost at most"""
    dry_run: bool = False
    """only say what is there: counts by class, generator and split"""

    def problems(self) -> list[str]:
        """Name what is wrong in these values."""
        found = []
        if self.source not in SOURCES:
            found.append(f"--source must be {', '.join(SOURCES[:-1])} or {SOURCES[-1]}, not '{self.source}'")
        elif self.source != "generated" and (self.path is None or self.collection is None):
            found.append(f"--source {self.source} needs --path and --collection")
        if self.wave < 1 or (self.limit is not None and self.limit < 1):
            found.append("--wave and --limit must be at least 1")
        if self.layout is not None and self.layout not in LAYOUTS:
            found.append(f"--layout must be one of {', '.join(LAYOUTS)}, not '{self.layout}'")
        if self.layout is not None and self.pattern is not None:
            found.append("--layout and --pattern exclude each other")
        if (self.layout or self.pattern) and (self.generator or self.table):
            found.append("--generator and --table do not go with --layout or --pattern")
        if self.generator is not None and self.assume_real:
            found.append("--generator and --assume_real exclude each other")
        if not set(self.schemes) <= {"http", "https"}:
            found.append("--schemes may hold http and https")
        if self.fetch_seconds <= 0:
            found.append("--fetch_seconds must be positive")
        return found


@dataclass(frozen=True)
class DescribeSettings:
    """What to measure."""

    root: str = "lake"
    """where the lake lies"""
    thumbnail_edge: int = 128
    """longer edge of a thumbnail in pixels; smaller images keep their size"""
    backbone: str = "efficientnet-lite0"
    """the network that makes embeddings: `efficientnet-lite0`, whose weights are installed with the project;
    `timm:NAME`, such as timm:resnet18.a1_in1k; `clip:FOLDER` or `clip:OWNER/NAME` of the Hub; `none`. Images with
    an embedding of another network are measured anew"""
    weights: str | None = None
    """timm: a .safetensors file; without it the weights timm/NAME of the Hub"""
    wave: int = 20_000
    """images measured and committed together, about: what a kill can cost at most"""
    retry: bool = False
    """try again the images that could not be measured"""

    def problems(self) -> list[str]:
        """Name what is wrong in these values."""
        found = []
        if not 16 <= self.thumbnail_edge <= 1024:
            found.append("--thumbnail_edge must lie in 16 … 1024")
        if not re.fullmatch(BACKBONE, self.backbone):
            found.append(
                "--backbone must be efficientnet-lite0, timm:NAME, clip:FOLDER, clip:OWNER/NAME or none, not "
                f"'{self.backbone}'"
            )
        if self.weights is not None and not self.backbone.startswith("timm:"):
            found.append("--weights goes with --backbone timm:NAME")
        if self.wave < 1:
            found.append("--wave must be at least 1")
        return found


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
class ExportSettings:
    """Which training set to write where, and how."""

    root: str = "lake"
    """where the lake lies"""
    training_set: str = "demo"
    """the set's name"""
    version: int | None = None
    """its version; by default the newest"""
    to: str | None = None
    """the folder to write: an empty or new one, or that of the same export, to go on with it"""
    format: str = "released"
    """`released`: Parquet with the columns of the released Community Forensics; `folders`: the reference trainer's
    <generator>/{real,fake}/<image>, a tree a split; `webdataset`: tar files"""
    rows_per_file: int = 1000
    """images in a Parquet or tar file"""
    wave: int = 16
    """files written at once: what a kill can cost, and what is moved between tasks, at most"""

    def problems(self) -> list[str]:
        """Name what is wrong in these values."""
        found = []
        if self.to is None or "://" in self.to:
            found.append("--to must name a folder of this machine")
        if self.format not in EXPORTED:
            found.append(f"--format must be {', '.join(EXPORTED[:-1])} or {EXPORTED[-1]}, not '{self.format}'")
        if self.rows_per_file < 1 or not 1 <= self.wave <= 512:
            found.append("--rows_per_file must be at least 1, and --wave lie in 1 … 512")
        return found


@dataclass(frozen=True)
class SummariseSettings:
    """Which lake to summarise."""

    root: str = "lake"
    """where the lake lies"""
