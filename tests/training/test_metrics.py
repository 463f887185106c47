"""Metrics against values worked out by hand, and where they are undefined."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from training.metrics import ONE_CLASS, accuracy, average_precision, bootstrap_interval, judge


def test_average_precision_sums_precision_over_steps_of_recall():
    # Ranked: fake, real, fake, real: 1/2 * 1/1 + 1/2 * 2/3
    labels, logits = np.array([1, 0, 1, 0]), np.array([4.0, 3.0, 2.0, 1.0])
    assert average_precision(labels, logits) == pytest.approx(0.5 + 1 / 3)


def test_a_perfect_ranking_has_average_precision_one_and_a_reversed_one_does_not():
    labels = np.array([1, 1, 0, 0])
    assert average_precision(labels, np.array([4.0, 3.0, 2.0, 1.0])) == 1.0
    # Reversed: 1/2 * 1/3 + 1/2 * 2/4
    assert average_precision(labels, np.array([1.0, 2.0, 3.0, 4.0])) == pytest.approx(1 / 6 + 1 / 4)


def test_images_with_equal_logits_count_together():
    labels = np.array([1, 0, 0, 1])
    assert average_precision(labels, np.zeros(4)) == 0.5
    assert average_precision(labels[::-1].copy(), np.zeros(4)) == 0.5


def test_average_precision_agrees_with_scikit_learn_on_random_scores_with_ties():
    random = np.random.default_rng(1)
    for _ in range(50):
        labels, logits = random.integers(0, 2, 30), random.integers(0, 8, 30).astype(float)
        assert average_precision(labels, logits) == pytest.approx(average_precision_score(labels, logits))


def test_logits_rank_where_their_sigmoids_would_tie():
    labels, logits = np.array([0, 1, 0]), np.array([40.0, 50.0, -50.0])
    assert average_precision(labels, logits) == 1.0


@pytest.mark.parametrize("labels", [[1, 1, 1], [0, 0], []])
def test_one_class_has_no_average_precision(labels):
    assert average_precision(np.array(labels, dtype=int), np.arange(len(labels), dtype=float)) is None


def test_a_logit_of_zero_counts_as_real():
    assert accuracy(np.array([0, 0, 1, 1]), np.array([0.0, -3.0, 0.1, -0.1])) == 0.75


def test_each_generator_is_judged_against_all_reals_and_the_mean_weighs_generators_alike():
    labels = np.array([0, 0, 1, 1, 1])
    logits = np.array([0.5, -1.0, 2.0, 3.0, 0.1])
    groups = {g.name: g for g in judge(labels, logits, [None, None, "a", "a", "b"])}
    assert [v.value for v in groups["a"].values] == [1.0, 0.75]
    assert [v.value for v in groups["b"].values] == [0.5, pytest.approx(2 / 3)]
    assert [v.value for v in groups["mean"].values] == [0.75, pytest.approx((0.75 + 2 / 3) / 2)]
    assert (groups["a"].n_real, groups["a"].n_fake, groups["b"].n_fake, groups["all"].n_fake) == (2, 2, 1, 3)


def test_without_reals_average_precision_is_null_with_its_reason_and_the_mean_too():
    for group in judge(np.array([1, 1]), np.array([1.0, -1.0]), ["a", "b"]):
        assert group.values[0][1:3] == (None, ONE_CLASS)


def test_without_fakes_there_are_no_generators_and_the_mean_says_why():
    groups = judge(np.array([0, 0]), np.array([1.0, -1.0]), [None, None])
    assert [group.kind for group in groups] == ["all", "mean"]
    assert groups[1].values[0][1:3] == (None, ONE_CLASS)


def test_the_interval_is_repeatable_lies_within_the_values_and_needs_two_of_them():
    values = [0.5, 0.7, 0.9, 0.95]
    low, high = bootstrap_interval(values, seed=1, draws=500)
    assert (low, high) == bootstrap_interval(values, seed=1, draws=500)
    assert 0.5 <= low < np.mean(values) < high <= 0.95
    assert bootstrap_interval([0.5], seed=1, draws=500) is None
