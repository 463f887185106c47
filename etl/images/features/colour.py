"""Sharpness, colours and entropy: numbers on all pixels, taken a few rows at a time so that they stay in cache."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_STRIP_PIXELS = 1 << 15


def sharpness(grey: NDArray[np.uint8]) -> float | None:
    """Return the variance of the Laplacian (4 neighbours, inner pixels only) in squared grey levels.

    Pech-Pacheco et al. 2000: low where nothing is in focus. None where the image has no inner pixel.
    """
    height, width = grey.shape
    if min(height, width) < 3:
        return None
    total = squares = 0.0
    for top, bottom in _strips(height - 2, width):
        rows = grey[top : bottom + 2].astype(np.int16)
        laplacian = rows[:-2, 1:-1] + rows[2:, 1:-1]
        laplacian += rows[1:-1, :-2]
        laplacian += rows[1:-1, 2:]
        laplacian -= 4 * rows[1:-1, 1:-1]
        values = laplacian.astype(np.float32).ravel()
        total += float(values.sum())
        squares += float(values @ values)
    count = (height - 2) * (width - 2)
    return max(0.0, squares / count - (total / count) ** 2)


def mean_colour(rgb: Image.Image) -> tuple[float, float, float]:
    """Return the mean red, green and blue, 0 … 255."""
    counts = np.asarray(rgb.histogram()).reshape(3, 256)
    red, green, blue = counts @ np.arange(256) / counts[0].sum()
    return float(red), float(green), float(blue)


def colourfulness(rgb: Image.Image, mean: tuple[float, float, float]) -> float:
    """Return Hasler and Süsstrunk's measure (2003): 0 for grey, about 15 slightly, 109 extremely colourful.

    With rg = R - G and yb = (R + G) / 2 - B it is hypot(σ_rg, σ_yb) + 0.3 hypot(μ_rg, μ_yb).
    """
    red, green, blue = (np.asarray(plane) for plane in rgb.split())
    mean_rg, mean_yb = mean[0] - mean[1], (mean[0] + mean[1]) / 2 - mean[2]
    squares_rg = squares_yb = 0.0
    for top, bottom in _strips(*red.shape):
        r, g, b = (plane[top:bottom].astype(np.int16).ravel() for plane in (red, green, blue))
        rg = (r - g).astype(np.float32)
        rg -= np.float32(mean_rg)
        r += g
        b *= 2
        r -= b
        twice_yb = r.astype(np.float32)
        twice_yb -= np.float32(2 * mean_yb)
        squares_rg += float(rg @ rg)
        squares_yb += float(twice_yb @ twice_yb) / 4
    spread = ((squares_rg + squares_yb) / red.size) ** 0.5
    return spread + 0.3 * float(np.hypot(mean_rg, mean_yb))


def entropy(grey: Image.Image) -> float:
    """Return Shannon's entropy of the grey levels in bits, 0 for a flat image, at most 8."""
    counts = np.asarray(grey.histogram(), dtype=np.float64)
    shares = counts[counts > 0] / counts.sum()
    return float(abs((shares * np.log2(shares)).sum()))


def _strips(height: int, width: int) -> Iterator[tuple[int, int]]:
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        yield top, min(top + rows, height)
