"""Which model a model was made from: declared base models, and the root that they lead to.

Declarations are tags (`base_model:finetune:owner/name`) and the card. A root is named only where every declared
path ends in the same model of the catalogue; merges of several roots, bases outside the catalogue and cycles
have none.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from etl.lake.schemas import BASE_MODEL

_RELATED = r"^base_model:(adapter|finetune|merge|quantized):(.+)$"
_UNRELATED = r"^base_model:([^:]+)$"


class Root(NamedTuple):
    """Where a model's lineage ends, and by how many steps at least; both None where that is unknown."""

    root_model_id: str | None
    depth: int | None


UNKNOWN = Root(None, None)


class Lineage(NamedTuple):
    """The root of every model, and the models whose declared bases run in a circle."""

    roots: dict[str, Root]
    cyclic: set[str]


def resolve(bases: Mapping[str, Sequence[str]]) -> Lineage:
    """Return the root of every key of `bases`, which names each model's declared base models.

    A model without a declared base is its own root. Depth-first without recursion: chains may be long.
    """
    roots: dict[str, Root] = {}
    cyclic: set[str] = set()
    for start in bases:
        path = [] if start in roots else [start]
        on_path = set(path)
        while path:
            model = path[-1]
            open_bases = [base for base in bases[model] if base in bases and base not in roots]
            circle = [base for base in open_bases if base in on_path]
            if circle:
                for member in path[path.index(circle[0]) :]:
                    cyclic.add(member)
                    roots[member] = UNKNOWN
                    on_path.discard(member)
                del path[path.index(circle[0]) :]
            elif open_bases:
                path.append(open_bases[0])
                on_path.add(open_bases[0])
            else:
                roots[model] = _root(model, bases[model], roots)
                on_path.discard(path.pop())
    return Lineage(roots, cyclic)


def _root(model: str, bases: Sequence[str], roots: Mapping[str, Root]) -> Root:
    if not bases:
        return Root(model, 0)
    found = [roots.get(base, UNKNOWN) for base in bases]
    ends = {root.root_model_id for root in found}
    if len(ends) > 1 or None in ends:
        return UNKNOWN
    return Root(ends.pop(), 1 + min(root.depth for root in found if root.depth is not None))


def lineage(models: DataFrame) -> tuple[DataFrame, int]:
    """Return (model_id, root_model_id, lineage_depth) of every model, and how many are in circles.

    `models` has model_id, once each, and base_models. Ids and edges alone come to the driver: about 100 bytes a
    model, and following them takes one pass there where Spark would need a join a step.
    """
    edges = models.select("model_id", F.col("base_models.model_id").alias("bases")).toArrow()
    ids, bases = edges.column("model_id").to_pylist(), edges.column("bases").to_pylist()
    found = resolve({model: parents or [] for model, parents in zip(ids, bases, strict=True)})
    table = pa.table(
        {
            "model_id": pa.array(ids, pa.string()),
            "root_model_id": pa.array([found.roots[model].root_model_id for model in ids], pa.string()),
            "lineage_depth": pa.array([found.roots[model].depth for model in ids], pa.int32()),
        }
    )
    return models.sparkSession.createDataFrame(table), len(found.cyclic)


def base_models(model_id: Column, tags: Column, card_bases: Column, card_relation: Column) -> Column:
    """Return the declared base models, each once, with the relation where one is declared.

    `card_bases` is the card's base_model as JSON text or a plain string. A model that names itself is left out.
    """
    related = F.transform(
        F.filter(tags, lambda tag: tag.rlike(_RELATED)),
        lambda tag: _base(F.regexp_extract(tag, _RELATED, 2), F.regexp_extract(tag, _RELATED, 1)),
    )
    unrelated = F.transform(
        F.filter(tags, lambda tag: tag.rlike(_UNRELATED)),
        lambda tag: F.regexp_extract(tag, _UNRELATED, 1),
    )
    in_card = F.when(card_bases.startswith("["), F.from_json(card_bases, "array<string>")).otherwise(
        F.array(card_bases)
    )
    named = F.concat(_or_none(unrelated), _or_none(in_card))
    missing = F.filter(
        F.array_distinct(named),
        lambda name: name.isNotNull() & ~F.coalesce(F.array_contains(related["model_id"], name), F.lit(False)),
    )
    all_bases = F.concat(_or_none(related), F.transform(missing, lambda name: _base(name, card_relation)))
    return F.array_distinct(F.filter(all_bases, lambda base: base["model_id"] != model_id))


def _base(model_id: Column, relation: Column) -> Column:
    return F.struct(model_id.alias("model_id"), relation.alias("relation")).cast(BASE_MODEL)


def _or_none(values: Column) -> Column:
    return F.coalesce(values, F.array())
