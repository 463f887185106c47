"""Adapters in the catalogue: eligible with a base that is, and by what file."""

from typing import Any

import diffusers
import pytest
from pyspark.sql import Row, SparkSession

from etl.models.eligibility import Reason
from etl.models.families import ADAPTABLE, SAMPLED
from tests.etl.test_eligibility import model, twin
from tests.etl.test_generators import made


def adapter(base: str | None = "lab/base", files: dict[str, int] | None = None, **changes: Any) -> Row:
    """A LoRA of 9 bytes at the root."""
    bases = [(base, "adapter")] if base else []
    listed = {"pytorch_lora_weights.safetensors": 9} if files is None else files
    return model(
        "some/lora", files=listed, index=None, pipeline_class=None, tags=["lora"], base_models=bases, **changes
    )


@pytest.mark.parametrize(
    ("base", "child", "reason"),
    [
        (model("lab/base"), adapter(), None),
        (model("lab/base", gated="auto"), adapter(), Reason.ADAPTER),
        (model("lab/base", licence="cc-by-nd-4.0"), adapter(), Reason.ADAPTER),
        (model("lab/base", pipeline_class="DiTPipeline"), adapter(), Reason.ADAPTER),
        (model("lab/other"), adapter(), Reason.ADAPTER),
        (model("lab/base"), adapter(base=None), Reason.ADAPTER),
        (model("lab/base"), adapter(licence="cc-by-nd-4.0"), Reason.LICENCE),
        (model("lab/base"), adapter(gated="auto"), Reason.GATED),
        (model("lab/base"), adapter(files={"lora.bin": 9}), Reason.PICKLE_ONLY),
        (model("lab/base"), adapter(weight_bytes=None, files={}), Reason.NO_DETAIL),
    ],
)
def test_an_adapter_is_eligible_with_a_base_that_is(spark: SparkSession, base: Row, child: Row, reason) -> None:
    assert made(spark, base, child)["some/lora"]["reason"] == reason


def test_an_adapter_has_its_bases_class_and_both_are_downloaded(spark: SparkSession) -> None:
    row = made(spark, model("lab/base"), adapter())["some/lora"]
    assert (row["eligible"], row["pipeline_class"], row["download_bytes"]) == (
        True,
        "StableDiffusionPipeline",
        1209,
    )


def test_a_copy_of_an_adapter_is_refused_as_one(spark: SparkSession) -> None:
    rows = made(spark, model("lab/base"), adapter(), twin(adapter(), "z/copy"))
    assert (rows["some/lora"]["reason"], rows["z/copy"]["reason"]) == (None, Reason.COPY)
    assert rows["z/copy"]["detail"] == "the same weights as some/lora"


def test_every_class_that_takes_a_lora_here_does_so_in_diffusers() -> None:
    assert {name for name in SAMPLED if hasattr(getattr(diffusers, name), "load_lora_weights")} >= ADAPTABLE
