"""The radial power spectrum of an image's noise residual: what is left of it without its content.

Generators leave traces in the high frequencies (Durall et al. 2020, arXiv 2003.01826). The residual is the image
less its 3x3 median, as Wang et al. 2020 (arXiv 1912.11035, section on frequency analysis) take it: a median keeps
edges, so that they do not drown the noise.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

BINS = 64
"""Bin k - 1 holds the frequencies of about k / 128 cycles a pixel: 1/128 … 1/2, the highest along an axis."""
SEGMENT = 128
"""Edge in pixels of what is transformed at once: the same frequencies and cost for images of every size."""
SMALLEST = 16
"""Of narrower images there is no spectrum."""

# Devillard's network (opt_med9): pairs to put in order, after which the fifth of nine values is their median.
_EXCHANGES = (
    *((1, 2), (4, 5), (7, 8), (0, 1), (3, 4), (6, 7), (1, 2), (4, 5), (7, 8), (0, 3)),
    *((5, 8), (4, 7), (3, 6), (1, 4), (2, 5), (4, 7), (4, 2), (6, 4), (4, 2)),
)


def radial_spectrum(grey: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """Return BINS mean powers of the residual in squared grey levels, DC left out; None where it is too small.

    Welch's method: up to four segments, in the middles of the image's quarters, less their mean and under a Hann
    window; their power spectra over the sum of the squared window, averaged over segments and then over rings.
    So normalised, white noise of variance v has v in every bin, whatever the image's size. A segment of fewer
    than 128 pixels an edge is padded with zeros.
    """
    segments = _segments(grey)
    height, width = segments.shape[1] - 2, segments.shape[2] - 2
    if min(height, width) < SMALLEST - 2:
        return None
    residual = segments[:, 1:-1, 1:-1].astype(np.float32) - _median(segments)
    residual -= residual.mean(axis=(1, 2), keepdims=True)
    window = _hann(height)[:, None] * _hann(width)
    transformed = np.fft.rfft2(residual * window, s=(SEGMENT, SEGMENT))
    power = (transformed.real**2 + transformed.imag**2).mean(axis=0) / np.square(window).sum()
    ring, multiplicity, sizes = _rings()
    sums = np.bincount(ring, weights=power.ravel() * multiplicity, minlength=BINS + 1)
    return (sums[1 : BINS + 1] / sizes[1 : BINS + 1]).astype(np.float32)


def _segments(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut out [n, height, width] with a border of one pixel for the median; two an axis where they fit."""
    across = [_cuts(edge) for edge in grey.shape]
    return np.stack([grey[rows, columns] for rows in across[0] for columns in across[1]])


def _cuts(edge: int) -> list[slice]:
    size = min(edge, SEGMENT + 2)
    parts = 2 if edge >= 2 * size else 1
    starts = [(2 * part + 1) * edge // (2 * parts) - size // 2 for part in range(parts)]
    return [slice(max(0, min(start, edge - size)), max(0, min(start, edge - size)) + size) for start in starts]


def _median(segments: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the 3x3 median of each inner pixel; on bytes, by minima and maxima, which run many at a time."""
    height, width = segments.shape[1] - 2, segments.shape[2] - 2
    values = [segments[:, y : y + height, x : x + width] for y in range(3) for x in range(3)]
    for low, high in _EXCHANGES:
        a, b = values[low], values[high]
        values[low], values[high] = np.minimum(a, b), np.maximum(a, b)
    return values[4]


@cache
def _hann(length: int) -> NDArray[np.float32]:
    return np.hanning(length + 2)[1:-1].astype(np.float32)


@cache
def _rings() -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
    """Return of each coefficient of the half plane its ring and how often it stands for; of each ring its size."""
    down, across = np.fft.fftfreq(SEGMENT), np.fft.rfftfreq(SEGMENT)
    ring: NDArray[np.intp] = np.rint(np.hypot(down[:, None], across) * SEGMENT).astype(np.intp).ravel()
    # The half plane holds one of each conjugate pair, but both of the columns 0 and 1/2.
    multiplicity = np.tile(np.where((across == 0) | (across == 0.5), 1.0, 2.0), SEGMENT)
    return ring, multiplicity, np.bincount(ring, weights=multiplicity).astype(np.float64)
