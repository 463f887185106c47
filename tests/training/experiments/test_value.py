"""The marginal value of generators: what is already served adds nothing, what errs counts for more."""

import numpy as np
import pytest

from training.experiments import planning
from training.experiments.value import greedy, pilot_errors


def test_the_next_generator_is_one_that_nothing_chosen_resembles():
    places = np.array([[0.0, 0.0], [0.1, 0.0], [0.0, 0.1], [5.0, 5.0], [5.1, 5.0]])
    assert greedy(places, 1, 1)[0] in (3, 4)
    assert set(greedy(places, 1, 4)) == {1, 2, 3, 4}


def test_errors_decide_between_places_that_are_equally_new():
    places = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    assert greedy(places, 1, 1, np.array([0.1, 0.1, 2.0])) == [2]
    assert greedy(places, 1, 1, np.array([0.1, 2.0, 0.1])) == [1]


def test_pilots_that_look_like_reals_cost_more_than_those_that_look_like_what_is_learnt():
    random = np.random.default_rng(1)
    reals, learnt, near, far = (
        (random.normal(0, 1, (40, 5)) + shift).astype(np.float32) for shift in (0.0, 2.0, 2.0, 0.2)
    )
    errors = pilot_errors(learnt, reals, [near, far], 0.1)
    assert errors[0] < errors[1]


def test_an_arm_may_add_by_value_and_every_set_stays_disjoint(tiny_world, declare):
    arms = {
        name: {
            "vary": "generators", "x": [3, 5],
            "fakes": {"images": 30, "base": 2, "strategy": name, "shortage": "fewer"},
        }
        for name in ("random", "value", "spread")
    }  # fmt: skip
    plan = planning.plan(declare(tiny_world, arms=arms, seeds=[1], effects={}))
    assert plan.problems == []
    sizes = {one.cells[0].set_id: planning.cells.sizes(plan.candidates, one.learnt) for one in plan.chosen}
    assert {size["n_generators"] for name, size in sizes.items() if "/x5/" in name} == {5}
    generators = {
        one.cells[0].set_id: set(plan.candidates.codes[one.learnt.fakes].tolist()) for one in plan.chosen
    }
    for strategy in ("random", "value", "spread"):
        assert generators[f"{strategy}/x3/s1/f0/d0"] < generators[f"{strategy}/x5/s1/f0/d0"]
    base = generators["random/x3/s1/f0/d0"] & generators["value/x3/s1/f0/d0"]
    assert len(base) >= 2


@pytest.mark.parametrize("count", [0, 2])
def test_no_more_generators_are_added_than_asked_for(count):
    assert len(greedy(np.random.default_rng(0).normal(size=(6, 3)), 2, count)) == count
