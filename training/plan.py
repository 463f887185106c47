"""Who reads what in an epoch: row groups dealt to ranks and workers, batches of planned sizes, and where to go on.

All of it follows from (seed, epoch) and the rows of the row groups, so that every process can work it out alone.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from training.errors import TooFewRows


class Share(NamedTuple):
    """What one worker of one rank reads in an epoch: row groups in order, and the sizes of its batches."""

    groups: list[int]
    sizes: list[int]


def plan_row_groups(
    n: int, seed: int, epoch: int, rank: int = 0, world: int = 1, worker: int = 0, workers: int = 1
) -> list[int]:
    """Return which of `n` row groups this worker of this rank reads in this epoch, in order.

    Over all workers and ranks every row group comes once; the order is a function of (seed, epoch) alone.
    """
    order = np.random.default_rng([seed, epoch]).permutation(n)
    return [int(group) for group in order[rank * workers + worker :: world * workers]]


def shares(
    rows: Sequence[int], seed: int, epoch: int, rank: int, world: int, workers: int, batch_size: int, equal: bool
) -> list[Share]:
    """Return the shares of a rank's workers, of row groups with so many `rows` each.

    Without `equal` batches are full but for each worker's last one. With it every rank takes as many steps as the
    one with most rows: its batches are of almost equal size, none above `batch_size`, and no row comes twice or
    not at all. Raises TooFewRows where a rank has fewer rows than steps.
    """
    dealt = [
        [plan_row_groups(len(rows), seed, epoch, other, world, worker, workers) for worker in range(workers)]
        for other in range(world)
    ]
    totals = [[sum(rows[group] for group in groups) for groups in of_rank] for of_rank in dealt]
    mine = totals[rank]
    if not equal:
        return [Share(groups, _full(total, batch_size)) for groups, total in zip(dealt[rank], mine, strict=True)]
    steps = max(sum(-(-total // batch_size) for total in of_rank) for of_rank in totals)
    if min(map(sum, totals)) < steps:
        raise TooFewRows(
            f"a process would get {min(map(sum, totals))} rows for {steps} steps (of {len(rows)} row groups "
            "none is divided): train with fewer --processes, or build a larger training set"
        )
    counts = _spread(mine, steps, batch_size)
    return [
        Share(groups, _even(total, count)) for groups, total, count in zip(dealt[rank], mine, counts, strict=True)
    ]


def taken(batches: Sequence[int], steps: int) -> tuple[list[int], int]:
    """Return how many batches each worker has given after `steps`, and whose turn is next.

    Workers take turns, as in torch's DataLoader; one that has given all of its `batches` is passed over.
    """
    given, turn = [0] * len(batches), 0
    for _ in range(min(steps, sum(batches))):
        while given[turn] == batches[turn]:
            turn = (turn + 1) % len(batches)
        given[turn] += 1
        turn = (turn + 1) % len(batches)
    return given, turn


def _full(total: int, size: int) -> list[int]:
    rest = [total % size] if total % size else []
    return [size] * (total // size) + rest


def _even(total: int, count: int) -> list[int]:
    return [total // count + (number < total % count) for number in range(count)]


def _spread(totals: Sequence[int], steps: int, batch_size: int) -> list[int]:
    """Return the batches of each worker, `steps` in all: as few as can be, the rest where batches are largest."""
    counts = [-(-total // batch_size) for total in totals]
    for _ in range(steps - sum(counts)):
        fullest = max(
            range(len(counts)), key=lambda worker: totals[worker] / counts[worker] if counts[worker] else 0
        )
        counts[fullest] += 1
    return counts
