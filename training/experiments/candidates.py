"""The images that an experiment may use, with what is known of each: columns of Polars, without bytes.

Positions among them, sorted by image id, stand for images in all that follows.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pyspark.sql.types import ArrayType, BinaryType

from etl.errors import ConfigError, NothingUsable
from etl.lake import snapshot
from etl.lake.schemas import COLLECTIONS, DUPLICATE_CLUSTERS, GENERATORS, IMAGES, WITHDRAWALS, Table
from training.experiments.design import Design

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

READ: tuple[Table, ...] = (IMAGES, GENERATORS, COLLECTIONS, DUPLICATE_CLUSTERS, WITHDRAWALS)
UNKNOWN = "unknown"
_ADDED = ("given_split", "collections", "content", "cluster_id")


class Index(NamedTuple):
    """Positions of fakes that meet conditions, generator by generator: those of generator g are
    `positions[starts[g]:starts[g + 1]]`."""

    positions: Ints
    starts: Ints

    def of(self, generator: int) -> Ints:
        return self.positions[self.starts[generator] : self.starts[generator + 1]]

    @property
    def counts(self) -> Ints:
        return np.diff(self.starts)


class Candidates:
    """Images in columns, and their generators numbered in the order of their names."""

    def __init__(self, images: pl.DataFrame, design: Design):
        self.images = images.sort("image_id")
        self.design = design
        fakes = self.images.filter(pl.col("label") == 1)
        columns = [name for name in generator_columns(design) if name != "generator_id"]
        known = fakes.group_by("generator_id").agg(pl.col(columns).first()).sort("generator_id")
        self.generators = known.with_columns(pl.col(pl.String).fill_null(UNKNOWN))
        numbered = self.generators.select("generator_id").with_row_index("_code")
        codes = self.images.select("generator_id", "label").join(
            numbered, on="generator_id", how="left", maintain_order="left"
        )
        is_fake = pl.col("label") == 1
        self.codes: Ints = (
            codes.select(pl.when(is_fake).then(pl.col("_code").cast(pl.Int64)).otherwise(-1))
            .to_series()
            .to_numpy()
        )
        self.mask = lru_cache(maxsize=64)(self._mask)
        self.index = lru_cache(maxsize=32)(self._index)

    def ids(self, positions: Ints) -> list[str]:
        """Return image ids."""
        return self.images["image_id"].gather(positions).to_list()

    def column(self, name: str) -> list[str]:
        """Return a column of the generators as text, by their numbers."""
        return [UNKNOWN if value is None else str(value) for value in self.generators[name].to_list()]

    def reals(self, conditions: tuple[str, ...]) -> Ints:
        """Return positions of reals that meet the conditions."""
        return np.flatnonzero((self.codes < 0) & self.mask(conditions))

    def _mask(self, conditions: tuple[str, ...]) -> Mask:
        found = np.ones(self.images.height, bool)
        for condition in conditions:
            found &= self._meets(condition)
        return found

    def _meets(self, condition: str) -> Mask:
        try:
            told = self.images.select(expression(condition)).to_series()
        except pl.exceptions.PolarsError as error:
            raise ConfigError(f"the condition '{condition}' fails on the images: {_one_line(error)}") from None
        if told.dtype != pl.Boolean:
            raise ConfigError(f"the condition '{condition}' gives {told.dtype}, not true or false; compare it")
        return np.resize(told.fill_null(False).to_numpy(), self.images.height)

    def _index(self, conditions: tuple[str, ...]) -> Index:
        positions = np.flatnonzero((self.codes >= 0) & self.mask(conditions))
        order = np.argsort(self.codes[positions], kind="stable")
        counts = np.bincount(self.codes[positions], minlength=self.generators.height)
        return Index(positions[order], np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))


def expression(condition: str) -> pl.Expr:
    """Return a condition in SQL as an expression. Raises ConfigError."""
    try:
        return pl.sql_expr(condition)
    except pl.exceptions.PolarsError as error:
        raise ConfigError(f"the condition '{condition}' cannot be understood: {_one_line(error)}") from None


def pinned(root: str) -> dict[str, int]:
    """Return the newest versions of the tables that experiments read, of those that are there."""
    return {table.name: snapshot.current_version(root, table) for table in READ if snapshot.exists(root, table)}


def read(root: str, design: Design, versions: Mapping[str, int]) -> Candidates:
    """Return the images that meet the experiment's conditions, none of a withdrawn generator.

    Raises NothingUsable, ConfigError for a condition or column that there is not, LakeMissing.
    """
    wanted = _columns(design)
    scans = {table: snapshot.scan(root, table, versions[table.name]) for table in READ if table.name in versions}
    if IMAGES not in scans or GENERATORS not in scans:
        raise NothingUsable(f"the lake at {root} has no images, or no generators; run `forensics ingest` first")
    rows = _joined(scans, design, wanted)
    conditions = [expression(condition).fill_null(False) for condition in design.where]
    try:
        found = rows.filter(conditions).collect() if conditions else rows.collect()
    except pl.exceptions.PolarsError as error:
        raise ConfigError(f"where: {_one_line(error)}") from None
    if found["label"].n_unique() < 2:
        raise NothingUsable(f"{found.height} images meet the experiment's conditions, of fewer than two classes")
    if design.content_column and found["content"].null_count() == found.height:
        raise ConfigError(
            f"content_pattern: the first group of '{design.content_pattern}' matches no {design.content_column}; "
            "without it the same content could be in training and tests"
        )
    return Candidates(found, design)


def generator_columns(design: Design) -> list[str]:
    """Return the columns of generators that the design names, and those that measures of diversity count."""
    named = [design.group_by, *(test.unit for test in design.tests.values())]
    named += [design.hold_out.by] if design.hold_out.by else []
    return list(dict.fromkeys(["generator_id", *named, *LINEAGE]))


LINEAGE = ("family", "architecture", "root_model_id")
"""By which the diversity of every training set is counted."""


def all_conditions(design: Design) -> list[str]:
    """Return every condition of a design."""
    found = [*design.where, *design.training.where]
    for arm in design.arms.values():
        found += [*arm.fakes.where, *arm.reals.where]
    for test in design.tests.values():
        found += [*test.fakes.where, *test.reals.where]
    return found


def _columns(design: Design) -> set[str]:
    """Return the columns that have to be read. Raises ConfigError for those that there are not."""
    of_images, of_generators = (_scalars(table) for table in (IMAGES, GENERATORS))
    in_conditions = {name for text in all_conditions(design) for name in expression(text).meta.root_names()}
    wanted = {"image_id", "label", "generator_id", "real_source", *generator_columns(design), *in_conditions}
    wanted |= {design.content_column} if design.content_column else set()
    known = {*of_images, *of_generators, *_ADDED}
    if unknown := sorted(wanted - known):
        raise ConfigError(f"there is no column {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    return wanted


def _joined(scans: Mapping[Table, pl.LazyFrame], design: Design, wanted: set[str]) -> pl.LazyFrame:
    images = scans[IMAGES].select(_of(IMAGES, wanted | {"generator_id"}))
    taken = set(images.collect_schema().names()) - {"generator_id"}
    makers = scans[GENERATORS].select(_of(GENERATORS, (wanted - taken) | {"generator_id"})).unique("generator_id")
    rows = images.join(makers, on="generator_id", how="left")
    if COLLECTIONS in scans and wanted & {"given_split", "collections"}:
        of_collection = pl.col("collection") == pl.lit(design.collection)
        places = (
            scans[COLLECTIONS]
            .group_by("image_id")
            .agg(
                pl.col("collection").unique().sort().alias("collections"),
                pl.col("split").filter(of_collection).min().alias("given_split"),
            )
        )
        rows = rows.join(places, on="image_id", how="left")
    else:
        empty = (
            pl.lit(None, pl.List(pl.String)).alias("collections"),
            pl.lit(None, pl.String).alias("given_split"),
        )
        rows = rows.with_columns(empty)
    if DUPLICATE_CLUSTERS in scans:
        rows = rows.join(scans[DUPLICATE_CLUSTERS].select("image_id", "cluster_id"), on="image_id", how="left")
    else:
        rows = rows.with_columns(cluster_id=pl.lit(None, pl.String))
    if WITHDRAWALS in scans:
        rows = rows.join(scans[WITHDRAWALS].select("generator_id").unique(), on="generator_id", how="anti")
    if design.content_column:
        rows = rows.with_columns(content=pl.col(design.content_column).str.extract(design.content_pattern, 1))
    else:
        rows = rows.with_columns(content=pl.lit(None, pl.String))
    return rows.unique("image_id", keep="first")


def _scalars(table: Table) -> list[str]:
    return [field.name for field in table.schema if not isinstance(field.dataType, BinaryType | ArrayType)]


def _of(table: Table, names: Iterable[str]) -> Sequence[str]:
    return [name for name in _scalars(table) if name in set(names)]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
