"""Rows of `generators`: what a model is, which of its revisions stands, and where its family comes from."""

import json
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import Row, SparkSession

from etl.lake.schemas import GENERATORS
from etl.models.generators import generators
from etl.models.settings import Policy
from tests.etl.test_eligibility import INDEX, LORA, NOW, UNET, model, table, twin

SDXL = "stabilityai/stable-diffusion-xl-base-1.0"


def made(spark: SparkSession, *models: Row) -> dict[str, Row]:
    """The generators of models, by id."""
    with generators(table(spark, *models), Policy(), NOW) as (frame, _):
        assert frame.columns == GENERATORS.columns
        rows = frame.collect()
    assert len({row["generator_id"] for row in rows}) == len(rows)
    return {row["generator_id"]: row for row in rows}


def revision(of: Row, sha: str, day: int, current: bool = False, **changes: Any) -> Row:
    """Another revision of a model, first seen on a day of October."""
    seen = datetime(2026, 10, day, tzinfo=UTC)
    return Row(**(of.asDict() | {"revision": sha * 40, "first_seen": seen, "is_current": current} | changes))


def retrained(of: Row) -> list[Any]:
    return [("vae/model.safetensors", 200, "other"), (UNET, 1000, "another")]


def test_a_generator_has_family_root_and_verdict_and_an_adapter_has_its_bases_family(spark: SparkSession) -> None:
    rows = made(spark, model("lab/base"), model("lab/adapter", base_models=[("lab/base", "adapter")], **LORA))
    assert [(r["family"], r["architecture"], r["root_model_id"]) for r in rows.values()] == [
        ("SD 1.x", "LatDiff", "lab/base")
    ] * 2
    base, adapter = rows["lab/base"], rows["lab/adapter"]
    assert (base["kind"], base["eligible"], base["download_bytes"]) == ("hub", True, 1200)
    assert (base["lineage_depth"], base["root_basis"], base["root_certain"]) == (0, "UNDECLARED", False)
    assert (adapter["lineage_depth"], adapter["root_basis"], adapter["reason"]) == (1, "DECLARED", None)


def test_the_first_revision_with_the_current_weights_is_the_one_to_sample(spark: SparkSession) -> None:
    card = model("lab/card")
    trained = model("lab/trained")
    back = model("lab/back")
    unknown = model("lab/unknown", weight_bytes=None, model_index=None)
    rows = made(
        spark,
        *(revision(card, "c", 3, current=True), revision(card, "b", 2), revision(card, "a", 1)),
        *(revision(trained, "b", 2, current=True), revision(trained, "a", 1, weight_files=retrained(trained))),
        *(revision(back, "a", 1, current=True), revision(back, "b", 2)),
        *(revision(unknown, "b", 2, current=True), revision(unknown, "a", 1)),
    )
    firsts = {name: row["revision"][0] for name, row in rows.items()}
    assert firsts == {"lab/card": "a", "lab/trained": "b", "lab/back": "a", "lab/unknown": "b"}


def test_the_scheduler_is_the_class_that_its_configuration_names(spark: SparkSession) -> None:
    rows = made(
        spark,
        model("lab/named", scheduler_config=json.dumps({"_class_name": "PNDMScheduler"})),
        model("lab/broken", scheduler_config="no JSON"),
        model("lab/none"),
    )
    assert {name: row["scheduler"] for name, row in rows.items()} == {
        "lab/named": "PNDMScheduler",
        "lab/broken": None,
        "lab/none": None,
    }


def test_v_prediction_and_known_bases_tell_the_families_that_share_a_class(spark: SparkSession) -> None:
    predicts = {"scheduler_config": json.dumps({"prediction_type": "v_prediction"})}
    xl = {
        "pipeline_class": "StableDiffusionXLPipeline",
        "index": INDEX | {"_class_name": "StableDiffusionXLPipeline"},
    }
    rows = made(
        spark,
        model("lab/v", **predicts),
        model("lab/v-xl", **predicts, **xl),
        model("lab/of-2", base_models=[("stabilityai/stable-diffusion-2-1-base", "finetune")]),
        model("lab/inpaint", pipeline_class="StableDiffusionXLInpaintPipeline", base_models=[(SDXL, None)]),
    )
    assert {name: row["family"] for name, row in rows.items()} == {
        "lab/v": "SD 2.x",
        "lab/v-xl": "SDXL",
        "lab/of-2": "SD 2.x",
        "lab/inpaint": "SDXL",
    }


def test_what_cannot_stand_alone_and_names_no_base_has_no_root(spark: SparkSession) -> None:
    bare = {"files": {"model.gguf": 5}, "index": None, "pipeline_class": None}
    rows = made(
        spark,
        model("lab/lora", tags=["lora"], **LORA),
        model("lab/gguf", tags=["gguf"], **bare),
        model("lab/merged-lora", tags=["lora"]),
    )
    assert {name: (row["root_model_id"], row["root_basis"]) for name, row in rows.items()} == {
        "lab/lora": (None, "NO_BASE"),
        "lab/gguf": (None, "NO_BASE"),
        "lab/merged-lora": ("lab/merged-lora", "UNDECLARED"),
    }


def test_a_copy_has_its_originals_root_for_lineage_and_eligibility_alike(spark: SparkSession) -> None:
    first = model("z/first")
    rows = made(spark, first, twin(first, "a/second", base_models=[(SDXL, "finetune")]))
    second = rows["a/second"]
    assert (second["reason"], second["root_model_id"], second["root_basis"]) == ("COPY", "z/first", "COPY")


def test_models_that_name_each_other_are_reported(spark: SparkSession) -> None:
    pair = [model(f"lab/{a}", base_models=[(f"lab/{b}", "finetune")]) for a, b in ("xy", "yx")]
    with generators(table(spark, *pair), Policy(), NOW) as (frame, circles):
        assert circles == [("lab/x", "lab/y")]
        assert {(row["root_model_id"], row["root_basis"]) for row in frame.collect()} == {(None, "CYCLE")}
