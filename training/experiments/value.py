"""The marginal value of a generator: which to add next, of those whose images have hardly been looked at.

A few pilot images of each candidate are enough. A detector is fitted to what is chosen already; the error of a
candidate is the mean cost (cross-entropy) of its pilots. Adding a generator is worth what it explains of all
candidates' errors: the gain of a facility location, in which each candidate weighs as much as its error and is
served as well as its nearest chosen generator resembles it. The greedy choice of such a function is within 1 - 1/e
of the best (Nemhauser, Wolsey and Fisher, 1978). `spread` is the same choice with equal weights.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etl.lake.schemas import IMAGES
from training import targets
from training.experiments import features, linear
from training.experiments.arms import Fakes
from training.experiments.candidates import Candidates, Index, Ints
from training.experiments.deal import Deal, draw
from training.experiments.features import FeatureSet
from training.experiments.settings import ExperimentSettings

PILOTS = 8
"""Images of each candidate that are looked at."""
_FALLBACK = "linear_srm"
Floats = NDArray[np.float64]


class Valued:
    """Orders generators by their value to one experiment; features are kept with the others."""

    def __init__(self, settings: ExperimentSettings, versions: Mapping[str, int], candidates: Candidates):
        self._settings, self._versions, self._candidates = settings, versions, candidates
        name = settings.design.detector(settings.design.primary)
        self._detector = name if features.is_fixed(name) else _FALLBACK
        self._kept: dict[int, features.Kept] = {}

    def prefer(
        self, fakes: Fakes, base: list[int], others: list[int], index: Index, deal: Deal, number: int
    ) -> list[int]:
        """Return the base and the generators that the strategy adds, up to as many as the arm takes."""
        names = self._candidates.column("generator_id")
        every = [*base, *others]
        pilots = [draw(index.of(g), PILOTS, deal.seed, "images", number, names[g]) for g in every]
        there = self._candidates.reals(tuple(self._settings.design.training.where))
        reals = draw(there, max(64, PILOTS * len(base)), deal.seed, "reals", number)
        rows = self._features(np.concatenate([*pilots, reals]), deal.seed)
        groups = np.split(rows[: -len(reals)], np.cumsum([len(part) for part in pilots])[:-1])
        errors = None
        if fakes.strategy == "value":
            learnt = np.concatenate(groups[: len(base)] or [rows[:0]])
            errors = pilot_errors(learnt, rows[-len(reals) :], groups, 0.01) if len(learnt) else None
        added = greedy(marks(groups), len(base), (fakes.generators or len(every)) - len(base), errors)
        return [*base, *(every[at] for at in added)]

    def _features(self, positions: Ints, seed: int) -> NDArray[np.float32]:
        one = FeatureSet(self._settings.root, self._detector, None, self._settings.design.processing, seed)
        ids = np.array(self._candidates.ids(positions), "S64")
        try:
            return self._kept[seed].of(ids)
        except KeyError:
            computed(one, self._versions[IMAGES.name], set(self._candidates.ids(positions)))
            self._kept[seed] = features.load(one.folder)
            return self._kept[seed].of(ids)


def computed(one: FeatureSet, version: int, ids: set[str]) -> None:
    """Compute and keep the features of these images of `images` that are not kept yet."""
    lacking = features.missing({one: ids})
    wanted = {name for group in lacking.values() for name in group}
    if wanted:
        for _ in features.compute(lacking, targets.encoded(one.root, IMAGES, version, wanted), _at_once):
            pass
        features.load.cache_clear()


def pilot_errors(
    learnt: NDArray[np.float32], reals: NDArray[np.float32], groups: Sequence[NDArray[np.float32]], c: float
) -> Floats:
    """Return each group's mean cross-entropy under a detector of the `learnt` fakes and the reals."""
    rows = np.concatenate([learnt, reals])
    weights, bias = linear.fit(rows, np.repeat([1, 0], [len(learnt), len(reals)]), c)
    return np.array([np.logaddexp(0, -linear.logits(group, weights, bias)).mean() for group in groups])


def marks(groups: Sequence[NDArray[np.float32]]) -> Floats:
    """Return each group's mean features, standardised over all images: what its images have in common."""
    rows = np.concatenate(groups).astype(np.float64)
    mean, spread = rows.mean(0), rows.std(0)
    return np.array([((group - mean) / np.where(spread > 1e-9, spread, 1)).mean(0) for group in groups])


def greedy(places: Floats, chosen: int, count: int, weights: Floats | None = None) -> list[int]:
    """Return the positions of `count` generators to add to the first `chosen`, each the one of highest gain.

    `places` [n, d] are the generators' marks. Their likeness falls with distance, to 1/e at the median one.
    """
    n = len(places)
    squares = (places**2).sum(1)
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2 * places @ places.T, 0))
    scale = np.median(distances[np.triu_indices(n, 1)]) if n > 1 else 1.0
    likeness = np.exp(-distances / (scale or 1.0))
    heavy = np.ones(n) if weights is None else weights
    served = likeness[:, :chosen].max(1) if chosen else np.zeros(n)
    left = set(range(chosen, n))
    added: list[int] = []
    while left and len(added) < count:
        gains = {at: float(heavy @ np.maximum(likeness[:, at] - served, 0)) for at in sorted(left)}
        best = max(gains, key=lambda at: (gains[at], -at))
        added.append(best)
        left.remove(best)
        served = np.maximum(served, likeness[:, best])
    return added


def _at_once(call: Any, *arguments: Any) -> "Future[Any]":
    future: Future[Any] = Future()
    future.set_result(call(*arguments))
    return future
