"""Each measure against its definition, written out the slow way."""

import io
import math

import numpy as np
import pytest
from PIL import Image, ImageFilter

from etl.images.features.colour import colourfulness, entropy, mean_colour, sharpness
from etl.images.features.jpeg import jpeg_quality, jpeg_subsampling
from etl.images.features.spectrum import BINS, SEGMENT, radial_spectrum


def noise(height: int, width: int, sigma: float = 20.0, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).normal(128, sigma, (height, width))
    return values.round().clip(0, 255).astype(np.uint8)


def grey(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("shape", [(40, 56), (3, 3), (301, 1000)])
def test_sharpness_is_the_variance_of_the_laplacian(shape):
    levels = noise(*shape)
    x = levels.astype(float)
    laplacian = x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:] - 4 * x[1:-1, 1:-1]
    assert sharpness(levels) == pytest.approx(laplacian.var(), rel=1e-4, abs=1e-9)


def test_a_blurred_picture_is_less_sharp_and_a_flat_or_tiny_one_is_not_at_all():
    levels = noise(64, 64)
    blurred = np.asarray(Image.fromarray(levels).filter(ImageFilter.GaussianBlur(2)))
    assert sharpness(blurred) < sharpness(levels) / 10
    assert sharpness(np.full((50, 50), 200, np.uint8)) == 0.0
    assert sharpness(np.zeros((2, 50), np.uint8)) is None


def test_colours_are_those_of_their_definitions(picture):
    red, green, blue = np.moveaxis(np.asarray(picture, dtype=float), 2, 0)
    mean = mean_colour(picture)
    assert mean == pytest.approx((red.mean(), green.mean(), blue.mean()))
    rg, yb = red - green, (red + green) / 2 - blue
    expected = math.hypot(rg.std(), yb.std()) + 0.3 * math.hypot(rg.mean(), yb.mean())
    assert colourfulness(picture, mean) == pytest.approx(expected, rel=1e-5)


def test_grey_has_no_colourfulness_and_one_colour_only_its_distance_from_grey():
    for colour, expected in (((90, 90, 90), 0.0), ((255, 0, 0), 0.3 * math.hypot(255, 127.5))):
        flat = Image.new("RGB", (300, 200), colour)
        assert colourfulness(flat, mean_colour(flat)) == pytest.approx(expected, abs=1e-6)


def test_entropy_counts_the_bits_of_the_grey_levels():
    assert entropy(Image.new("L", (20, 20), 9)) == 0.0
    assert entropy(Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))) == pytest.approx(8.0)
    halves = Image.fromarray(np.repeat(np.array([[3, 200]], np.uint8), 8, axis=0))
    assert entropy(halves) == pytest.approx(1.0)


@pytest.mark.parametrize("quality", [1, 10, 49, 50, 75, 90, 95, 100])
def test_the_quality_of_a_jpeg_is_read_from_its_tables(picture, encode, quality):
    assert jpeg_quality(grey(encode(picture, "JPEG", quality=quality))) == quality


def test_tables_of_another_encoder_have_the_nearest_quality(picture, encode):
    flat = encode(picture, "JPEG", qtables=[[8] * 64, [8] * 64])
    assert 85 <= jpeg_quality(grey(flat)) <= 97


def test_what_is_no_jpeg_has_neither_quality_nor_subsampling(good):
    for name in ("plain.png", "plain.webp", "plain.avif", "plain.gif"):
        image = grey(good[name])
        assert (jpeg_quality(image), jpeg_subsampling(image)) == (None, None), name


def test_the_subsampling_of_a_jpeg_has_its_usual_name(picture, encode, good):
    for name in ("4:4:4", "4:2:2", "4:2:0"):
        assert jpeg_subsampling(grey(encode(picture, "JPEG", subsampling=name))) == name
    assert jpeg_subsampling(grey(encode(picture.convert("L"), "JPEG"))) == "4:0:0"
    assert jpeg_subsampling(grey(good["multi-picture.jpg"])) == "4:2:0"
    assert jpeg_subsampling(grey(good["cmyk.jpg"])) == "1x1,1x1,1x1,1x1"


def test_uncommon_factors_are_told_one_by_one(picture, encode):
    data = bytearray(encode(picture, "JPEG", subsampling="4:4:4"))
    frame = data.index(b"\xff\xc0")
    assert jpeg_subsampling(with_factors(data, frame, (0x12, 0x11, 0x11))) == "4:4:0"
    assert jpeg_subsampling(with_factors(data, frame, (0x22, 0x12, 0x11))) == "2x2,1x2,1x1"
    assert jpeg_subsampling(with_factors(data, frame, (0x31, 0x11, 0x11))) == "3x1,1x1,1x1"


def with_factors(data: bytearray, frame: int, factors: tuple[int, ...]) -> Image.Image:
    """Write sampling factors into the frame header: a byte a component, three bytes apart."""
    changed = bytearray(data)
    for component, factor in enumerate(factors):
        changed[frame + 11 + 3 * component] = factor
    return Image.open(io.BytesIO(changed))


def by_the_definition(levels: np.ndarray) -> list[float]:
    """The spectrum of an image of one segment: the whole plane, ring by ring."""
    height, width = levels.shape[0] - 2, levels.shape[1] - 2
    median = np.asarray(Image.fromarray(levels).filter(ImageFilter.MedianFilter(3)))
    residual = (levels.astype(float) - median)[1:-1, 1:-1]
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
    transformed = np.fft.fft2((residual - residual.mean()) * window, s=(SEGMENT, SEGMENT))
    power = np.abs(transformed) ** 2 / (window**2).sum()
    frequency = np.fft.fftfreq(SEGMENT)
    rings = np.rint(np.hypot(frequency[:, None], frequency) * SEGMENT)
    return [power[rings == k].mean() for k in range(1, BINS + 1)]


@pytest.mark.parametrize("shape", [(130, 130), (100, 70), (16, 16)])
def test_the_spectrum_is_that_of_its_definition(shape):
    levels = noise(*shape)
    assert radial_spectrum(levels).tolist() == pytest.approx(by_the_definition(levels), rel=1e-3)


def test_a_larger_image_has_the_mean_of_four_segments():
    quarters = [[noise(130, 130, seed=2 * y + x) for x in range(2)] for y in range(2)]
    mean = np.mean([by_the_definition(part) for row in quarters for part in row], axis=0)
    assert radial_spectrum(np.block(quarters)).tolist() == pytest.approx(mean.tolist(), rel=1e-3)


def test_the_power_does_not_depend_on_the_size_and_grows_with_the_variance():
    small, large, strong = (radial_spectrum(noise(*given)) for given in ((64, 64), (600, 900), (600, 900, 40.0)))
    assert small[20:].mean() == pytest.approx(large[20:].mean(), rel=0.1)
    assert strong[20:].mean() == pytest.approx(4 * large[20:].mean(), rel=0.1)


def test_a_pattern_of_four_pixels_shows_at_a_quarter_cycle():
    rows = np.tile(np.array([0, 60, 0, 200], np.uint8), (256, 64))
    spectrum = radial_spectrum((rows // 2 + noise(256, 256, 2.0) // 2).astype(np.uint8))
    assert abs(int(spectrum[: BINS - 4].argmax()) + 1 - SEGMENT // 4) <= 1


def test_a_flat_image_has_no_power_and_a_narrow_one_no_spectrum():
    assert radial_spectrum(np.full((300, 300), 77, np.uint8)).tolist() == [0.0] * BINS
    assert radial_spectrum(noise(15, 400)) is None
    assert radial_spectrum(noise(16, 400)) is not None
