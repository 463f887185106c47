"""Diversity of a set of generators or images by one property: how many kinds, and how evenly spread."""

import math
from collections.abc import Iterable


def entropy_bits(counts: Iterable[int]) -> float:
    """Return the Shannon entropy of the shares, in bits; 0 for an empty set or a single kind."""
    counts = [count for count in counts if count > 0]
    total = sum(counts)
    # `+ 0.0` turns the -0.0 of a single kind into 0.0.
    return -sum(count / total * math.log2(count / total) for count in counts) + 0.0


def hill_number(counts: Iterable[int], order: float) -> float:
    """Return the effective number of kinds of this order (Hill 1973, Ecology 54(2)); 0 for an empty set.

    N equally common kinds have the number N at every order. Order 0 counts kinds, 1 is 2 to the Shannon entropy,
    2 the inverse of Simpson's concentration: the higher, the less rare kinds count.
    """
    counts = [count for count in counts if count > 0]
    if not counts:
        return 0.0
    if order == 1:
        return float(2 ** entropy_bits(counts))
    total = sum(counts)
    return float(sum((count / total) ** order for count in counts) ** (1 / (1 - order)))


def effective_number(counts: Iterable[int]) -> float:
    """Return the Hill number of order 1."""
    return hill_number(counts, 1)
