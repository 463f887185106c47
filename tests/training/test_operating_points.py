"""Thresholds that are fixed on validation images, and the rates that are stated with them."""

import numpy as np
import pytest
from scipy.stats import binomtest

from training.operating_points import points


def fixed(reals: list[float], fakes: list[float]) -> dict:
    labels = np.array([0] * len(reals) + [1] * len(fakes))
    return {point.name: point for point in points(labels, np.array(reals + fakes))}


def test_the_balanced_point_calls_most_right_and_lies_nearest_to_zero():
    point = fixed([-4.0, -3.0, 1.0], [-1.0, 2.0, 3.0])["balanced"]
    assert point.threshold == -0.0 or -1 < point.threshold < 2  # either side of 1 is as good
    assert (point.fpr + 1 - point.tpr) == pytest.approx(1 / 3)
    assert fixed([-4.0], [5.0])["balanced"].threshold == 0.0


def test_a_rate_of_false_positives_is_not_exceeded_and_the_threshold_is_the_lowest_that_keeps_it():
    reals = [float(n) for n in range(100)]
    point = fixed(reals, [50.5, 97.5, 200.0])["fpr_0.01"]
    assert (point.fpr, 98 <= point.threshold < 99) == (0.01, True)
    assert point.tpr == pytest.approx(1 / 3)
    interval = binomtest(1, 100).proportion_ci(0.95, method="exact")
    assert (point.fpr_low, point.fpr_high) == pytest.approx((interval.low, interval.high))


def test_tied_reals_are_all_left_below_the_threshold():
    point = fixed([0.0] * 90 + [5.0] * 10, [9.0])["fpr_0.05"]
    assert (point.fpr, point.threshold > 5.0) == (0.0, True)


def test_a_rate_of_misses_is_not_exceeded_and_the_threshold_is_the_highest_that_keeps_it():
    point = fixed([0.0], [float(n) for n in range(100)])["fnr_0.05"]
    assert (1 - point.tpr, 4 <= point.threshold < 5) == (pytest.approx(0.05), True)


def test_too_few_images_fix_no_rate_and_one_class_fixes_nothing():
    assert set(fixed([0.0] * 99, [1.0] * 19)) == {"balanced", "fpr_0.05"}
    assert fixed([], [1.0]) == {} and fixed([1.0], []) == {}
