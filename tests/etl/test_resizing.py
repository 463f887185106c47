"""Training rows that hold pixels."""

import io

import numpy as np
import pytest
import torchvision.transforms as T
from PIL import Image

from etl.config import parse
from etl.errors import ConfigError
from etl.images.recipe import TrainingSetSettings
from etl.images.resizing import RAW, as_pixels, shorter_edge_at
from training import decoding


def encoded(width: int, height: int, seed: int = 0) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


@pytest.mark.parametrize("size", [(75, 51), (51, 75), (40, 40), (20, 300)])
def test_the_shorter_edge_is_resized_as_torchvision_does(size):
    data = encoded(*size)
    wanted = T.Resize(32)(Image.open(io.BytesIO(data)))
    assert (np.asarray(shorter_edge_at(data, 32)) == np.asarray(wanted)).all()


def test_only_the_rows_of_the_training_split_become_pixels(spark):
    files = {"a": encoded(75, 51), "b": encoded(40, 40, 1), "c": encoded(60, 50, 2)}
    rows = [
        (key, bytearray(data), "PNG", *Image.open(io.BytesIO(data)).size, split)
        for (key, data), split in zip(files.items(), ("train", "train", "test"), strict=True)
    ]
    given = spark.createDataFrame(
        rows, "image_id string, bytes binary, format string, width int, height int, split string"
    )
    made = {row.image_id: row for row in as_pixels(given, 32).collect()}
    assert {key: row.format for key, row in made.items()} == {"a": RAW, "b": RAW, "c": "PNG"}
    assert bytes(made["c"].bytes) == files["c"]
    assert (made["a"].width, made["a"].height) == (47, 32)
    stored = decoding.raw_pixels(bytes(made["a"].bytes), 32, 47, "a")
    assert (stored == np.asarray(shorter_edge_at(files["a"], 32))).all()


def test_reader_and_writer_call_the_format_alike():
    assert RAW == decoding.RAW


@pytest.mark.parametrize("options", [["--rows", "resized"], ["--rows_size", "256"], ["--rows", "small"]])
def test_a_recipe_names_rows_and_their_size_together(options):
    with pytest.raises(ConfigError, match="rows"):
        parse(TrainingSetSettings, options, "forensics build-training-set", None)
