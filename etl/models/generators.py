"""Rows of `generators` for the models of the Hub: one a model, with lineage and verdict."""

from datetime import datetime
from itertools import chain

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from etl.lake.schemas import GENERATORS
from etl.models.eligibility import is_adapter, judge
from etl.models.families import ARCHITECTURES, PIPELINES
from etl.models.lineage import lineage
from etl.models.settings import Policy

IGNORED = ("updated_at",)
"""Columns whose change alone is no change of a generator."""


def generators(models: DataFrame, policy: Policy, at: datetime) -> tuple[DataFrame, list[tuple[str, ...]]]:
    """Return the generators of `models` (every revision), and the circles of models that name each other as base.

    What has no pipeline class of its own, such as an adapter, has the family and architecture of its bases.
    """
    current = models.where("is_current")
    narrow = judge(current, policy).withColumns(
        {"family": _own_family(), "derived": is_adapter() | _is_quantised()}
    )
    narrow = narrow.select(*_JUDGED)
    roots, circles = lineage(narrow.select(*_FOR_LINEAGE))
    known = narrow.drop("family").join(roots, on="model_id", how="left")
    pinned = known.join(_oldest(models), on=["model_id", "weights_sha256"], how="left")
    columns: dict[str, Column] = {
        "generator_id": F.col("model_id"),
        "kind": F.lit("hub"),
        "name": F.col("model_id"),
        "revision": F.coalesce("oldest_revision", "revision"),
        "architecture": _looked_up(F.col("family"), ARCHITECTURES),
        "released_at": F.col("created_at"),
        "updated_at": F.lit(at),
    }
    return pinned.select(*[columns.get(c, F.col(c)).alias(c) for c in GENERATORS.columns]), circles


_FOR_LINEAGE = ("model_id", "base_models", "family", "derived", "weights_sha256", "created_at")
_JUDGED = (
    *(*_FOR_LINEAGE, "revision", "pipeline_class", "scheduler", "licence", "nsfw", "weight_bytes", "downloads"),
    *("eligible", "reason", "detail"),
)
"""What is left of a model before anything is joined: lists of files stay behind."""


def _own_family() -> Column:
    """The family that a model's class names; v-prediction under Stable Diffusion's class tells SD 2.x."""
    family = _looked_up(F.col("pipeline_class"), {name: found.family for name, found in PIPELINES.items()})
    predicts = F.get_json_object("scheduler_config", "$.prediction_type")
    return F.when((family == "SD 1.x") & (predicts == "v_prediction"), "SD 2.x").otherwise(family)


def _is_quantised() -> Column:
    quantised = F.exists("base_models", lambda base: base["relation"] == "quantized")
    return F.coalesce(quantised, F.lit(False))


def _oldest(models: DataFrame) -> DataFrame:
    """Return the first known revision (`oldest_revision`) of each model with each set of weights.

    That one is sampled: an edited card makes a new revision, not a new generator.
    """
    earlier = models.where(~F.col("is_current") & F.col("weights_sha256").isNotNull())
    first = F.min_by("revision", F.struct("first_seen", "revision")).alias("oldest_revision")
    return earlier.groupBy("model_id", "weights_sha256").agg(first)


def _looked_up(key: Column, table: dict[str, str]) -> Column:
    literals = [F.lit(word) for word in chain.from_iterable(table.items())]
    return F.try_element_at(F.create_map(*literals), key)


def tally(reasons: dict[str | None, int]) -> str:
    """Return counts by reason (None: eligible) in words, e.g. `3 models = 2 eligible + 1 GATED`."""
    eligible = reasons.get(None, 0)
    refused = [f"{count} {reason}" for reason, count in sorted(reasons.items(), key=str) if reason is not None]
    return " + ".join([f"{sum(reasons.values())} models = {eligible} eligible", *refused])
