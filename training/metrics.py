"""Metrics of a detector's logits: average precision, accuracy, their means over generators. NumPy only.

Ranks are of logits, never of sigmoids: a sigmoid in 32 bits makes ties, which change the average precision. A
group with one class has no average precision, and says so by None.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ONE_CLASS = "ONE_CLASS"
NO_IMAGES = "NO_IMAGES"


class Value(NamedTuple):
    """One metric of one group of images; `value` is None where it is undefined, for the given reason."""

    metric: str
    value: float | None
    reason: str | None = None
    low: float | None = None
    high: float | None = None


class Group(NamedTuple):
    """The metrics of one slice and the images that they rest on."""

    kind: str
    name: str
    n_real: int
    n_fake: int
    values: tuple[Value, ...]


def average_precision(labels: NDArray[np.int_], logits: NDArray[np.float64]) -> float | None:
    """Return Σ (Rₙ − Rₙ₋₁) Pₙ over the distinct logits, falling; None unless both classes are there.

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


def accuracy(labels: NDArray[np.int_], logits: NDArray[np.float64]) -> float | None:
    """Return the share of images on the right side of logit 0, i.e. sigmoid 0.5; 0 itself counts as real."""
    return float(np.mean((logits > 0) == (labels == 1))) if len(labels) else None


def judge(
    labels: NDArray[np.int_],
    logits: NDArray[np.float64],
    generators: Sequence[str | None],
    seed: int = 0,
    draws: int = 2000,
) -> list[Group]:
    """Return the metrics of all images, of each generator, and their unweighted means over generators.

    A generator's fakes are judged against all reals, so its figures depend on how many reals there are. The
    means carry a 95 % bootstrap interval over generators, since images of one generator are not independent.
    """
    names = np.array([name or "" for name in generators])
    reals = labels == 0
    groups = [_group("all", "all", labels, logits)]
    by_generator = []
    for name in sorted(set(names[~reals])):
        chosen = reals | (names == name)
        by_generator.append(_group("generator", str(name), labels[chosen], logits[chosen]))
    return [*groups, *by_generator, _mean(by_generator, labels, seed, draws)]


def bootstrap_interval(values: Sequence[float], seed: int, draws: int) -> tuple[float, float] | None:
    """Return the 2.5th and 97.5th percentile of resampled means; None for fewer than two values."""
    if len(values) < 2:
        return None
    picks = np.random.default_rng(seed).integers(len(values), size=(draws, len(values)))
    low, high = np.percentile(np.asarray(values)[picks].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def _group(kind: str, name: str, labels: NDArray[np.int_], logits: NDArray[np.float64]) -> Group:
    precision, right = average_precision(labels, logits), accuracy(labels, logits)
    fakes = int(labels.sum())
    missing = None if precision is not None else ONE_CLASS if len(labels) else NO_IMAGES
    values = (
        Value("average_precision", precision, missing),
        Value("accuracy", right, None if right is not None else NO_IMAGES),
    )
    return Group(kind, name, len(labels) - fakes, fakes, values)


def _mean(groups: list[Group], labels: NDArray[np.int_], seed: int, draws: int) -> Group:
    fakes = int(labels.sum())
    values = []
    for position, metric in enumerate(("average_precision", "accuracy")):
        column = [group.values[position] for group in groups]
        defined = [value.value for value in column if value.value is not None]
        if not defined:
            values.append(Value(metric, None, column[0].reason if column else ONE_CLASS))
            continue
        low, high = bootstrap_interval(defined, seed, draws) or (None, None)
        values.append(Value(metric, float(np.mean(defined)), None, low, high))
    return Group("mean", "mean", len(labels) - fakes, fakes, tuple(values))
