"""Rows of `generators` for the models of the Hub: one a model, with lineage and verdict."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import chain

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from etl.lake.schemas import GENERATORS
from etl.models.adapters import ADAPTER_FACTS, adapter_facts, with_bases
from etl.models.eligibility import is_adapter, judge
from etl.models.families import ARCHITECTURES, PIPELINES
from etl.models.lineage import lineage
from etl.models.settings import Policy

IGNORED = ("updated_at",)
"""Columns whose change alone is no change of a generator."""


@contextmanager
def generators(
    models: DataFrame, policy: Policy, at: datetime
) -> Iterator[tuple[DataFrame, list[tuple[str, ...]]]]:
    """Give the generators of `models` (every revision), and the circles of models that name each other as base.

    What has no pipeline class of its own, such as an adapter, has the family and architecture of its bases. What
    is read more than once is kept in memory until the context ends.
    """
    current = models.where("is_current")
    roots, circles = lineage(current.withColumns({"family": _own_family(), "derived": _is_derived()}))
    # Narrow before anything is joined: lists of files stay behind.
    judged = judge(current, policy).withColumns(adapter_facts()).select(*_JUDGED, *ADAPTER_FACTS).persist()
    known = (
        with_bases(judged, policy)
        .join(roots, on="model_id", how="left")
        .join(_earlier(models), on="model_id", how="left")
    )
    columns: dict[str, Column] = {
        "generator_id": F.col("model_id"),
        "kind": F.lit("hub"),
        "name": F.col("model_id"),
        "revision": _first_revision(),
        "architecture": _looked_up(F.col("family"), ARCHITECTURES),
        "released_at": F.col("created_at"),
        "updated_at": F.lit(at),
    }
    try:
        yield known.select(*[columns.get(c, F.col(c)).alias(c) for c in GENERATORS.columns]), circles
    finally:
        judged.unpersist()


_JUDGED = (
    *("model_id", "revision", "weights_sha256", "pipeline_class", "scheduler", "licence", "nsfw", "weight_bytes"),
    *("download_bytes", "downloads", "created_at", "first_seen", "eligible", "reason", "detail"),
)
_QUANTISED = ("gguf", "bitsandbytes", "4-bit", "8-bit")
"""Tags that the Hub derives from the files of a quantisation."""


def _own_family() -> Column:
    """The family that a model's class names; v-prediction under Stable Diffusion's class tells SD 2.x."""
    family = _looked_up(F.col("pipeline_class"), {name: found.family for name, found in PIPELINES.items()})
    predicts = F.get_json_object("scheduler_config", "$.prediction_type")
    return F.when((family == "SD 1.x") & (predicts == "v_prediction"), "SD 2.x").otherwise(family)


def _is_derived() -> Column:
    """Whether a repository cannot be a model of its own: an adapter without a pipeline, or a quantisation."""
    quantised = F.exists("tags", lambda tag: tag.isin(*_QUANTISED)) | F.exists(
        "base_models", lambda base: base["relation"] == "quantized"
    )
    return (F.col("pipeline_class").isNull() & is_adapter()) | F.coalesce(quantised, F.lit(False))


def _earlier(models: DataFrame) -> DataFrame:
    """Return `earlier`, a list a model: the revisions that are not the current one and whose weights are known."""
    past = models.where(~F.col("is_current") & F.col("weights_sha256").isNotNull())
    revision = F.struct("weights_sha256", "first_seen", "revision")
    return past.groupBy("model_id").agg(F.collect_list(revision).alias("earlier"))


def _first_revision() -> Column:
    """The oldest known revision with the current one's weights: an edited card makes no new generator."""
    same = F.filter("earlier", lambda past: past["weights_sha256"] == F.col("weights_sha256"))
    dated = F.transform(same, lambda past: F.struct(past["first_seen"], past["revision"]))
    current = F.struct("first_seen", "revision")
    return F.array_min(F.concat(F.array(current), F.coalesce(dated, F.array())))["revision"]


def _looked_up(key: Column, table: dict[str, str]) -> Column:
    literals = [F.lit(word) for word in chain.from_iterable(table.items())]
    return F.try_element_at(F.create_map(*literals), key)


def tally(reasons: dict[str | None, int]) -> str:
    """Return counts by reason (None: eligible) in words, e.g. `3 models = 2 eligible + 1 GATED`."""
    eligible = reasons.get(None, 0)
    refused = [f"{count} {reason}" for reason, count in sorted(reasons.items(), key=str) if reason is not None]
    return " + ".join([f"{sum(reasons.values())} models = {eligible} eligible", *refused])
