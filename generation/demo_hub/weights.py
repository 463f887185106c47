"""Seeded weights for tiny models: every parameter from its name and a seed, whatever the library's initialiser."""

from zlib import crc32

import numpy as np
import torch
from torch import nn

SMOOTHING = np.outer([1, 2, 1], [1, 2, 1]).astype(np.float32) / 6
"""A 3×3 kernel of unit energy: convolutions built on it keep neighbours alike, so images have structure."""


def fill(module: nn.Module, seed: int, gain: float = 1.0) -> nn.Module:
    """Fill all parameters in place and return the module in eval mode.

    Matrices and kernels are normal with variance gain²/fan-in, which keeps activations near unit size; vectors
    are 1 for weights (norm scales) and small noise for biases. Layers that a library starts at zero, as most
    transformers' last layers, would otherwise give constant images. NumPy's generator makes the bytes the same
    on every processor, which torch's does not promise.
    """
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            rng = np.random.default_rng([seed, crc32(name.encode())])
            values = _values(name, tuple(parameter.shape), rng, gain)
            parameter.copy_(torch.from_numpy(values))
    return module.eval()


def _values(name: str, shape: tuple[int, ...], rng: np.random.Generator, gain: float) -> np.ndarray:
    if len(shape) < 2:
        if name.endswith("weight"):
            return np.ones(shape, np.float32)
        return 0.1 * rng.standard_normal(shape, np.float32)
    values = rng.standard_normal(shape, np.float32)
    if shape[2:] == (3, 3):
        values = 0.3 * values + rng.standard_normal((*shape[:2], 1, 1), np.float32) * SMOOTHING
    return (values * (gain / np.sqrt(np.prod(shape[1:])))).astype(np.float32)
