"""Diversity of a set of generators or images by one property: how many kinds, and how evenly spread."""

import math
from collections.abc import Iterable


def entropy_bits(counts: Iterable[int]) -> float:
    """Return the Shannon entropy of the shares, in bits; 0 for an empty set or a single kind."""
    counts = [count for count in counts if count > 0]
    total = sum(counts)
    # `+ 0.0` turns the -0.0 of a single kind into 0.0.
    return -sum(count / total * math.log2(count / total) for count in counts) + 0.0


def effective_number(counts: Iterable[int]) -> float:
    """Return the effective number of kinds (Hill number of order 1, 2 to the entropy); 0 for an empty set.

    N equally common kinds have the effective number N; rare kinds count for less.
    """
    counts = [count for count in counts if count > 0]
    return 2 ** entropy_bits(counts) if counts else 0.0
