"""Adapters and their bases: a LoRA is eligible with a model that it can be laid on and that is eligible itself."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from etl.models.eligibility import Reason
from etl.models.families import ADAPTABLE
from etl.models.settings import Policy
from etl.models.weights import is_beside_card, total_bytes

ADAPTER_FACTS = ("adapts", "adapter_bytes", "copy_of")
"""Columns that `with_bases` looks at beside those of a generator."""


def adapter_facts() -> dict[str, Column]:
    """Return what rows of `eligibility.judge` lack of ADAPTER_FACTS.

    adapts: the models that a repository adapts by its own word, in its order; adapter_bytes: the bytes of the
    safetensors beside the card, where an adapter has its weights, null without any.
    """
    adapted = F.filter("base_models", lambda base: base["relation"] == "adapter")
    beside = F.filter("files", is_beside_card)
    return {
        "adapts": F.transform(adapted, lambda base: base["model_id"]),
        "adapter_bytes": F.when(F.size(beside) > 0, total_bytes(beside)),
    }


def with_bases(judged: DataFrame, policy: Policy) -> DataFrame:
    """Return `judged` with the verdict on adapters that have a base among the eligible models: the first named.

    Such an adapter has its base's class, and both are downloaded. `judged` comes from `eligibility.judge` with
    ADAPTER_FACTS; it is read three times.
    """
    adapters = judged.where(F.col("reason") == Reason.ADAPTER.value).select("model_id", F.posexplode("adapts"))
    named = adapters.select(F.col("model_id").alias("adapter"), "pos", F.col("col").alias("model_id"))
    usable = judged.where(F.col("eligible") & F.col("pipeline_class").isin(*ADAPTABLE))
    found = named.join(usable.select("model_id", "pipeline_class", "download_bytes"), on="model_id")
    base = F.struct("pos", "model_id", "pipeline_class", "download_bytes")
    first = found.groupBy(F.col("adapter").alias("model_id")).agg(F.min(base).alias("base"))
    known = judged.join(first, on="model_id", how="left")
    return known.withColumns(_verdict(F.col("base"), policy)).drop("base", *ADAPTER_FACTS)


def _verdict(base: Column, policy: Policy) -> dict[str, Column]:
    """The columns of an adapter with a base; every other row keeps its own."""
    download = base["download_bytes"] + F.coalesce("adapter_bytes", F.lit(0))
    rules = [
        (
            F.col("weight_bytes").isNull(),
            Reason.NO_DETAIL,
            F.lit("its files could not be listed; the next sweep asks again"),
        ),
        (F.col("adapter_bytes").isNull(), Reason.PICKLE_ONLY, F.lit("no safetensors beside its card")),
        (
            download / 1e9 > policy.max_weight_gb,
            Reason.TOO_LARGE,
            F.format_string("%.1f GB to download with its base", download / 1e9),
        ),
        (F.col("copy_of").isNotNull(), Reason.COPY, F.concat(F.lit("the same weights as "), "copy_of")),
    ]
    reason, words = F.lit(None).cast("string"), F.lit(None).cast("string")
    for applies, name, said in reversed(rules):
        reason = F.when(applies, name.value).otherwise(reason)
        words = F.when(applies, said).otherwise(words)
    found = {
        "pipeline_class": F.coalesce("pipeline_class", base["pipeline_class"]),
        "download_bytes": download,
        "eligible": reason.isNull(),
        "reason": reason,
        "detail": words,
    }
    return {name: F.when(base.isNotNull(), value).otherwise(F.col(name)) for name, value in found.items()}
