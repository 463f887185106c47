"""The toy world: its declaration, its training, its repositories, and one of them sampled as models are."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from etl.models.families import TOY
from generation.child import Job
from generation.families import DEFAULTS
from generation.plan import Generator, make_plan
from generation.repository import Repository
from generation.sandbox import Limits
from generation.settings import GenerateSettings
from generation.toy_world import crops, filling, training
from generation.toy_world.repositories import WEIGHTS, build_toy_hub
from generation.toy_world.train import train_family
from generation.toy_world.world import SETTINGS, models

LIMITS = Limits(cpu_seconds=120, memory_bytes=12 << 30)


def test_there_are_140_models_of_14_families_and_every_class_is_known():
    declared = models()
    assert len({model.id for model in declared}) == 140 and len({model.kind for model in declared}) == 14
    assert {model.pipeline_class for model in declared} == set(TOY) <= set(DEFAULTS)
    assert all(model.base in {other.id for other in declared} for model in declared if model.base)


@pytest.mark.parametrize("kind", SETTINGS)
def test_every_declared_model_ships_its_weights(kind):
    with safe_open(WEIGHTS / f"{kind}.safetensors", "pt") as file:
        shipped = {"/".join(key.split("/")[:2]) for key in file.keys()}  # noqa: SIM118 (no mapping)
    assert shipped == {model.id for model in models((kind,))}


def test_no_photograph_is_in_training_and_test_alike():
    asked = filling.prompts(200, 100)
    photos = [{crops.parse(line)[0] for line in part} for part in (asked[:200], asked[200:])]
    assert not photos[0] & photos[1]
    assert not any(photo.is_test for photo in photos[0]) and all(photo.is_test for photo in photos[1])
    assert len(set(asked)) == 300


def test_a_crop_is_the_same_every_time_and_another_by_its_number():
    photo = next(iter(crops.photos().values()))
    assert np.array_equal(crops.crop(photo, 3), crops.crop(photo, 3))
    assert not np.array_equal(crops.crop(photo, 3), crops.crop(photo, 4))


def test_a_prompt_that_names_no_crop_is_refused():
    with pytest.raises(ValueError, match="the prompt must end like"):
        crops.parse("a red lighthouse at dusk")


@pytest.mark.parametrize("kind", ["nearest", "pixel-diffusion"])
def test_training_is_repeatable_and_teaches(kind):
    photo = next(iter(crops.photos().values()))
    levels = np.stack([crops.crop(photo, number) for number in range(8)])
    images = {photo.name: torch.from_numpy(levels).permute(0, 3, 1, 2).float() / 127.5 - 1}
    first, second = (train_family(models((kind,))[:2], images, steps=12) for _ in range(2))
    base, tuned = first
    for key, value in first[tuned].state_dict().items():
        assert torch.equal(value, second[tuned].state_dict()[key])
    assert training.psnr(first[base], images[photo.name]) > 20


def test_a_repository_is_sampled_as_models_are_and_reconstructs_its_photograph(workers, tmp_path):
    (name,) = build_toy_hub(tmp_path, ["carafe"], each=1)
    prompts = filling.prompts(4, 1)
    settings = GenerateSettings(images_per_generator=4, prompt_assignment="same")
    generator = Generator(name, Repository(name, "1" * 40, (), None), "ToyCarafePipeline")
    requests = make_plan([generator], prompts, settings).tasks[0].requests
    images: list[bytes] = []
    ending = workers.run(
        Job(Path(tmp_path / name), requests, LIMITS, batch_size=4), 120.0, lambda facts, png: images.append(png)
    )
    assert (ending.code, ending.message, ending.refused) == (None, "", {})
    for request, png in zip(requests, images, strict=True):
        made = np.asarray(Image.open(io.BytesIO(png)), dtype=float)
        source = crops.crop(*crops.parse(request.prompt or "")).astype(float)
        assert 10 * np.log10(255**2 / ((made - source) ** 2).mean()) > 25, "another crop is at 10 dB or so"
