"""Rows of `generators` for the models of the Hub: one a model, with lineage and verdict."""

from datetime import datetime
from itertools import chain

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from etl.lake.schemas import GENERATORS
from etl.models.eligibility import judge
from etl.models.families import PIPELINES
from etl.models.lineage import lineage
from etl.models.settings import Policy

IGNORED = ("updated_at",)
"""Columns whose change alone is no change of a generator."""


def generators(current: DataFrame, policy: Policy, at: datetime) -> tuple[DataFrame, int]:
    """Return the generators of `current` (rows of `models`, one a model), and how many run in circles of bases.

    What has no pipeline class of its own, such as an adapter, has the family and architecture of its root.
    """
    roots, cyclic = lineage(current)
    judged = judge(current, policy).join(roots, on="model_id", how="left")
    classes = current.select(F.col("model_id").alias("root_model_id"), F.col("pipeline_class").alias("root_class"))
    known = judged.join(classes, on="root_model_id", how="left")
    named = F.coalesce("pipeline_class", "root_class")
    columns: dict[str, Column] = {
        "generator_id": F.col("model_id"),
        "kind": F.lit("hub"),
        "name": F.col("model_id"),
        "family": _looked_up(named, {name: found.family for name, found in PIPELINES.items()}),
        "architecture": _looked_up(named, {name: found.architecture for name, found in PIPELINES.items()}),
        "released_at": F.col("created_at"),
        "updated_at": F.lit(at),
    }
    return known.select(*[columns.get(c, F.col(c)).alias(c) for c in GENERATORS.columns]), cyclic


def _looked_up(key: Column, table: dict[str, str]) -> Column:
    literals = [F.lit(word) for word in chain.from_iterable(table.items())]
    return F.try_element_at(F.create_map(*literals), key)


def tally(reasons: dict[str | None, int]) -> str:
    """Return counts by reason (None: eligible) in words, e.g. `3 models = 2 eligible + 1 GATED`."""
    eligible = reasons.get(None, 0)
    refused = [f"{count} {reason}" for reason, count in sorted(reasons.items(), key=str) if reason is not None]
    return " + ".join([f"{sum(reasons.values())} models = {eligible} eligible", *refused])
