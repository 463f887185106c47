"""How spread out a set is by what was measured on its images: kinds of content, and fingerprints of generators.

NumPy on matrices of one row an image; which images are taken is the caller's.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

Floats = NDArray[np.floating]


class Fingerprints(NamedTuple):
    """How far generators are from each other, and their images from them."""

    between: float
    """Mean distance between the mean residual spectra of two generators, in decibels (root mean square)"""
    within: float
    """Mean distance of an image's spectrum to the mean of its generator"""

    @property
    def ratio(self) -> float:
        """Between over within: 0 where all generators leave the same mark."""
        return self.between / self.within if self.within else float("nan")


def vendi_score(features: Floats, order: float = 1.0) -> float:
    """Return the Vendi score: the effective number of kinds among the rows of `features` [n, d].

    The Hill number of the eigenvalues of the cosine similarities divided by n (Friedman and Dieng, The Vendi
    Score, TMLR 2023); 1 where all rows point alike, n where all are orthogonal. The d × d side is taken where it
    is the smaller one, since both have the same eigenvalues. A row of zeros is similar to nothing but itself: it
    counts as a kind of its own.
    """
    rows = np.asarray(features, dtype=np.float64)
    if not len(rows):
        return 0.0
    lengths = np.linalg.norm(rows, axis=1)
    unit = rows[lengths > 0] / lengths[lengths > 0, None]
    side = unit.T @ unit if unit.shape[1] < len(unit) else unit @ unit.T
    alone = np.full(int((lengths == 0).sum()), 1 / len(rows))
    shares = np.concatenate([np.linalg.eigvalsh(side) / len(rows), alone]) if len(unit) else alone
    shares = shares[shares > 1e-12]
    if order == 1:
        return float(np.exp(-np.sum(shares * np.log(shares))))
    return float(np.sum(shares**order) ** (1 / (1 - order)))


def fingerprints(spectra: Floats, generators: NDArray[np.str_] | list[str]) -> Fingerprints | None:
    """Return the spread of generators' fingerprints; None for fewer than two generators with two images.

    `spectra` [n, bands] are powers of noise residuals, as `image_features` holds them. A generator's mark is the
    mean of their logarithms, so that a bright image weighs no more than another (in the manner of Marra et al., Do
    GANs Leave Artificial Fingerprints?, 2019, who average residuals themselves).
    """
    names = np.asarray(generators)
    levels = 10 * np.log10(np.asarray(spectra, dtype=np.float64) + 1e-12)
    kinds, codes, counts = np.unique(names, return_inverse=True, return_counts=True)
    enough = counts >= 2
    if enough.sum() < 2:
        return None
    sums = np.zeros((len(kinds), levels.shape[1]))
    np.add.at(sums, codes, levels)
    means = sums / counts[:, None]
    chosen = enough[codes]
    # An image is a part of its generator's mean: n / (n - 1) makes up for it.
    corrected = np.sqrt(counts / np.maximum(counts - 1, 1))[codes][chosen]
    within = float((_distance(levels[chosen], means[codes][chosen]) * corrected).mean())
    between = float(pdist(means[enough]).mean()) / np.sqrt(levels.shape[1])
    return Fingerprints(float(between), within)


def coverage(taken: set[str], catalogue: dict[str, int]) -> tuple[float, float]:
    """Return which share of a catalogue's kinds a set has, and which share of its members are of those kinds.

    `catalogue` counts members by kind.
    """
    members = sum(catalogue.values())
    if not members:
        return 0.0, 0.0
    held = [count for kind, count in catalogue.items() if kind in taken]
    return len(held) / len(catalogue), sum(held) / members


def _distance(left: Floats, right: Floats) -> Floats:
    found: Floats = np.sqrt(np.mean((left - right) ** 2, axis=1))
    return found
