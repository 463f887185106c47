"""Every supported class that has a tiny genuine pipeline, sampled in a process of its own as models are.

Two images, in one call where the class can.
"""

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from etl.models.families import TOY
from generation.child import Job
from generation.families import DEFAULTS, SUPPORTED
from generation.plan import Generator, Request, make_plan
from generation.repository import Repository
from generation.sandbox import Limits
from generation.settings import GenerateSettings
from generation.workers import Ending
from tests.generation.tiny_pipelines import TINY, save

SETTINGS = GenerateSettings(images_per_generator=2, steps=2, size=64)
OTHER_SETTINGS = {
    # Pseudo-numerical methods begin with four Runge-Kutta steps.
    "PNDMPipeline": replace(SETTINGS, steps=4),
    # Makes images of 1024 pixels whatever it is asked for; seconds each.
    "FluxKontextPipeline": replace(SETTINGS, images_per_generator=1),
}
LIMITS = Limits(cpu_seconds=120, memory_bytes=12 << 30)
CAPTIONS = ["a tabby cat on a sofa", "a red tram in the rain"]


@dataclass(frozen=True)
class Sampled:
    """What one model gave: its requests, how it ended, and facts and PNG of each image."""

    requests: tuple[Request, ...]
    ending: Ending
    images: list[tuple[dict[str, Any], bytes]]


@pytest.fixture(scope="session")
def sampled(workers, tmp_path_factory) -> dict[str, Sampled]:
    """Images of every class: repositories built once, then two models at a time."""
    root = tmp_path_factory.mktemp("tiny")
    for name in TINY:
        save(name, root / name)

    def sample(name: str) -> Sampled:
        generator = Generator(f"tiny/{name}", Repository(f"tiny/{name}", "1" * 40, (), None), name)
        requests = make_plan([generator], CAPTIONS, OTHER_SETTINGS.get(name, SETTINGS)).tasks[0].requests
        images: list[tuple[dict[str, Any], bytes]] = []
        job = Job(root / name, requests, LIMITS, batch_size=2 if DEFAULTS[name].batched else 1)
        ending = workers.run(job, 120.0, lambda facts, png: images.append((facts, png)))
        return Sampled(requests, ending, images)

    with ThreadPoolExecutor(2) as threads:
        return dict(zip(TINY, threads.map(sample, TINY), strict=True))


@pytest.mark.parametrize("name", TINY)
def test_a_class_gives_its_images_of_the_size_asked_for(sampled, name):
    found = sampled[name]
    assert (found.ending.code, found.ending.message, found.ending.refused) == (None, "", {})
    arrays = [np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=int) for _, png in found.images]
    assert len(arrays) == len(found.requests)
    for request, (facts, _), array in zip(found.requests, found.images, arrays, strict=True):
        assert array.shape == (request.height or 64, request.width or 64, 3)
        assert facts["scheduler"].endswith("Scheduler")
        assert array.std() > 5
    together = 2 if DEFAULTS[name].batched else 1
    assert {facts["batch_size"] for facts, _ in found.images} == {together}
    assert len(arrays) == 1 or np.abs(arrays[0] - arrays[1]).mean() > 2


def test_no_class_samples_several_at_a_time_that_is_not_sampled_so_here():
    assert {name for name, found in DEFAULTS.items() if found.batched and name not in TOY} <= set(TINY)


def test_there_are_at_least_24_classes_and_all_of_them_are_supported():
    assert len(TINY) >= 24
    assert set(TINY) <= SUPPORTED
