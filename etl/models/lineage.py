"""Which model a model was made from: the root that its declared bases lead to, and what that rests on.

Three kinds of evidence, the stronger first: weights that are those of another model, base models that are known as
such (`etl.models.bases`), and what repositories declare. A root is certain only where it is a known base. Ids and
declarations alone come to the driver, where following them takes one pass; Spark would need a join a step.
"""

import contextlib
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from etl.models import roots
from etl.models.bases import KNOWN, places
from etl.models.families import ARCHITECTURES, HIDDEN, OFFSHOOTS
from etl.models.roots import NO_FAMILY, Graph, Ints


class Basis(StrEnum):
    """What a model's root rests on, or why it has none."""

    KNOWN = "KNOWN"  # it is a known base, or what it declares ends at one
    DECLARED = "DECLARED"  # what it declares ends at a model of the catalogue that declares nothing
    COPY = "COPY"  # it has the weights of a known base or of an older model, and that one's root, if any
    UNDECLARED = "UNDECLARED"  # it declares nothing and is taken for its own root
    OUTSIDE = "OUTSIDE"  # what it declares leads out of the catalogue
    SEVERAL = "SEVERAL"  # merged from models of different roots, or made from such a merge
    CONTRADICTED = (
        "CONTRADICTED"  # its pipeline class is of another family than what it declares, or so on the way
    )
    CYCLE = "CYCLE"  # what it declares runs in a circle, or leads into one
    NO_BASE = "NO_BASE"  # an adapter or a quantisation that names no base, or made from such a one


_COLUMNS: dict[str, Any] = {
    "model_id": pl.String,
    "bases": pl.List(pl.String),
    "family": pl.String,
    "derived": pl.Boolean,
    "weights": pl.Binary,
    "created_at": pl.Int64,
}
SCHEMA = pl.Schema(_COLUMNS)
"""What `resolve` reads of a model: its id, its declared bases, the family of its own class, whether it is no model
of its own (an adapter, a quantisation), a hash of its weights where known, and when it was made (any unit)."""

_FAMILIES: list[str | None] = [None, *ARCHITECTURES]
_CODES = {family: code for code, family in enumerate(_FAMILIES)}
_SHARED = [_CODES[HIDDEN.get(family or "", family)] for family in _FAMILIES]
_OFFSHOOTS = frozenset(_CODES[family] for family in OFFSHOOTS)
_WHY = {
    getattr(roots, basis.name): basis
    for basis in (Basis.OUTSIDE, Basis.SEVERAL, Basis.CONTRADICTED, Basis.CYCLE, Basis.NO_BASE)
}


class Lineage(NamedTuple):
    """A row a model, in the order in which they came, and the circles of declared bases, each sorted."""

    rows: pl.DataFrame
    circles: list[tuple[str, ...]]


def lineage(models: DataFrame) -> tuple[DataFrame, list[tuple[str, ...]]]:
    """Return `resolve`'s rows and circles for models in Spark.

    `models` has model_id, once each, base_models, family, derived, weights_sha256 and created_at.
    """
    columns = models.select(
        "model_id",
        F.col("base_models.model_id").alias("bases"),
        "family",
        "derived",
        F.unhex("weights_sha256").alias("weights"),
        F.unix_micros("created_at").alias("created_at"),
    )
    with _large_batches(models.sparkSession):
        found = resolve(pl.DataFrame(columns.toArrow(), schema=SCHEMA))
        rows = found.rows.to_arrow(compat_level=pl.CompatLevel.oldest())
        return models.sparkSession.createDataFrame(rows), found.circles


def resolve(models: pl.DataFrame) -> Lineage:
    """Return model_id, root_model_id, root_basis, root_certain, lineage_depth and family of every model.

    `models` is as SCHEMA has it, one row a model; their order decides nothing.
    """
    count = len(models)
    known = _known(models["model_id"])
    stands_for = _stands_for(models, known)
    names = _names(models["model_id"], known)
    graph = _graph(models, _edges(models, known, stands_for))
    circles = roots.resolve(graph)

    root, own = graph.root[stands_for], np.arange(count)
    basis = np.select(
        [
            (stands_for != own) & (known < 0),
            root >= count,
            root == own,
            root >= 0,
            *[root == code for code in _WHY],
        ],
        range(4 + len(_WHY)),
    )
    words = pl.Series([Basis.COPY, Basis.KNOWN, Basis.UNDECLARED, Basis.DECLARED, *_WHY.values()], dtype=pl.String)
    there = pl.lit(pl.Series(root >= 0))
    rows = models.select(
        "model_id",
        root_model_id=pl.when(there).then(names.gather(np.maximum(root, 0))),
        root_basis=words.gather(basis),
        root_certain=pl.Series(root >= count),
        lineage_depth=pl.when(there).then(pl.Series(graph.depth[stands_for])),
        family=pl.Series(_FAMILIES, dtype=pl.String).gather(graph.family[stands_for]),
    )
    return Lineage(rows, sorted(tuple(sorted(names.gather(circle))) for circle in circles))


def _known(ids: pl.Series) -> Ints:
    """The place in KNOWN of each model that has one of its names, else -1."""
    found = ids.str.to_lowercase().replace_strict(places(), default=-1, return_dtype=pl.Int32)
    return found.to_numpy()


def _stands_for(models: pl.DataFrame, known: Ints) -> Ints:
    """The node of each model: its own; a known base's for the base and its mirrors; for a copy, the original's.

    Of models with the same weights a known base is the original, whenever it was uploaded, else the oldest.
    """
    count = len(models)
    nodes = np.where(known < 0, np.arange(count), count + known).astype(np.int32)
    alike = (
        models.select("model_id", "created_at", "weights")
        .with_columns(at=pl.Series(np.arange(count)), strange=pl.Series(known < 0))
        .filter(pl.col("weights").is_not_null())
        .filter(pl.col("weights").is_duplicated())
        .sort("strange", "created_at", "model_id", nulls_last=True)
        .select("at", "strange", original=pl.col("at").first().over("weights"))
        .filter("strange")
    )
    nodes[alike["at"].to_numpy()] = nodes[alike["original"].to_numpy()]
    return nodes


def _names(ids: pl.Series, known: Ints) -> pl.Series:
    """The name of every node; a known base's as the catalogue has it, or a mirror's where only that is there."""
    bases = [base.model_id for base in KNOWN]
    at = np.flatnonzero(known >= 0)
    listed = sorted(zip(ids.gather(at), known[at].tolist(), strict=True), reverse=True)
    mirrored = [(name, place) for name, place in listed if name.lower() != KNOWN[place].model_id.lower()]
    own = [(name, place) for name, place in listed if name.lower() == KNOWN[place].model_id.lower()]
    for name, place in [*mirrored, *own]:
        bases[place] = name
    return pl.concat([ids, pl.Series(ids.name, bases, dtype=pl.String)])


def _edges(models: pl.DataFrame, known: Ints, stands_for: Ints) -> pl.DataFrame:
    """Pairs of nodes `at`, `base`: what is declared, and what the known bases were made from.

    Copies and mirrors do not speak: the original does. What names itself, by whatever name, names nothing. A base
    outside the catalogue is OUTSIDE.
    """
    originals = [base.model_id.lower() for base in KNOWN]
    speaks = (pl.col("node") == pl.col("at")) | pl.col("model_id").str.to_lowercase().is_in(originals)
    said = models.select("model_id", "bases", at=pl.Series(np.arange(len(models))), node=pl.Series(stands_for))
    declared = (
        said.filter((pl.col("bases").list.len() > 0) & speaks).select(at="node", name="bases").explode("name")
    )
    bases = _nodes(declared["name"].unique(), models["model_id"], stands_for)
    made = _made_from(len(models))
    found = declared.join(bases, on="name").select("at", "base").join(made, on="at", how="anti")
    return pl.concat([found, made]).filter(pl.col("at") != pl.col("base")).unique().sort("at", "base")


def _made_from(count: int) -> pl.DataFrame:
    """The pairs of nodes that KNOWN tells."""
    at = places()
    pairs = [
        (count + here, count + at[base.made_from.lower()]) for here, base in enumerate(KNOWN) if base.made_from
    ]
    return pl.DataFrame(pairs, schema={"at": pl.Int32, "base": pl.Int32}, orient="row")


def _nodes(declared: pl.Series, ids: pl.Series, stands_for: Ints) -> pl.DataFrame:
    """The node (`base`) of each declared name: a known base's, else the model's that is called so.

    The Hub's ids are the same in any case; where several models differ in theirs alone, only the exact one counts.
    """
    names = pl.DataFrame({"name": declared.drop_nulls()}).with_columns(folded=pl.col("name").str.to_lowercase())
    models = pl.DataFrame({"id": ids, "folded": ids.str.to_lowercase(), "node": pl.Series(stands_for)})
    exact = models.select(pl.col("id").alias("name"), pl.col("node").alias("exact"))
    folded = models.select("folded", "node").filter(pl.col("folded").is_unique())
    well_known = pl.col("folded").replace_strict(places(), default=None, return_dtype=pl.Int32) + len(ids)
    found = names.join(exact, on="name", how="left").join(folded, on="folded", how="left")
    return found.select("name", base=pl.coalesce(well_known, "exact", "node", pl.lit(roots.OUTSIDE, pl.Int32)))


def _graph(models: pl.DataFrame, edges: pl.DataFrame) -> Graph:
    """The graph of models and, after them, known bases, each its own root unless it must have a base."""
    count = len(models)
    total = count + len(KNOWN)
    offsets = np.zeros(total + 1, np.int32)
    np.cumsum(np.bincount(edges["at"].to_numpy(), minlength=total), out=offsets[1:])
    root = np.arange(total, dtype=np.int32)
    root[:count][models["derived"].fill_null(False).to_numpy()] = roots.NO_BASE
    own = models["family"].replace_strict(_CODES, default=NO_FAMILY, return_dtype=pl.Int32)
    family = np.concatenate([own.to_numpy(), np.array([_CODES[base.family] for base in KNOWN], np.int32)])
    targets = edges["base"].to_numpy().astype(np.int32)
    return Graph(
        offsets, targets, root, np.zeros(total, np.int32), family.astype(np.int32), _SHARED, _OFFSHOOTS, count
    )


@contextlib.contextmanager
def _large_batches(spark: SparkSession) -> Iterator[None]:
    """Let frames travel in large batches: each becomes a partition, and the session's are for images."""
    setting = "spark.sql.execution.arrow.maxRecordsPerBatch"
    before = str(spark.conf.get(setting))
    spark.conf.set(setting, "100000")
    try:
        yield
    finally:
        spark.conf.set(setting, before)
