"""Entropy and effective number against values worked out by hand."""

import math

import pytest

from etl.statistics.diversity import effective_number, entropy_bits, hill_number
from etl.statistics.gold import diversity


@pytest.mark.parametrize(
    ("counts", "bits"),
    [
        ([], 0.0),
        ([0, 0], 0.0),
        ([7], 0.0),
        ([1, 1], 1.0),
        ([5, 5, 5, 5], 2.0),
        ([2, 1, 1], 1.5),
        ([8, 4, 2, 1, 1], 1.875),
        ([3, 1], 2 - 0.75 * math.log2(3)),
        ([2, 1, 0, 1], 1.5),
    ],
)
def test_entropy_is_that_of_the_shares(counts, bits):
    assert entropy_bits(counts) == pytest.approx(bits, abs=1e-12)


def test_entropy_of_one_kind_is_zero_without_a_sign():
    assert math.copysign(1, entropy_bits([7])) == 1


@pytest.mark.parametrize(("counts", "number"), [([], 0), ([0], 0), ([9], 1), ([4] * 10, 10), ([2, 1, 1], 2**1.5)])
def test_equally_common_kinds_have_their_number_and_rare_ones_count_for_less(counts, number):
    assert effective_number(counts) == pytest.approx(number)


def test_a_generator_of_counts_is_read_once():
    assert effective_number(count for count in (1, 1)) == pytest.approx(2)


def test_diversity_has_one_row_a_dimension_and_unit():
    counted = [("kind", 1, 30), ("kind", 1, 10), ("family", 2, 40)]
    assert diversity(counted) == [
        ("family", "generators", 1, 2, 0.0, 1.0, 1.0),
        ("family", "images", 1, 40, 0.0, 1.0, 1.0),
        ("kind", "generators", 2, 2, 1.0, 2.0, 2.0),
        ("kind", "images", 2, 40, pytest.approx(0.8113, abs=1e-4), pytest.approx(1.7548, abs=1e-4), 1.6),
    ]


@pytest.mark.parametrize("order", [0, 0.5, 1, 2, 3])
def test_hill_numbers_of_equally_common_kinds_are_their_number_at_every_order(order):
    assert hill_number([6] * 7, order) == pytest.approx(7)
    assert hill_number([], order) == 0


def test_hill_numbers_agree_with_their_closed_forms_and_fall_with_the_order():
    shares = [0.5, 0.25, 0.25]
    numbers = [hill_number([2, 1, 1], order) for order in (0, 1, 2)]
    shannon = math.exp(-sum(share * math.log(share) for share in shares))
    assert numbers == pytest.approx([3, shannon, 1 / sum(share**2 for share in shares)])
