"""Degradations at declared levels."""

import numpy as np
import pytest

from training import degradations

PIXELS = (np.random.default_rng(0).normal(128, 30, (90, 120, 3)).clip(0, 255)).astype(np.uint8)


@pytest.mark.parametrize("name", degradations.names())
def test_a_degradation_depends_on_the_image_alone_and_leaves_its_input(name):
    before = PIXELS.copy()
    first, again = (degradations.apply(name, PIXELS, "a") for _ in range(2))
    assert first.dtype == np.uint8 and first.ndim == 3 and first.flags["C_CONTIGUOUS"]
    assert (first == again).all() and (before == PIXELS).all()
    assert first.shape != PIXELS.shape or (first != PIXELS).any()


@pytest.mark.parametrize("name", degradations.names())
def test_an_image_of_one_pixel_survives(name):
    assert degradations.apply(name, np.full((1, 1, 3), 9, np.uint8), "a").size


@pytest.mark.parametrize("family", ["jpeg", "webp", "blur", "noise"])
def test_levels_of_a_family_go_from_mild_to_strong(family):
    names = [name for name in degradations.names() if name.startswith(family + "-")]
    changes = [np.abs(degradations.apply(name, PIXELS, "a").astype(int) - PIXELS).mean() for name in names]
    assert len(names) >= 3 and changes == sorted(changes)


def test_sizes_are_the_declared_shares():
    assert degradations.apply("resize-50", PIXELS, "a").shape == (45, 60, 3)
    assert degradations.apply("crop-75", PIXELS, "a").shape == (68, 90, 3)
