"""Operating points: thresholds fixed on a run's validation images, each with the error rates that it had there.

A threshold that is chosen on the images that it is judged by flatters itself, so that these come from the
validation split alone and are stored among the evaluations, from where verdicts take them.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from training.metrics import Floats, Ints

BALANCED = "balanced"
ALARMS = {"fpr_0.01": 0.01, "fpr_0.05": 0.05}
"""Rates of false positives: at most this share of the reals is called fake."""
MISSES = {"fnr_0.01": 0.01, "fnr_0.05": 0.05}
"""Rates of false negatives: at most this share of the fakes is not called fake."""
ZERO = "zero"
"""Logit 0, i.e. probability 0.5: the paper's, which needs no validation images, so that its rates are unknown."""


@dataclass(frozen=True)
class Point:
    """Images whose logit is above `threshold` are called fake; rates are shares of the validation images."""

    name: str
    threshold: float
    fpr: float | None = None
    """Share of reals called fake"""
    fpr_low: float | None = None
    fpr_high: float | None = None
    """95 % interval of Clopper and Pearson"""
    tpr: float | None = None
    """Share of fakes called fake"""
    n_real: int = 0
    n_fake: int = 0


def points(labels: Ints, logits: Floats) -> list[Point]:
    """Return the points that validation images allow: none with one class, no rate of which one image is too much.

    `balanced` has the highest mean of the rates of right calls; where several thresholds do, the one nearest 0.
    """
    reals, fakes = np.sort(logits[labels == 0]), np.sort(logits[labels == 1])
    if not len(reals) or not len(fakes):
        return []
    edges = np.unique(logits)
    # Between two neighbouring logits every threshold is as good: the middle is farthest from both.
    between = np.concatenate([[edges[0] - 1], (edges[:-1] + edges[1:]) / 2, [edges[-1] + 1]])
    candidates = np.unique(np.append(between, 0.0))
    alarms, caught = _above(reals, candidates), _above(fakes, candidates)
    gain = caught / len(fakes) - alarms / len(reals)
    best = candidates[gain >= gain.max() - 1e-12]
    found = [_point(BALANCED, float(best[np.argmin(np.abs(best))]), reals, fakes)]
    for name, rate in ALARMS.items():
        if len(reals) * rate >= 1:
            allowed = _above(reals, between) <= rate * len(reals) + 1e-9
            found.append(_point(name, float(between[np.argmax(allowed)]), reals, fakes))
    for name, rate in MISSES.items():
        if len(fakes) * rate >= 1:
            allowed = len(fakes) - _above(fakes, between) <= rate * len(fakes) + 1e-9
            found.append(_point(name, float(between[np.flatnonzero(allowed)[-1]]), reals, fakes))
    return found


def _above(logits: Floats, thresholds: Floats) -> Ints:
    """Return how many of the sorted logits lie above each threshold."""
    return np.asarray(len(logits) - np.searchsorted(logits, thresholds, side="right"))


def _point(name: str, threshold: float, reals: Floats, fakes: Floats) -> Point:
    alarms, n = int((reals > threshold).sum()), len(reals)
    low = float(beta.ppf(0.025, alarms, n - alarms + 1)) if alarms else 0.0
    high = float(beta.ppf(0.975, alarms + 1, n - alarms)) if alarms < n else 1.0
    return Point(name, threshold, alarms / n, low, high, float((fakes > threshold).mean()), n, len(fakes))
