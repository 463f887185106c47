"""A world of six families of three generators, each family with a grid of its own, without Spark."""

import hashlib
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from etl.lake import snapshot
from etl.lake.schemas import COLLECTIONS, GENERATORS, IMAGES
from training.experiments.settings import ExperimentSettings

FAMILIES = ("comb", "stairs", "weave", "dots", "rain", "tiles")
SIDE = 40
PHOTOS = 24


def crop(photo: int, number: int, family: int | None = None, model: int = 0) -> bytes:
    """A PNG of a smooth scene that the photo decides, with the family's grid where one is named."""
    scene = np.random.default_rng([7, photo])
    noise = np.random.default_rng(
        [photo, number, -1 if family is None else family, model] if family else [photo, number]
    )
    down, right = np.mgrid[0:SIDE, 0:SIDE]
    phase = scene.uniform(0, 6, 3)
    pixels = 120 + 40 * np.sin(down[..., None] / 9 + phase) + 30 * np.cos(right[..., None] / 7 + phase[::-1])
    pixels = pixels + noise.normal(0, 5, pixels.shape)
    if family is not None:
        angle = np.pi * family / len(FAMILIES)
        wave = np.cos((2.0 + 0.05 * model) * (np.cos(angle) * down + np.sin(angle) * right))
        pixels = pixels + 3.0 * wave[..., None]
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def world(root: Path) -> None:
    images: list[dict[str, Any]] = []
    places: list[dict[str, Any]] = []

    def add(data: bytes, photo: int, number: int, **known: Any) -> None:
        image_id = hashlib.sha256(data).hexdigest()
        images.append({
            "image_id": image_id, "bytes": data, "format": "PNG", "width": SIDE, "height": SIDE, "mode": "RGB",
            "prompt": f"a scene (photo-{photo}, crop {number})", **known,
        })  # fmt: skip
        split = "test" if photo % 3 == 0 else "train"
        places.append({"collection": "tiny", "image_id": image_id, "split": split})

    for photo in range(PHOTOS):
        for number in range(8):
            add(crop(photo, number), photo, number, label=0, real_source="odd" if photo % 2 else "even")
    generators = []
    for family, name in enumerate(FAMILIES):
        for model in range(3):
            generator = f"{name}/model-{model}"
            generators.append({
                "generator_id": generator, "kind": "hub", "family": name,
                "architecture": "GAN" if family % 2 else "LatDiff",
                "root_model_id": f"{name}/model-0", "lineage_depth": min(model, 1), "eligible": True,
                "released_at": datetime(2023, 1 + family, 1 + model, tzinfo=UTC),
            })  # fmt: skip
            for photo in range(PHOTOS):
                add(crop(photo, 100 + model, family, model), photo, 100 + model, label=1, generator_id=generator)
    for table, rows in ((IMAGES, images), (COLLECTIONS, places), (GENERATORS, generators)):
        snapshot.append(str(root), table, rows)


def declared(root: str, **changes: Any) -> ExperimentSettings:
    """A small experiment on that world."""
    keys: dict[str, Any] = {
        "root": root, "name": "tiny", "question": "Do more families help?", "collection": "tiny", "seeds": [1, 2],
        "content_column": "prompt", "content_pattern": r"\((photo-\d+), crop", "processes": 0,
        "bootstrap_draws": 200,
        "hold_out": {"by": "family", "folds": 3, "generators": 1},
        "training": {"where": ["given_split = 'train'"]},
        "processing": {"size": 32},
        "arms": {
            "families": {
                "label": "families", "vary": "groups", "x": [1, 4], "draws": 2,
                "fakes": {"images": 24, "generators": 4, "groups": 1, "shortage": "fewer"},
            },
            "oracle": {"fakes": {"images": 24, "whose": "held_out"}},
        },
        "detectors": {"linear_srm": {}},
        "primary": "linear_srm",
        "tests": {
            "unseen": {
                "fakes": {"where": ["given_split = 'test'"], "images_per_generator": 8},
                "reals": {"where": ["given_split = 'test'"], "images": 32},
                "unit": "family",
            },
        },
        "effects": {
            "more families": {
                "test": "unseen", "control": {"arm": "families", "x": 1}, "treatment": {"arm": "families", "x": 4},
                "minimum": 0.02,
            },
        },
        "axis": {"label": "families", "scale": "log"},
    }  # fmt: skip
    keys["arms"]["families"]["fakes"]["generators"] = 2
    return ExperimentSettings(**(keys | changes))


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The root of a lake with the world, for tests that write nothing."""
    root = tmp_path_factory.mktemp("world") / "lake"
    world(root)
    return str(root)


@pytest.fixture(scope="session")
def declare():
    """Build a small experiment on that world, with changes."""
    return declared
