"""Metrics of a detector's logits, for one weighting of the images or for thousands at once. NumPy only.

Ranks are of logits, never of sigmoids: a sigmoid in 32 bits makes ties, which change the average precision. A
bootstrap draw is a weighting, so that each metric is written once: everything that ranks fakes against reals
follows from how many reals lie above each fake, and what merely counts images is a product of matrices. Undefined
is NaN here; `reason` says why.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]

ONE_CLASS = "ONE_CLASS"
NO_IMAGES = "NO_IMAGES"
NO_THRESHOLD = "NO_THRESHOLD"
TOO_FEW_REALS = "TOO_FEW_REALS"

RATES = {"tpr_at_fpr_0.01": 0.01, "tpr_at_fpr_0.05": 0.05}
_COUNTED = ("accuracy", "accuracy_at_threshold", "calibration_error")
METRICS = ("average_precision", "roc_auc", *_COUNTED[:2], *RATES, "equal_error_rate", _COUNTED[2])
"""In the order of the columns that `measure` returns."""

_BINS = 15
"""Of the probability, equally wide, as in Guo et al., "On Calibration of Modern Neural Networks" (2017)."""


class Pool(NamedTuple):
    """Reals in falling order of their logits: `order` is their positions, `counted` what each adds to sums."""

    order: Ints
    logits: Floats
    counted: Floats


class Fakes(NamedTuple):
    """Fakes in falling order, and where each stands: `first` and `last` of its ties among the fakes, how many
    reals of the pool reach its logit, and how many pass it."""

    order: Ints
    logits: Floats
    counted: Floats
    first: Ints
    last: Ints
    reaching: Ints
    passing: Ints


class Weighed(NamedTuple):
    """A pool under D weightings: cumulative weight [n + 1, D], its total, sums, and for each rate of false
    positives the logit that fakes must pass. Images first: to look up one is to copy a row."""

    cumulative: Floats
    total: Floats
    counted: Floats
    limits: Floats


def average_precision(labels: NDArray[np.int_], logits: Floats) -> float | None:
    """Return Σ (Rₙ - Rₙ₋₁) Pₙ over the distinct logits, falling; None unless both classes are there.

    Images with equal logits enter together, as in scikit-learn's average_precision_score. `labels` holds 1 for
    fake and 0 for real.
    """
    fakes = int(labels.sum())
    if fakes in (0, len(labels)):
        return None
    order = np.argsort(-logits, kind="stable")
    ranked, hits = logits[order], np.cumsum(labels[order])
    last_of_tie = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    precision = hits[last_of_tie] / (last_of_tie + 1)
    recall = hits[last_of_tie] / fakes
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def accuracy(labels: NDArray[np.int_], logits: Floats) -> float | None:
    """Return the share of images on the right side of logit 0, i.e. sigmoid 0.5; 0 itself counts as real."""
    return float(np.mean((logits > 0) == (labels == 1))) if len(labels) else None


def pool(positions: Ints, logits: Floats, threshold: float | None) -> Pool:
    """Rank the reals at `positions` of `logits`."""
    order = positions[np.argsort(-logits[positions], kind="stable")]
    return Pool(order, logits[order], _counted(logits[order], 0, threshold))


def fakes(positions: Ints, logits: Floats, reals: Pool, threshold: float | None) -> Fakes:
    """Rank the fakes at `positions` of `logits` beside a pool of reals."""
    order = positions[np.argsort(-logits[positions], kind="stable")]
    falling = -logits[order]
    return Fakes(
        order,
        logits[order],
        _counted(logits[order], 1, threshold),
        np.searchsorted(falling, falling, side="left"),
        np.searchsorted(falling, falling, side="right"),
        np.searchsorted(-reals.logits, falling, side="right"),
        np.searchsorted(-reals.logits, falling, side="left"),
    )


def weigh(reals: Pool, weights: Floats) -> Weighed:
    """Return the pool under `weights` [n, D], whose rows are in the pool's order."""
    cumulative = _from_zero(weights)
    total = cumulative[-1].astype(np.float64)
    limits = np.full((len(RATES), len(total)), np.nan)
    if len(weights):
        for at, rate in enumerate(RATES.values()):
            # The first real that would be one false positive too many: fakes must pass its logit.
            limits[at] = reals.logits[np.argmax(cumulative[1:] > rate * total + 1e-9, axis=0)]
    return Weighed(cumulative, total, reals.counted.T.astype(weights.dtype) @ weights, limits)


def measure(group: Fakes, reals: Weighed, weights: Floats, balanced: bool) -> Floats:
    """Return [METRICS, D] of fakes under `weights` ([m, D] or [m, 1], in their order) against a weighed pool.

    With `balanced` the reals weigh as much as the fakes in all. A rate of false positives takes the highest rate
    of true positives that some threshold gives without exceeding it; the equal error rate is where the ROC curve,
    straight between its points, crosses the diagonal.
    """
    hits = _from_zero(weights)
    fake = np.broadcast_to(hits[-1].astype(np.float64), reals.total.shape)
    # Where a class has no weight all quotients are nonsense, and are overwritten.
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = fake / reals.total if balanced else np.ones_like(reals.total)
        reaching, passing = reals.cumulative[group.reaching], reals.cumulative[group.passing]
        up_to = hits[group.last]
        precision = up_to / np.maximum(up_to + (ratio * reaching if balanced else reaching), 1e-30)
        both = {
            "average_precision": np.einsum("md,md->d", *_alike(weights, precision)) / fake,
            "roc_auc": 1 - np.einsum("md,md->d", *_alike(weights, reaching + passing)) / (2 * fake * reals.total),
            "equal_error_rate": _equal_error_rate(group, hits, fake, reaching, passing, reals.total),
        }
        every = np.broadcast_to(hits, (len(hits), len(fake)))
        for at, name in enumerate(RATES):
            passed = np.searchsorted(-group.logits, -reals.limits[at], side="left")
            both[name] = every[passed, np.arange(len(fake))] / fake
        counted = group.counted.T.astype(weights.dtype) @ weights + ratio * reals.counted
        images = fake + ratio * reals.total
        sums = {
            "accuracy": counted[_BINS] / images,
            "accuracy_at_threshold": counted[_BINS + 1] / images,
            "calibration_error": np.abs(counted[:_BINS]).sum(axis=0) / images,
        }
    two_classes = (fake > 0) & (reals.total > 0)
    known = two_classes if balanced else images > 0
    columns = {name: np.where(two_classes, values, np.nan) for name, values in both.items()}
    columns |= {name: np.where(known, values, np.nan) for name, values in sums.items()}
    return np.stack([columns[name] for name in METRICS])


def reason(metric: str, n_fake: int, n_real: int, threshold: float | None, balanced: bool) -> str | None:
    """Return why a metric of so many images is not defined, None where it is."""
    if n_fake + n_real == 0:
        return NO_IMAGES
    if (metric not in _COUNTED or balanced) and 0 in (n_fake, n_real):
        return ONE_CLASS
    if metric in RATES and n_real * RATES[metric] < 1:
        return TOO_FEW_REALS  # not even one false positive is within the rate
    return NO_THRESHOLD if metric == "accuracy_at_threshold" and threshold is None else None


def _equal_error_rate(
    group: Fakes, hits: Floats, fake: Floats, reaching: Floats, passing: Floats, real: Floats
) -> Floats:
    if not len(group.order):
        return np.full_like(real, np.nan)
    kind = hits.dtype
    missed = 1 - hits[group.last] / fake[: hits.shape[1]].astype(kind)
    gap = reaching / real.astype(kind) - missed  # rises from fake to fake, to 1 at the last
    here = np.argmax(gap >= 0, axis=0)
    draws = np.arange(len(real))
    before = np.broadcast_to(hits, (len(hits), len(real)))[group.first[here], draws]
    low, high = passing[here, draws] / real, reaching[here, draws] / real
    missed_before = 1 - before / fake
    start, end = low - missed_before, gap[here, draws]
    # Either crossed on the level stretch of reals before this fake, or on the slope of what ties with it.
    return np.where(start >= 0, missed_before, low + (high - low) * -start / (end - start))


def _counted(logits: Floats, label: int, threshold: float | None) -> Floats:
    """Return [n, bins + 2]: probability less label in its bin, right at logit 0, right at the threshold."""
    columns = np.zeros((len(logits), _BINS + 2))
    probability = np.exp(-np.logaddexp(0.0, -logits))
    bins = np.minimum((probability * _BINS).astype(np.int64), _BINS - 1)
    columns[np.arange(len(logits)), bins] = probability - label
    columns[:, _BINS] = (logits > 0) == (label == 1)
    columns[:, _BINS + 1] = np.nan if threshold is None else (logits > threshold) == (label == 1)
    return columns


def _from_zero(weights: Floats) -> Floats:
    """Return the sums of the first 0, 1, … weights of each column."""
    sums = np.zeros((weights.shape[0] + 1, weights.shape[1]), weights.dtype)
    np.cumsum(weights, axis=0, out=sums[1:])
    return sums


def _alike(weights: Floats, values: Floats) -> tuple[Floats, Floats]:
    return np.broadcast_to(weights, values.shape), values
