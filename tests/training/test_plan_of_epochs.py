"""Plans: every row once an epoch, equal steps, and where an epoch goes on."""

from collections import Counter
from itertools import chain

import numpy as np
import pytest

from training.errors import TooFewRows
from training.plan import Share, shares, taken

ROWS = [int(rows) for rows in np.random.default_rng(0).integers(1, 9, 37)]


def all_shares(seed: int, epoch: int, world: int, workers: int, equal: bool, batch: int = 5) -> list[list[Share]]:
    return [shares(ROWS, seed, epoch, rank, world, workers, batch, equal) for rank in range(world)]


@pytest.mark.parametrize("equal", [False, True])
@pytest.mark.parametrize("world", [1, 2])
@pytest.mark.parametrize("workers", [1, 2, 3, 4])
def test_two_hundred_epochs_give_every_row_group_once_and_every_row_a_batch(world, workers, equal):
    orders = set()
    for epoch in range(200):
        planned = all_shares(3, epoch, world, workers, equal)
        assert Counter(group for rank in planned for share in rank for group in share.groups) == Counter(range(37))
        for share in chain.from_iterable(planned):
            assert sum(share.sizes) == sum(ROWS[group] for group in share.groups)
            assert all(0 < size <= 5 for size in share.sizes)
        if equal:
            assert len({sum(len(share.sizes) for share in rank) for rank in planned}) == 1
        orders.add(str(planned))
        assert planned == all_shares(3, epoch, world, workers, equal)
    assert len(orders) == 200


def test_with_equal_steps_no_batch_is_a_straggler():
    (share,) = shares([50, 51], 0, 0, 0, 1, 1, 20, True)
    assert sorted(share.sizes) == [16, 17, 17, 17, 17, 17]


def test_more_processes_than_row_groups_cannot_take_equal_steps():
    with pytest.raises(TooFewRows, match="fewer --processes"):
        shares([50, 50], 0, 0, 0, 3, 1, 10, True)
    assert shares([50, 50], 0, 0, 2, 3, 1, 10, False) == [Share([], [])]


def test_workers_take_turns_and_those_that_are_done_are_passed_over():
    assert [taken([3, 1, 2], steps) for steps in range(8)] == [
        ([0, 0, 0], 0), ([1, 0, 0], 1), ([1, 1, 0], 2), ([1, 1, 1], 0),
        ([2, 1, 1], 1), ([2, 1, 2], 0), ([3, 1, 2], 1), ([3, 1, 2], 1),
    ]  # fmt: skip
