"""Detection against lineage distance and release date, and an alarm for new generators: from scores alone.

The distance of a test generator is that of a tree, in steps of declared lineage, to the nearest generator that was
learnt; generators of other roots are unrelated. A new generator raises an alarm where the whole 95 % interval of
its detection rate lies below what a further known generator would show.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import beta, t

from training import intervals

UNRELATED = "unrelated"
LINEAGE, RELEASED = "lineage_distance", "release_month"
METRIC = "tpr"
_DRAWS = 2000
Floats = NDArray[np.float64]
Chain = tuple[str, ...]


class Rate(NamedTuple):
    """Detection of one generator at a threshold."""

    generator_id: str
    caught: int
    fakes: int

    @property
    def tpr(self) -> float:
        return self.caught / self.fakes

    @property
    def interval(self) -> tuple[float, float]:
        """The exact 95 % interval of the rate (Clopper and Pearson 1934)."""
        low = beta.ppf(0.025, self.caught, self.fakes - self.caught + 1) if self.caught else 0.0
        high = beta.ppf(0.975, self.caught + 1, self.fakes - self.caught) if self.caught < self.fakes else 1.0
        return float(low), float(high)


def threshold(reals: Floats, fpr: float) -> float:
    """Return the lowest logit that at most this share of the reals passes."""
    falling = np.sort(reals)[::-1]
    return float(falling[min(len(falling) - 1, math.floor(fpr * len(falling)))])


def rates(fakes: pl.DataFrame, limit: float) -> list[Rate]:
    """Return the rate of each generator; `fakes` has generator_id and logit."""
    grouped = fakes.group_by("generator_id").agg((pl.col("logit") > limit).sum().alias("caught"), pl.len())
    return [Rate(*row) for row in grouped.sort("generator_id").iter_rows()]


def chains(generators: pl.DataFrame, bases: Mapping[str, str]) -> dict[str, Chain]:
    """Return each generator's line of models, itself first, its root last.

    `bases` name the declared base of each model. A line that is not declared goes straight to the root.
    """
    found = {}
    for generator, model, root in generators.select("generator_id", "model_id", "root_model_id").iter_rows():
        line = [model or generator]
        while (base := bases.get(line[-1])) is not None and base not in line:
            line.append(base)
        if root is not None and line[-1] != root:
            line = line[: line.index(root) + 1] if root in line else [*line, root]
        found[generator] = tuple(line)
    return found


def distance(one: Chain, other: Chain) -> int | None:
    """Return the steps between two models of a tree; None where they have no model in common."""
    steps = {model: at for at, model in enumerate(other)}
    return next((at + steps[model] for at, model in enumerate(one) if model in steps), None)


def nearest(chain: Chain, learnt: Collection[Chain]) -> int | None:
    """Return the least distance to any of the chains."""
    found = [steps for other in learnt if (steps := distance(chain, other)) is not None]
    return min(found, default=None)


def by_distance(
    measured: Sequence[Rate], lines: Mapping[str, Chain], learnt: Collection[str]
) -> list[dict[str, Any]]:
    """Return a row of `gold_detection_trends` a distance, without its subject."""
    ours = [lines[name] for name in learnt if name in lines]
    bins: dict[tuple[float, str], list[Rate]] = {}
    for rate in measured:
        steps = nearest(lines.get(rate.generator_id, (rate.generator_id,)), ours)
        key = (float("inf"), UNRELATED) if steps is None else (float(steps), str(steps))
        bins.setdefault(key, []).append(rate)
    return [_row(LINEAGE, name, place, own) for (place, name), own in sorted(bins.items())]


def by_release(measured: Sequence[Rate], released: Mapping[str, datetime | None]) -> list[dict[str, Any]]:
    """Return a row of `gold_detection_trends` a month of release, without its subject."""
    bins: dict[str, list[Rate]] = {}
    for rate in measured:
        at = released.get(rate.generator_id)
        if at is not None:
            bins.setdefault(f"{at:%Y-%m}", []).append(rate)
    places = {name: 12 * (int(name[:4]) - 1970) + int(name[5:]) - 1 for name in bins}
    return [_row(RELEASED, name, float(places[name]), own) for name, own in sorted(bins.items())]


def known_range(known: Sequence[Rate]) -> tuple[float, float] | None:
    """Return the interval in which a further known generator's rate would lie, with 95 %; None for fewer than 3.

    A normal prediction interval of arcsine square roots, whose spread hardly depends on the rate.
    """
    if len(known) < 3:
        return None
    angles = np.arcsin(np.sqrt([rate.tpr for rate in known]))
    reach = t.ppf(0.975, len(angles) - 1) * angles.std(ddof=1) * math.sqrt(1 + 1 / len(angles))
    low, high = (float(np.clip(angles.mean() + side * reach, 0, np.pi / 2)) for side in (-1, 1))
    return math.sin(low) ** 2, math.sin(high) ** 2


def alarms(measured: Sequence[Rate], new: Collection[str], limit: float, fpr: float) -> list[dict[str, Any]]:
    """Return a row of `gold_alarms` a generator, without subject, family and date; the new ones may alarm."""
    inside = known_range([rate for rate in measured if rate.generator_id not in new])
    rows = []
    for rate in measured:
        low, high = rate.interval
        is_new = rate.generator_id in new
        rows.append({
            "generator_id": rate.generator_id, "is_new": is_new, "fpr": fpr, "threshold": limit,
            "n_fake": rate.fakes, "tpr": rate.tpr,
            "tpr_low": low, "tpr_high": high,
            "known_low": inside[0] if inside else None, "known_high": inside[1] if inside else None,
            "alarm": bool(is_new and inside and high < inside[0]),
        })  # fmt: skip
    return rows


def _row(trend: str, name: str, place: float, own: Sequence[Rate]) -> dict[str, Any]:
    values = np.array([rate.tpr for rate in own])
    random = np.random.default_rng(0)
    drawn = values[random.integers(0, len(values), (_DRAWS, len(values)))].mean(1).astype(np.float32)
    found = intervals.interval(drawn, len(values))
    return {
        "trend": trend, "bin": name, "position": None if math.isinf(place) else place, "metric": METRIC,
        "value": float(values.mean()), "ci_low": found[0] if found else None,
        "ci_high": found[1] if found else None, "n_generators": len(own),
        "n_fake": sum(rate.fakes for rate in own),
    }  # fmt: skip
