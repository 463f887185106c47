"""Metrics against values worked out by hand, and where they are undefined."""

import numpy as np
import pytest
from scipy.optimize import brentq
from sklearn.metrics import accuracy_score, average_precision_score, roc_auc_score, roc_curve

from training import metrics
from training.metrics import accuracy, average_precision


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


def measured(labels, logits, threshold=None, balanced=False) -> dict[str, float]:
    """All metrics of one group, unweighted."""
    fakes, reals = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    ranked = metrics.pool(reals, logits, threshold)
    group = metrics.fakes(fakes, logits, ranked, threshold)
    weighed = metrics.weigh(ranked, np.ones((len(reals), 1)))
    values = metrics.measure(group, weighed, np.ones((len(fakes), 1)), balanced)[:, 0]
    return dict(zip(metrics.METRICS, values, strict=True))


def by_scikit_learn(labels, logits, threshold, weights=None) -> dict[str, float]:
    false, true, _ = roc_curve(labels, logits, drop_intermediate=False, sample_weight=weights)
    probability = 1 / (1 + np.exp(-logits))
    bins = np.minimum((probability * 15).astype(int), 14)
    weighed = np.ones(len(labels)) if weights is None else weights
    gaps = [abs((weighed * (labels - probability))[bins == at].sum()) for at in range(15)]
    return {
        "average_precision": average_precision_score(labels, logits, sample_weight=weights),
        "roc_auc": roc_auc_score(labels, logits, sample_weight=weights),
        "accuracy": accuracy_score(labels, logits > 0, sample_weight=weights),
        "accuracy_at_threshold": accuracy_score(labels, logits > threshold, sample_weight=weights),
        "tpr_at_fpr_0.01": true[false <= 0.01].max(),
        "tpr_at_fpr_0.05": true[false <= 0.05].max(),
        "equal_error_rate": brentq(lambda x: 1 - x - np.interp(x, false, true), 0, 1, xtol=1e-14),
        "calibration_error": sum(gaps) / weighed.sum(),
    }


@pytest.mark.parametrize("places", [None, 1, 0])
def test_every_metric_agrees_with_scikit_learn_on_random_scores_with_and_without_ties(places):
    random = np.random.default_rng(places or 7)
    for _ in range(20):
        labels = random.permutation(np.repeat([0, 1], [130, 40]))
        logits = random.normal(labels * 1.2 - 0.4)
        logits = logits if places is None else logits.round(places)
        found, wanted = measured(labels, logits, 0.3), by_scikit_learn(labels, logits, 0.3)
        for name in metrics.METRICS:
            assert found[name] == pytest.approx(wanted[name], abs=1e-9), name


def test_balanced_reals_weigh_as_much_as_the_fakes():
    random = np.random.default_rng(3)
    labels = np.repeat([0, 1], [130, 40])
    logits = random.normal(labels * 1.2)
    wanted = by_scikit_learn(labels, logits, 0.3, np.where(labels == 1, 1.0, 40 / 130))
    found = measured(labels, logits, 0.3, balanced=True)
    for name in ("average_precision", "roc_auc", "accuracy", "accuracy_at_threshold", "calibration_error"):
        assert found[name] == pytest.approx(wanted[name], abs=1e-9), name


def test_a_weighting_is_the_same_as_images_that_many_times():
    random = np.random.default_rng(5)
    labels, logits = np.repeat([0, 1], [120, 30]), random.normal(size=150).round(1)
    counts = random.integers(0, 4, 150)
    fakes, reals = np.arange(120, 150), np.arange(120)
    ranked = metrics.pool(reals, logits, 0.0)
    group = metrics.fakes(fakes, logits, ranked, 0.0)
    weighed = metrics.weigh(ranked, counts[ranked.order][:, None].astype(float))
    found = metrics.measure(group, weighed, counts[group.order][:, None].astype(float), False)[:, 0]
    wanted = measured(np.repeat(labels, counts), np.repeat(logits, counts), 0.0)
    assert found == pytest.approx([wanted[name] for name in metrics.METRICS], abs=1e-12)


@pytest.mark.parametrize(
    ("metric", "n_fake", "n_real", "balanced", "why"),
    [
        ("average_precision", 3, 0, False, "ONE_CLASS"),
        ("accuracy", 3, 0, False, None),
        ("accuracy", 3, 0, True, "ONE_CLASS"),
        ("accuracy", 0, 0, False, "NO_IMAGES"),
        ("accuracy_at_threshold", 3, 3, False, "NO_THRESHOLD"),
        ("tpr_at_fpr_0.01", 3, 99, False, "TOO_FEW_REALS"),
        ("tpr_at_fpr_0.01", 3, 100, False, None),
    ],
)
def test_what_is_undefined_says_why(metric, n_fake, n_real, balanced, why):
    assert metrics.reason(metric, n_fake, n_real, None, balanced) == why
