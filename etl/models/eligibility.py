"""Which models may be sampled: every model is eligible, or refused for exactly one reason.

`rules` reads in order of precedence. First what forbids even to look (gone, closed, unlicensed, unsafe), then what
a repository is (no pipeline, one we do not sample), then what its files are, then whether another has the same.
"""

from enum import StrEnum

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from etl.models.families import COMPONENT_LIBRARIES, SAMPLED
from etl.models.settings import Policy
from etl.models.weights import folder, is_component, is_safe, total_bytes


class Reason(StrEnum):
    """Why a model is not eligible, in order of precedence."""

    WITHDRAWN = "WITHDRAWN"
    DISABLED = "DISABLED"
    GATED = "GATED"
    EXCLUDED = "EXCLUDED"
    LICENCE = "LICENCE"
    NOT_FOR_ALL_AUDIENCES = "NOT_FOR_ALL_AUDIENCES"
    REMOTE_CODE = "REMOTE_CODE"
    ADAPTER = "ADAPTER"  # and no model that may be sampled is known to be its base
    NOT_DIFFUSERS = "NOT_DIFFUSERS"
    NO_DETAIL = "NO_DETAIL"
    UNSUPPORTED_PIPELINE = "UNSUPPORTED_PIPELINE"
    PICKLE_ONLY = "PICKLE_ONLY"
    TOO_LARGE = "TOO_LARGE"
    COPY = "COPY"
    IMPORTED = "IMPORTED"  # no model of the Hub: its images came from elsewhere


_CODE = r"(?i)\.py[co]?$"
_VARIANT = r"\.(fp16|bf16|non_ema)[.-]"


def rules(policy: Policy) -> list[tuple[Reason, Column, Column]]:
    """Return (reason, when it applies, what it rests on in words) in order of precedence.

    The conditions are over the columns of `models` and those that `facts` adds; a null condition does not apply.
    """
    licences = F.split(F.coalesce("licence", F.lit("")), ",")
    barred = "|".join(f"(?:{pattern})" for pattern in policy.forbidden_licences) or "(?!)"
    unlicensed = F.lit(not policy.allow_unknown_licence) & F.col("licence").isNull()
    excluded = "|".join(f"(?:{pattern})" for pattern in policy.excluded) or "(?!)"
    no_safe = ~F.exists("files", is_safe)
    base = F.coalesce(F.get("base_models", F.lit(0))["model_id"], F.lit("an unnamed model"))
    gigabytes = F.col("download_bytes") / 1e9
    pickled = F.when(F.size("pickled") > 0, F.concat_ws(", ", F.slice("pickled", 1, 5)))
    return [
        (Reason.WITHDRAWN, F.col("withdrawn_at").isNotNull(), F.lit("gone from the Hub, or under another name")),
        (Reason.DISABLED, F.col("disabled"), F.lit("the Hub has disabled it")),
        (Reason.GATED, F.col("gated") != "no", F.format_string("access is granted by its owner (%s)", "gated")),
        (Reason.EXCLUDED, F.col("model_id").rlike(rf"\A(?:{excluded})\z"), F.lit("named by the policy")),
        (
            Reason.LICENCE,
            unlicensed | F.exists(licences, lambda name: name.rlike(rf"(?i)\A(?:{barred})\z")),
            F.concat(F.lit("licence: "), F.coalesce("licence", F.lit("none"))),
        ),
        (
            Reason.NOT_FOR_ALL_AUDIENCES,
            F.col("nsfw") & F.lit(not policy.allow_nsfw),
            F.lit("tagged not-for-all-audiences"),
        ),
        (Reason.REMOTE_CODE, F.col("code").isNotNull(), F.col("code")),
        (
            Reason.ADAPTER,
            ~F.col("has_index") & is_adapter(),
            F.concat(F.lit("adapts "), base),
        ),
        (Reason.NOT_DIFFUSERS, ~F.col("has_index"), F.lit("no model_index.json")),
        (
            Reason.NO_DETAIL,
            (F.col("weight_bytes").isNull() | F.col("model_index").isNull())
            & ~(F.coalesce(~F.col("pipeline_class").isin(*SAMPLED), F.lit(False)) | no_safe),
            F.lit("its files could not be listed; the next sweep asks again"),
        ),
        (
            Reason.UNSUPPORTED_PIPELINE,
            ~F.coalesce(F.col("pipeline_class").isin(*SAMPLED), F.lit(False)),
            F.concat(F.lit("pipeline class: "), F.coalesce("pipeline_class", F.lit("none"))),
        ),
        (
            Reason.PICKLE_ONLY,
            (F.size("pickled") > 0) | (F.size("safe") == 0),
            F.concat(F.lit("no safetensors in "), F.coalesce(pickled, F.lit("any component"))),
        ),
        (
            Reason.TOO_LARGE,
            gigabytes > policy.max_weight_gb,
            F.format_string(f"%.1f GB to download, at most {policy.max_weight_gb:g}", gigabytes),
        ),
        (Reason.COPY, F.col("copy_of").isNotNull(), F.concat(F.lit("the same weights as "), "copy_of")),
    ]


def judge(models: DataFrame, policy: Policy) -> DataFrame:
    """Return `models` with `eligible`, `reason` and `detail`; one reason for every model that is not eligible.

    No adapter is eligible here: `adapters.with_bases` decides those whose base is.
    """
    reason, words = F.lit(None).cast("string"), F.lit(None).cast("string")
    for name, applies, said in reversed(rules(policy)):
        reason = F.when(applies, name.value).otherwise(reason)
        words = F.when(applies, said).otherwise(words)
    judged = copies(facts(models)).withColumns({"reason": reason, "detail": F.substring(words, 1, 500)})
    return judged.withColumn("eligible", F.col("reason").isNull())


def facts(models: DataFrame) -> DataFrame:
    """Return `models` with what the rules look at.

    scheduler (its class), has_index; code (what asks for code of the repository's own, in words, else null); safe
    (the safetensors files of its components) and pickled (the components with weights of other kinds alone);
    download_bytes.
    """
    index = F.from_json("model_index", "map<string, string>")
    has_index = F.exists("files", lambda file: file["path"] == "model_index.json")
    parsed = models.withColumns({"index": index, "has_index": F.coalesce(has_index, F.lit(False))})
    weights = F.filter("weight_files", lambda file: is_component(F.col("index"), folder(file)))
    split = parsed.withColumns(
        {
            "code": _code(),
            "safe": F.filter(weights, is_safe),
            "other": F.filter(weights, lambda file: ~is_safe(file)),
        }
    )
    pickled = F.array_except(F.transform("other", folder), F.transform("safe", folder))
    plain = F.filter("safe", lambda file: ~file["path"].rlike(_VARIANT))
    needed = F.when(F.size(plain) > 0, plain).otherwise(F.col("safe"))
    found = {
        "pickled": pickled,
        "download_bytes": total_bytes(needed),
        "scheduler": F.substring(F.get_json_object("scheduler_config", "$._class_name"), 1, 100),
    }
    return split.withColumns(found).drop("index", "other")


def copies(models: DataFrame) -> DataFrame:
    """Return `models` with `copy_of`: the oldest model that is there and has the same weights; null for itself.

    Few weights have copies, so their list goes to the models and not the models to it.
    """
    age = F.struct(F.coalesce("created_at", F.lit("9999-01-01").cast("timestamp")), "model_id")
    there = models.where(F.col("weights_sha256").isNotNull() & F.col("withdrawn_at").isNull())
    counted = there.groupBy("weights_sha256").agg(
        F.min_by("model_id", age).alias("oldest"), F.count("*").alias("n")
    )
    several = F.broadcast(counted.where("n > 1").drop("n"))
    found = models.join(several, on="weights_sha256", how="left")
    copy_of = F.when(F.col("oldest") != F.col("model_id"), F.col("oldest"))
    return found.withColumn("copy_of", copy_of).drop("oldest")


def is_adapter() -> Column:
    """Whether a repository adapts another model, as a LoRA does, and cannot be sampled without it."""
    return F.coalesce(
        F.exists("tags", lambda tag: (tag == "lora") | tag.endswith("-lora"))
        | F.exists("base_models", lambda base: base["relation"] == "adapter")
        | (F.col("library") == "peft"),
        F.lit(False),
    )


def _code() -> Column:
    """What in a repository asks to run code of its own."""
    script = F.get(F.filter(F.col("files.path"), lambda path: path.rlike(_CODE)), F.lit(0))
    name = F.col("index")["_class_name"]
    listed = F.map_filter("index", lambda key, value: ~key.startswith("_") & value.startswith("["))
    libraries = F.transform(
        F.map_values(listed), lambda value: F.get(F.from_json(value, "array<string>"), F.lit(0))
    )
    foreign = F.get(F.filter(libraries, lambda library: ~library.isin(*COMPONENT_LIBRARIES)), F.lit(0))
    return F.coalesce(
        F.when(name.rlike(r"^[\[{]"), F.concat(F.lit("pipeline class of its own: "), name)),
        F.concat(F.lit("holds Python code: "), script),
        F.concat(F.lit("a component from elsewhere: "), foreign),
    )
