"""Measures of spread against closed forms and independent formulas."""

import numpy as np
import pytest

from etl.statistics.diversity import hill_number
from etl.statistics.spread import coverage, fingerprints, vendi_score


def test_vendi_score_of_orthogonal_kinds_is_the_hill_number_of_their_shares():
    counts = [5, 3, 2]
    features = np.repeat(np.eye(3), counts, axis=0) * np.arange(1, 11)[:, None]  # lengths do not matter
    for order in (1, 2):
        assert vendi_score(features, order) == pytest.approx(hill_number(counts, order))


@pytest.mark.parametrize(("n", "d"), [(12, 40), (40, 12)])
def test_vendi_score_agrees_with_the_entropy_of_the_whole_similarity_matrix(n, d):
    features = np.random.default_rng(n).normal(size=(n, d)) + 0.5
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    matrix = np.asarray(unit @ unit.T / n, dtype=complex)
    values = np.linalg.svd(matrix, compute_uv=False)  # another way to a symmetric matrix's eigenvalues
    entropy = -sum(value * np.log(value) for value in values if value > 1e-12)
    assert vendi_score(features) == pytest.approx(np.exp(entropy), rel=1e-8)


def test_vendi_score_is_one_for_copies_and_counts_blanks_alone():
    assert vendi_score(np.ones((6, 4))) == pytest.approx(1)
    assert vendi_score(np.zeros((3, 4))) == pytest.approx(3)
    assert vendi_score(np.zeros((0, 4))) == 0


def test_fingerprints_tell_generators_apart_only_where_they_leave_different_marks():
    random = np.random.default_rng(3)
    names = np.repeat(["a", "b", "c"], 200)
    noise = 10 ** (random.normal(0, 0.1, (600, 8)))
    alike = fingerprints(noise, names)
    marked = fingerprints(noise * 10 ** np.repeat([0.0, 0.3, 0.6], 200)[:, None], names)
    assert alike is not None and marked is not None
    assert alike.within == pytest.approx(1.0, rel=0.05)  # 0.1 of a decade is one decibel
    assert alike.between < 0.2
    assert marked.between == pytest.approx((3 + 3 + 6) / 3, rel=0.05)
    assert marked.within == pytest.approx(alike.within)
    assert fingerprints(noise[:200], names[:200]) is None


def test_coverage_counts_kinds_and_their_members():
    assert coverage({"a", "never"}, {"a": 8, "b": 1, "c": 1}) == (pytest.approx(1 / 3), pytest.approx(0.8))
    assert coverage(set(), {}) == (0.0, 0.0)


@pytest.mark.parametrize(("n", "d"), [(15, 6), (6, 15), (64, 32)])
def test_vendi_score_agrees_with_its_authors_package(n, d):
    vendi = pytest.importorskip("vendi_score.vendi")
    features = np.random.default_rng([n, d]).normal(size=(n, d)) + 0.3
    assert vendi_score(features) == pytest.approx(vendi.score_X(features, q=1), rel=1e-6)
    # Its score_X does not heed q.
    assert vendi_score(features, order=2) == pytest.approx(vendi.score_dual(features, q=2), rel=1e-6)


def test_hill_numbers_agree_with_scikit_bio_on_random_counts():
    alpha = pytest.importorskip("skbio.diversity.alpha")
    random = np.random.default_rng(11)
    for kinds in (1, 2, 7, 40):
        counts = random.integers(0, 50, kinds) + (np.arange(kinds) == 0)
        for order in (0, 1, 2, 3):
            assert hill_number(counts.tolist(), order) == pytest.approx(alpha.hill(counts, order=order), rel=1e-9)
