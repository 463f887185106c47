"""95 % intervals from bootstrap draws, as wide as they must be for few units and no wider.

Plain percentiles are too narrow for few units, by √((n - 1) / n) and by the normal's tails instead of t's: the
expanded percentile interval takes percentiles further out (Hesterberg, What Teachers Should Know About the
Bootstrap, 2014, 3.3). Where a metric hangs on a few generators and on many reals, only the generators' share of
its variance is expanded, and t's degrees of freedom are those of the sum (Satterthwaite, An Approximate
Distribution of Estimates of Variance Components, 1946). The share comes from the draws themselves: the sum of the
squared covariances of a unit's count and the metric (the infinitesimal jackknife: Efron, Estimation and Accuracy
After Model Selection, 2014), less what chance adds to it.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

MANY = 100
"""Units from which on the expansion is within 1 % of none, so that no share is needed."""


def interval(
    draws: NDArray[np.floating],
    units: int,
    counts: NDArray[np.float32] | None = None,
    others: int = 0,
    level: float = 0.95,
) -> tuple[float, float] | None:
    """Return the interval; None for fewer than two units, or mostly undefined draws.

    `counts` [units, draws] is how often each unit was drawn, where beside the units `others` images were drawn;
    without it all variance is the units'.
    """
    defined = np.isfinite(draws)
    if units < 2 or 2 * defined.sum() < max(1, len(draws)):
        return None
    some = draws[defined].astype(np.float64)
    share = 1.0 if counts is None or others < 2 else _share(some, counts[:, defined])
    of_units, of_others = share * units / (units - 1), 1 - share
    variance = of_units + of_others
    freedom = variance**2 / (of_units**2 / (units - 1) + of_others**2 / max(1, others - 1))
    tail = float(norm.cdf(np.sqrt(variance) * t.ppf((1 - level) / 2, freedom)))
    low, high = np.quantile(some, [tail, 1 - tail])
    return float(low), float(high)


def _share(draws: NDArray[np.float64], counts: NDArray[np.float32]) -> float:
    """Return which part of the draws' variance, 0 to 1, comes from the units' counts."""
    variance = draws.var()
    if not variance:
        return 1.0
    covariances = counts @ (draws - draws.mean()) / len(draws)
    by_chance = len(counts) / len(draws) * variance
    return float(np.clip((np.sum(covariances**2) - by_chance) / variance, 0, 1))
