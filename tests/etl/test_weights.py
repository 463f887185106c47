"""One hash for a pipeline's weights: equal for copies, null where something is not known."""

import hashlib
import json
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from etl.lake.schemas import MODELS
from etl.models.weights import weights_sha256

INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "scheduler": ["diffusers", "PNDMScheduler"],
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
}
UNET, VAE, TEXT = "unet/a.safetensors", "vae/b.safetensors", "text_encoder/c.safetensors"
FULL = {UNET: "1", VAE: "2", TEXT: "3"}


def hashes(spark: SparkSession, *repositories: tuple[Any, dict[str, str | None]]) -> list[str | None]:
    """The hash of each repository, given by its index and its weight files with their hashes."""
    files = MODELS.schema["weight_files"].dataType.simpleString()
    rows = [
        (
            n,
            json.dumps(index) if isinstance(index, dict) else index,
            [(path, 1, sha) for path, sha in held.items()],
        )
        for n, (index, held) in enumerate(repositories)
    ]
    frame = spark.createDataFrame(rows, f"n int, model_index string, weight_files {files}")
    found = frame.select("n", weights_sha256(F.col("model_index"), F.col("weight_files")).alias("hash")).collect()
    by_place = {row["n"]: row["hash"] for row in found}
    return [by_place[n] for n in range(len(repositories))]


def test_it_is_the_hash_of_the_sorted_distinct_hashes(spark: SparkSession) -> None:
    assert hashes(spark, (INDEX, FULL), (INDEX, {UNET: "b", VAE: "a", TEXT: "b"})) == [
        hashlib.sha256(b"1,2,3").hexdigest(),
        hashlib.sha256(b"a,b").hexdigest(),
    ]


def test_names_single_files_and_the_safety_checker_do_not_count(spark: SparkSession) -> None:
    other = {"unet/x.safetensors": "1", "vae/y.safetensors": "2", "text_encoder/z.safetensors": "3"}
    more = FULL | {"all.ckpt": "9", "safety_checker/m.safetensors": "8", "unet/a.bin": "7", "elsewhere/m.bin": "6"}
    assert len(set(hashes(spark, (INDEX, FULL), (INDEX, other), (INDEX, more)))) == 1


def test_another_file_is_another_hash(spark: SparkSession) -> None:
    half = FULL | {"unet/a.fp16.safetensors": "4"}
    found = hashes(spark, (INDEX, FULL), (INDEX, FULL | {UNET: "5"}), (INDEX, half))
    assert None not in found
    assert len(set(found)) == 3


def test_a_pickled_component_counts_where_it_has_nothing_else(spark: SparkSession) -> None:
    one, other = ({"unet/a.bin": sha, VAE: "2", TEXT: "3"} for sha in ("1", "4"))
    found = hashes(spark, (INDEX, one), (INDEX, other))
    assert None not in found
    assert found[0] != found[1]


def test_it_is_null_where_a_hash_or_a_models_file_is_missing(spark: SparkSession) -> None:
    without_unet = {VAE: "2", TEXT: "3"}
    assert (
        hashes(
            spark,
            (INDEX, FULL | {TEXT: None}),
            (INDEX, without_unet),
            (INDEX, {}),
            (None, FULL),
            ("no JSON", FULL),
            ({"_class_name": "X"}, FULL),
        )
        == [None] * 6
    )
