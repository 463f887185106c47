"""Figures of slices with 95 % intervals, by a bootstrap over generators and images.

Images of one generator are not independent, so what lies over several generators is drawn by whole generators,
and reals by image. Drawing a generator's images as well would count their spread twice (Davison & Hinkley,
Bootstrap Methods and their Application, 1997, section 3.8). What lies within one generator is drawn by image,
fakes and reals. All slices share a draw, and it depends on the images alone: two runs on the same can be paired.
With a hundred reals or fewer an average precision rests on the few that score highest, and its intervals are too
narrow (measured: 90 % instead of 95).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training import intervals, metrics
from training.metrics import METRICS, Fakes, Floats, Ints, Pool
from training.slices import Images, Slice

GENERATORS, IMAGES = "generators", "images"
_CELLS = 4_000_000
"""Weights in memory at once: draws times images."""


class Figures(NamedTuple):
    """The metrics of one slice: values, NaN where undefined for a reason, and what they were in each draw."""

    kind: str
    name: str
    n_fake: int
    n_real: int
    values: Floats
    reasons: tuple[str | None, ...]
    draws: NDArray[np.float32]
    level: str
    """What was drawn with replacement: generators or images"""
    units: int
    """How many of them there are"""
    counts: NDArray[np.float32] | None
    """[units, draws]: how often each was drawn, where they are generators and few"""

    def interval(self, metric: int) -> tuple[float, float] | None:
        return self.interval_of(self.draws[metric], metric, self.values[metric])

    def interval_of(self, draws: NDArray[np.float32], metric: int, value: float) -> tuple[float, float] | None:
        """Return the interval of what was computed under this slice's draws: a metric, or two runs' difference.

        A drawn calibration error is too large, since drawing adds noise to each bin: the interval moves by that.
        """
        found = intervals.interval(draws, self.units, self.counts, self.n_real)
        if found is None or METRICS[metric] != "calibration_error":
            return found
        excess = float(np.nanmean(draws)) - value
        return found[0] - excess, found[1] - excess


class _Mean(NamedTuple):
    """An unweighted mean over generators: its slices and generators, and within which stratum those are drawn."""

    kind: str
    name: str
    stratum: str
    members: list[int]
    codes: Ints


class _Draws(NamedTuple):
    """Weights of D draws: of fakes within their generator, of generators within each stratum, of reals."""

    fakes: Floats
    generators: dict[str, Floats]
    reals: Floats


class _Prepared(NamedTuple):
    """A slice, ranked, with the metrics that are not defined on it."""

    part: Slice
    fakes: Fakes
    reasons: tuple[str | None, ...]
    stratum: str | None
    """Within which stratum its generators are drawn; None where its images are"""
    units: int


def figures(
    judged: Images, parts: list[Slice], threshold: float | None, balanced: bool, seed: int, draws: int
) -> list[Figures]:
    """Return the figures of all slices, then the means over generators: over all, and in each architecture."""
    of_fakes, of_reals = (part["logit"].to_numpy() for part in judged)
    names, codes = np.unique(judged.fakes["generator_id"].to_numpy(), return_inverse=True)
    strata = _strata(judged, len(names))
    pools: dict[int, Pool] = {}
    prepared: dict[int, list[tuple[int, _Prepared]]] = {}
    for at, part in enumerate(parts):
        key = id(part.reals)  # slices of the same reals share the array
        if key not in pools:
            pools[key] = metrics.pool(part.reals, of_reals, threshold)
        ready = _prepare(
            part, metrics.fakes(part.fakes, of_fakes, pools[key], threshold), codes, threshold, balanced
        )
        prepared.setdefault(key, []).append((at, ready))
    means = _means(parts, codes, strata["architecture"], judged)
    one = _Draws(
        np.ones((len(codes), 1)), {k: np.ones((len(names), 1)) for k in strata}, np.ones((len(of_reals), 1))
    )
    values = _measured(one, pools, prepared, means, codes, balanced)[:, :, 0]
    kept = np.empty((len(values), len(METRICS), draws), np.float32)
    counts = {name: np.empty((len(names), draws), np.float32) for name in strata}
    start = 0
    for chosen in _draws(codes, strata, len(of_reals), seed, draws):
        some = chosen.reals.shape[1]
        kept[:, :, start : start + some] = _measured(chosen, pools, prepared, means, codes, balanced)
        for name, drawn in chosen.generators.items():
            counts[name][:, start : start + some] = drawn
        start += some
    found = [
        Figures(
            ready.part.kind,
            ready.part.name,
            len(ready.part.fakes),
            len(ready.part.reals),
            values[at],
            ready.reasons,
            kept[at],
            GENERATORS if ready.stratum else IMAGES,
            ready.units,
            _few(counts[ready.stratum], np.unique(codes[ready.part.fakes])) if ready.stratum else None,
        )
        for at, ready in sorted((pair for group in prepared.values() for pair in group), key=lambda pair: pair[0])
    ]
    return found + [
        _figures_of(mean, parts, found, values[number], kept[number], counts[mean.stratum])
        for number, mean in enumerate(means, start=len(parts))
    ]


def _prepare(part: Slice, ranked: Fakes, codes: Ints, threshold: float | None, balanced: bool) -> _Prepared:
    counts = len(part.fakes), len(part.reals)
    reasons = tuple(metrics.reason(name, *counts, threshold, balanced) for name in METRICS)
    if part.missing:
        reasons = tuple(part.missing if why == metrics.ONE_CLASS else why for why in reasons)
    generators = len(np.unique(codes[part.fakes]))
    if generators > 1:
        stratum = part.kind if part.kind in ("family", "architecture") else "all"
        return _Prepared(part, ranked, reasons, stratum, generators)
    return _Prepared(part, ranked, reasons, None, min(counts) or max(counts))


def _strata(judged: Images, generators: int) -> dict[str, Ints]:
    """Return the stratum of each generator, in the order of their names: all one, or by a column."""
    of_generators = judged.fakes.group_by("generator_id").first().sort("generator_id")
    strata = {"all": np.zeros(generators, np.int64)}
    for column in ("family", "architecture"):
        strata[column] = np.unique(of_generators[column].to_numpy(), return_inverse=True)[1]
    return strata


def _means(parts: list[Slice], codes: Ints, architectures: Ints, judged: Images) -> list[_Mean]:
    members = [at for at, part in enumerate(parts) if part.kind == "generator"]
    own = np.array([codes[parts[at].fakes[0]] for at in members], dtype=np.int64)
    means = [_Mean("mean", "mean", "all", members, own)]
    names = sorted(set(judged.fakes["architecture"]))  # as `_strata` numbers them
    for number, name in enumerate(names):
        inside = np.flatnonzero(architectures[own] == number)
        chosen = [members[at] for at in inside]
        means.append(_Mean("mean_of_architecture", name, "architecture", chosen, own[inside]))
    return means


def _figures_of(
    mean: _Mean,
    parts: list[Slice],
    found: list[Figures],
    values: Floats,
    draws: NDArray[np.float32],
    counts: NDArray[np.float32],
) -> Figures:
    members = [found[at] for at in mean.members]
    first = members[0].reasons if members else (metrics.ONE_CLASS,) * len(METRICS)
    reasons = tuple(why if np.isnan(value) else None for value, why in zip(values, first, strict=True))
    pooled = {id(parts[at].reals): parts[at].reals for at in mean.members} or {0: parts[0].reals}
    reals = len(np.unique(np.concatenate([*pooled.values()])))
    fakes = sum(member.n_fake for member in members)
    few = _few(counts, mean.codes)
    return Figures(mean.kind, mean.name, fakes, reals, values, reasons, draws, GENERATORS, len(members), few)


def _few(counts: NDArray[np.float32], generators: Ints) -> NDArray[np.float32] | None:
    return counts[generators] if len(generators) < intervals.MANY else None


def _draws(codes: Ints, strata: dict[str, Ints], reals: int, seed: int, draws: int) -> Iterator[_Draws]:
    random = np.random.default_rng(seed)
    at_once = max(1, _CELLS // max(1, len(codes) + reals))
    for start in range(0, draws, at_once):
        some = min(at_once, draws - start)
        yield _Draws(
            _resampled(random, codes, some),
            {name: _resampled(random, stratum, some) for name, stratum in strata.items()},
            _resampled(random, np.zeros(reals, np.int64), some),
        )


def _resampled(random: np.random.Generator, strata: Ints, draws: int) -> Floats:
    """Return [n, draws]: how often each member was drawn, with replacement within its stratum."""
    n = len(strata)
    order = np.argsort(strata, kind="stable")
    sizes = np.bincount(strata)
    size, first = np.repeat(sizes, sizes)[:, None], np.repeat(np.cumsum(sizes) - sizes, sizes)[:, None]
    picks = first + (random.random((n, draws)) * size).astype(np.int64)
    counts = np.empty((n, draws), np.float32)  # half the memory to go through; sums of counts stay exact
    counts[order] = np.bincount((picks * draws + np.arange(draws)).ravel(), minlength=draws * n).reshape(n, draws)
    return counts


def _measured(
    draws: _Draws,
    pools: dict[int, Pool],
    prepared: dict[int, list[tuple[int, _Prepared]]],
    means: list[_Mean],
    codes: Ints,
    balanced: bool,
) -> Floats:
    """Return [slices and means, METRICS, D]."""
    parts = sum(len(group) for group in prepared.values())
    result = np.full((parts + len(means), len(METRICS), draws.reals.shape[1]), np.nan)
    whole: dict[int, Floats] = {}
    for key, group in prepared.items():
        reals = metrics.weigh(pools[key], draws.reals[pools[key].order])
        for at, ready in group:
            undefined = [why is not None for why in ready.reasons]
            order = ready.fakes.order
            weights = draws.generators[ready.stratum][codes[order]] if ready.stratum else draws.fakes[order]
            result[at] = metrics.measure(ready.fakes, reals, weights, balanced)
            result[at][undefined] = np.nan
            if ready.part.kind == "generator":
                whole[at] = metrics.measure(
                    ready.fakes, reals, np.ones((len(order), 1), draws.reals.dtype), balanced
                )
                whole[at][undefined] = np.nan
    for number, mean in enumerate(means, start=parts):
        if mean.members:
            drawn = draws.generators[mean.stratum][mean.codes]
            result[number] = _mean(np.stack([whole[at] for at in mean.members]), drawn)
    return result


def _mean(values: Floats, weights: Floats) -> Floats:
    """Return the weighted means of [generators, METRICS, D] over the generators where a metric is defined."""
    defined = np.isfinite(values)
    heavy = weights[:, None, :] * defined
    with np.errstate(invalid="ignore"):
        mean: Floats = (heavy * np.where(defined, values, 0.0)).sum(axis=0) / heavy.sum(axis=0)
    return mean
