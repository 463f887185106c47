"""The paper's augmentation: each operation beside Pillow's, its draws beside the declared ranges."""

import importlib.util
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from etl import demo
from training.augmentation.extras import EXTRAS
from training.augmentation.operations import Operation, paper
from training.augmentation.random_state import augment
from training.settings import EXTRA_AUGMENTATIONS

CROP = 64
OPERATIONS = {operation.name: operation for operation in paper(CROP)}

_spec = importlib.util.spec_from_file_location("equivalence", Path(__file__).with_name("equivalence.py"))
equivalence = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(equivalence)


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    """Twenty photographs of about a hundred pixels, in several proportions."""
    files = sorted((Path(demo.__file__).parent / "photos").glob("*.jpg"))[:20]
    sizes = [(101, 75), (80, 80), (75, 120), (97, 73)]
    return [ImageOps.fit(Image.open(file).convert("RGB"), sizes[number % 4]) for number, file in enumerate(files)]


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_does_what_pillow_does(name, pictures):
    differences = []
    for number, picture in enumerate(pictures):
        drawn = OPERATIONS[name].draw(np.random.default_rng(number), picture.height, picture.width)
        ours = OPERATIONS[name].apply(np.asarray(picture), **drawn)
        wanted = np.asarray(equivalence.by_pillow(name, picture, drawn))
        assert ours.shape == wanted.shape and ours.dtype == np.uint8
        differences.append(np.abs(ours.astype(int) - wanted))
    assert equivalence.within(name, differences)


@pytest.mark.parametrize("size", [(40_000, 3), (3, 40_000), (1, 1), (700, 2)])
def test_an_image_of_any_size_is_turned_and_sheared_as_pillow_does(size):
    width, height = size
    picture = Image.fromarray(np.random.default_rng(0).integers(90, 110, (height, width, 3), dtype=np.uint8))
    for name, parameters in (("rotate", {"degrees": 7.0}), ("shear", {"x_degrees": -9.0, "y_degrees": 3.0})):
        ours = OPERATIONS[name].apply(np.asarray(picture), **parameters)
        wanted = np.asarray(equivalence.by_pillow(name, picture, parameters))
        assert ours.shape == wanted.shape and np.abs(ours.astype(int) - wanted).max() <= 3


def drawn(operation: Operation, count: int = 3000, height: int = 100, width: int = 80) -> dict[str, np.ndarray]:
    random = np.random.default_rng(5)
    rows = [operation.draw(random, height, width) for _ in range(count)]
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


EVEN = {
    ("jpeg", "quality"): (75, 100),
    ("resize", "edge"): (CROP + 1, 79),
    ("crop", "top"): (0, 100 - CROP),
    ("crop", "left"): (0, 80 - CROP),
    ("rotate", "degrees"): (-15, 15),
    ("shear", "x_degrees"): (-15, 15),
    ("shear", "y_degrees"): (-15, 15),
    ("translate", "down"): (-10, 10),
    ("translate", "right"): (-8, 8),
    ("pad", "top"): (0, 4),
    ("pad", "grey"): (0, 255),
    ("cutout", "grey"): (0, 255),
}


@pytest.mark.parametrize(("name", "parameter"), EVEN)
def test_a_parameter_fills_its_declared_range_evenly(name, parameter):
    low, high = EVEN[name, parameter]
    values = drawn(OPERATIONS[name])[parameter]
    assert values.min() >= low and values.max() <= high
    assert values.min() <= low + 0.05 * (high - low) and values.max() >= high - 0.05 * (high - low)
    assert values.mean() == pytest.approx((low + high) / 2, abs=0.03 * (high - low))
    even = (high - low) / np.sqrt(12) if values.dtype.kind == "f" else np.sqrt(((high - low + 1) ** 2 - 1) / 12)
    assert values.std() == pytest.approx(even, rel=0.1)


def test_flips_and_holes_come_in_half_of_the_cases_and_filters_alike():
    for name, parameter in (("flip_horizontal", "flip"), ("flip_vertical", "flip"), ("cutout", "holes")):
        assert drawn(OPERATIONS[name])[parameter].mean() == pytest.approx(0.5, abs=0.03)
    filters = Counter(drawn(OPERATIONS["resized_crop"])["resampling"])
    assert len(filters) == 6 and min(filters.values()) > 400
    assert len(Counter(drawn(OPERATIONS["resize"])["resampling"])) == 2


def test_cut_parts_have_the_declared_areas_and_proportions():
    part = drawn(OPERATIONS["resized_crop"], height=200, width=200)
    area = part["height"] * part["width"] / 200**2
    assert area.min() > 0.89 and area.max() <= 1.0
    hole = drawn(OPERATIONS["cutout"], height=200, width=200)
    area, ratio = hole["height"] * hole["width"] / 200**2, hole["height"] / hole["width"]
    assert 0.018 < area.min() < 0.022 and 0.058 < area.max() < 0.062
    assert 0.28 < ratio.min() < 0.34 and 2.9 < ratio.max() < 3.5


def test_each_operation_comes_none_one_or_two_times_and_their_order_is_free():
    calls: list[int] = []
    counted = tuple(
        Operation(str(n), lambda *_: {}, lambda pixels, n=n: calls.append(n) or pixels) for n in range(11)
    )
    counts, firsts = Counter(), Counter()
    for seed in range(600):
        calls.clear()
        augment(np.zeros((4, 4, 3), np.uint8), counted, np.random.default_rng(seed))
        counts.update(Counter(calls).get(n, 0) for n in range(11))
        firsts[calls[0]] += 1
    assert set(counts) == {0, 1, 2} and all(abs(count / 6600 - 1 / 3) < 0.03 for count in counts.values())
    assert len(firsts) == 11 and max(firsts.values()) < 90


def test_the_edges_never_fall_below_the_crop(pictures):
    for seed in range(60):
        picture = np.asarray(pictures[seed % len(pictures)])
        assert min(augment(picture, paper(CROP), np.random.default_rng(seed)).shape[:2]) >= CROP


@pytest.mark.parametrize("name", EXTRAS)
def test_an_extra_keeps_the_size_and_changes_the_pixels(name, pictures):
    picture = np.asarray(pictures[0])
    operation = EXTRAS[name]
    parameters = operation.draw(np.random.default_rng(1), *picture.shape[:2])
    changed = operation.apply(picture, **parameters)
    assert changed.shape == picture.shape and changed.dtype == np.uint8 and (changed != picture).any()
    assert (operation.apply(picture, **parameters) == changed).all()


def test_every_extra_can_be_named_in_a_training():
    assert tuple(EXTRAS) == EXTRA_AUGMENTATIONS
