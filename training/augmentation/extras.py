"""Operations that the paper's list lacks, each off unless a training names it."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from training.augmentation import chains, geometry, photometry
from training.augmentation.codecs import Degradation, Pixels, webp
from training.augmentation.operations import Drawn, Operation


def _seeded(random: np.random.Generator, *_: int) -> Drawn:
    """Draw a seed, for operations with many draws of their own."""
    return {"seed": int(random.integers(2**63))}


def _noisy(random: np.random.Generator, *_: int) -> Drawn:
    return {"deviation": random.uniform(0, 8), **_seeded(random)}


def _colours(random: np.random.Generator, *_: int) -> Drawn:
    factors = random.uniform(0.8, 1.2, 3).tolist()
    return dict(zip(("brightness", "contrast", "saturation"), factors, strict=True))


def _noise(pixels: Pixels, deviation: float, seed: int) -> Pixels:
    return photometry.noise(pixels, deviation, np.random.default_rng(seed))


def _keeping_size(chain: Degradation) -> Callable[..., Pixels]:
    """Return the chain with its result resized to what came in: a crop may follow."""

    def apply(pixels: Pixels, seed: int) -> Pixels:
        height, width = pixels.shape[:2]
        changed = chain(pixels, np.random.default_rng(seed))
        return geometry.resize(changed, height, width, Image.Resampling.BICUBIC)

    return apply


EXTRAS: dict[str, Operation] = {
    operation.name: operation
    for operation in (
        Operation("blur", lambda random, *_: {"sigma": random.uniform(0.1, 2.0)}, photometry.blur),
        Operation("noise", _noisy, _noise),
        Operation("colour", _colours, photometry.colour),
        Operation("webp", lambda random, *_: {"quality": int(random.integers(75, 101))}, webp),
        Operation("social", _seeded, _keeping_size(chains.social)),
        Operation("messenger", _seeded, _keeping_size(chains.messenger)),
        Operation("screenshot", _seeded, _keeping_size(chains.screenshot)),
    )
}
"""By name. No published detector fixes these ranges; they are mild: a person still calls the image the same."""
