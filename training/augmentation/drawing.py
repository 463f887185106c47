"""Random numbers for an image: a function of the seed, the epoch and the image's id, and of nothing else."""

import hashlib

import numpy as np


def generator(image_id: str, *seeds: int) -> np.random.Generator:
    """Return the generator of an image, the same whatever the worker, the batch or the order."""
    number = int.from_bytes(hashlib.sha256(image_id.encode()).digest()[:8], "big")
    return np.random.default_rng([*seeds, number])
