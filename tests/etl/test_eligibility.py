"""Every model is eligible, or refused for one reason: the first that applies."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from etl.lake.schemas import MODELS
from etl.models.eligibility import Reason, judge
from etl.models.families import PIPELINES, SAMPLED
from etl.models.generators import tally
from etl.models.settings import Policy
from etl.models.weights import weights_sha256
from generation.families import SUPPORTED

DEFAULT = Policy()
INPAINT = "StableDiffusionInpaintPipeline"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "safety_checker": [None, None],
    "requires_safety_checker": False,
}
UNET, VAE = "unet/model.safetensors", "vae/model.safetensors"


def model(model_id: str, files: dict[str, int] | None = None, index: Any = INDEX, **changes: Any) -> Row:
    """A row of `models`, eligible unless told otherwise; hashes follow from the model's id and the file's name."""
    sizes = {"model_index.json": 100, UNET: 1000, VAE: 200} if files is None else files
    listed = [(path, size, f"{model_id}:{path}") for path, size in sizes.items()]
    weights = [file for file in listed if "/" in file[0] or not file[0].endswith((".json", ".py", ".md"))]
    row: dict[str, Any] = dict.fromkeys(MODELS.columns) | {
        "model_id": model_id,
        "revision": "a" * 40,
        "licence": "mit",
        "gated": "no",
        "disabled": False,
        "nsfw": False,
        "library": "diffusers",
        "pipeline_class": "StableDiffusionPipeline",
        "base_models": [],
        "files": listed,
        "weight_files": weights,
        "weight_bytes": sum(file[1] for file in weights),
        "model_index": json.dumps(index) if index is not None else None,
        "tags": ["diffusers"],
        "created_at": NOW,
        "is_current": True,
    }
    return Row(**(row | changes))


def twin(original: Row, model_id: str, **changes: Any) -> Row:
    """A later repository with the same weights."""
    return Row(**(original.asDict() | {"model_id": model_id, "created_at": NOW.replace(month=12)} | changes))


def table(spark: SparkSession, *models: Row) -> DataFrame:
    """Rows of `models`, each with the hash of its weights."""
    rows = spark.createDataFrame(list(models), MODELS.schema)
    return rows.withColumn("weights_sha256", weights_sha256(F.col("model_index"), F.col("weight_files")))


def verdicts(
    spark: SparkSession, *models: Row, policy: Policy = DEFAULT
) -> dict[str, tuple[str | None, str | None]]:
    """The (reason, detail) of each model."""
    rows = judge(table(spark, *models), policy).collect()
    assert all(row["eligible"] == (row["reason"] is None) for row in rows)
    return {row["model_id"]: (row["reason"], row["detail"]) for row in rows}


def with_index(**components: Any) -> dict[str, Any]:
    return INDEX | components


PLAIN = {"model_index.json": 100}
LORA = {"files": {"pytorch_lora_weights.safetensors": 9}, "index": None, "pipeline_class": None}
REFUSED: dict[str, tuple[Reason, str, Row]] = {
    row.model_id: (reason, detail, row)
    for reason, detail, row in [
        (Reason.WITHDRAWN, "gone", model("withdrawn/gated-too", withdrawn_at=NOW, gated="auto")),
        (Reason.DISABLED, "disabled", model("disabled/gated-too", disabled=True, gated="auto")),
        (Reason.GATED, "(manual)", model("gated/nd-too", gated="manual", licence="cc-by-nd-4.0")),
        (Reason.LICENCE, "cc-by-nc-nd-4.0", model("licence/nsfw-too", licence="cc-by-nc-nd-4.0", nsfw=True)),
        (Reason.LICENCE, "mit,cc-by-nd-4.0", model("licence/second", licence="mit,cc-by-nd-4.0")),
        (Reason.NOT_FOR_ALL_AUDIENCES, "tagged", model("nsfw/code-too", files=PLAIN | {"a.py": 1}, nsfw=True)),
        (Reason.REMOTE_CODE, "a.py", model("code/file", files={**PLAIN, UNET: 1, "x/a.py": 1})),
        (Reason.REMOTE_CODE, "Evil", model("code/class", index=with_index(_class_name=["pipeline", "Evil"]))),
        (Reason.REMOTE_CODE, "elsewhere: os", model("code/part", index=with_index(vae=["os", "system"]))),
        (Reason.ADAPTER, "lab/base", model("adapter/related", base_models=[("lab/base", "adapter")], **LORA)),
        (Reason.ADAPTER, "unnamed", model("adapter/tagged", tags=["lora"], **LORA)),
        (Reason.NOT_DIFFUSERS, "no model_index", model("other/gguf", files={"model.gguf": 5}, index=None)),
        (Reason.NO_DETAIL, "next sweep", model("unknown/files", weight_bytes=None, index=None)),
        (Reason.UNSUPPORTED_PIPELINE, "Inpaint", model("class/inpaint", pipeline_class=INPAINT)),
        (Reason.UNSUPPORTED_PIPELINE, "none", model("class/none", pipeline_class=None, files=PLAIN)),
        (Reason.PICKLE_ONLY, "in vae", model("pickle/vae", files={**PLAIN, UNET: 1, "vae/model.bin": 1})),
        (Reason.PICKLE_ONLY, "any component", model("pickle/root", files={**PLAIN, "all.ckpt": 1})),
        (Reason.TOO_LARGE, "61.0 GB", model("large/one", files={**PLAIN, UNET: 61 * 10**9})),
    ]
}  # fmt: skip


def test_each_reason_is_given_to_what_it_is_meant_for(spark: SparkSession) -> None:
    found = verdicts(spark, *[row for _, _, row in REFUSED.values()])
    assert {name: reason for name, (reason, _) in found.items()} == {n: r for n, (r, _, _) in REFUSED.items()}
    missing = {n: found[n][1] for n, (_, words, _) in REFUSED.items() if words not in str(found[n][1])}
    assert missing == {}


def test_no_reason_is_left_without_a_test() -> None:
    elsewhere = {Reason.COPY, Reason.EXCLUDED, Reason.IMPORTED}  # IMPORTED is given by ingest
    assert {reason for reason, _, _ in REFUSED.values()} | elsewhere == set(Reason)


def test_what_a_good_repository_may_have_beside_does_not_harm(spark: SparkSession) -> None:
    half = UNET.replace(".safetensors", ".fp16.safetensors")
    checker = with_index(safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"])
    found = verdicts(
        spark,
        model("good/plain"),
        model("good/both-kinds", files={**PLAIN, UNET: 1, "unet/model.bin": 1, "all.ckpt": 99 * 10**9}),
        model("good/half-precision-not-counted", files={**PLAIN, UNET: 59 * 10**9, half: 30 * 10**9}),
        model("good/pickled-checker", files={**PLAIN, UNET: 1, "safety_checker/model.bin": 1}, index=checker),
        model("good/lora-merged", tags=["lora"]),
        model("good/no-licence", licence=None),
        model("good/nd-inside-a-word", licence="creativeml-openrail-m,and-more"),
    )
    assert {name: verdict for name, verdict in found.items() if verdict[0] is not None} == {}


def test_a_copy_names_the_oldest_model_with_the_same_weights(spark: SparkSession) -> None:
    first = model("z/first")
    found = verdicts(spark, first, twin(first, "a/second"), twin(first, "b/third"), model("other/weights"))
    assert found["a/second"] == found["b/third"] == ("COPY", "the same weights as z/first")
    assert found["z/first"] == found["other/weights"] == (None, None)


def test_a_withdrawn_model_is_nobodys_original(spark: SparkSession) -> None:
    first = model("z/first", withdrawn_at=NOW)
    found = verdicts(spark, first, twin(first, "a/second", withdrawn_at=None))
    assert found["a/second"] == (None, None)


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("licence/second", replace(DEFAULT, forbidden_licences=[])),
        ("large/one", replace(DEFAULT, max_weight_gb=62.0)),
        ("nsfw/only", replace(DEFAULT, allow_nsfw=True)),
    ],
)
def test_the_policy_decides(spark: SparkSession, name: str, policy: Policy) -> None:
    row = model(name, nsfw=True) if name not in REFUSED else REFUSED[name][2]
    assert verdicts(spark, row, policy=policy)[name] == (None, None)


def test_a_policy_can_exclude_models_by_name(spark: SparkSession) -> None:
    policy = replace(DEFAULT, excluded=["lab/.*"])
    found = verdicts(spark, model("lab/a"), model("other/lab/a"), policy=policy)
    assert found == {"lab/a": ("EXCLUDED", "named by the policy"), "other/lab/a": (None, None)}


def test_a_policy_can_ask_for_a_licence(spark: SparkSession) -> None:
    policy = replace(DEFAULT, allow_unknown_licence=False)
    assert verdicts(spark, model("a/b", licence=None), policy=policy)["a/b"] == ("LICENCE", "licence: none")


def test_counts_are_told_with_every_reason() -> None:
    assert tally({None: 3, "GATED": 1, "COPY": 2}) == "6 models = 3 eligible + 2 COPY + 1 GATED"
    assert tally({"GATED": 1}) == "1 models = 0 eligible + 1 GATED"


def test_the_classes_that_are_eligible_are_those_that_generation_samples() -> None:
    assert SAMPLED == SUPPORTED
    assert set(PIPELINES) >= SAMPLED
