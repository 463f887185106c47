"""Files of the images made here: three formats, known settings, the same bytes for the same pixels."""

import io

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from generation.encoding import SUFFIXES, encode, is_of

PIXELS = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
SAMPLING = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}
"""As Pillow numbers them."""


@pytest.mark.parametrize("format_", SUFFIXES)
def test_a_file_is_of_its_format_and_of_no_other_and_repeats(format_):
    quality = None if format_ == "PNG" else 80
    content = encode(PIXELS, format_, quality)
    assert Image.open(io.BytesIO(content)).format == format_
    assert [other for other in SUFFIXES if is_of(content, other)] == [format_]
    assert encode(PIXELS.copy(), format_, quality) == content


def test_a_png_keeps_every_pixel():
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encode(PIXELS)))), PIXELS)


@pytest.mark.parametrize("subsampling", SAMPLING)
def test_a_jpeg_has_the_subsampling_asked_for(subsampling):
    image = Image.open(io.BytesIO(encode(PIXELS, "JPEG", 90, subsampling)))
    assert JpegImagePlugin.get_sampling(image) == SAMPLING[subsampling]


@pytest.mark.parametrize("format_", ["JPEG", "WEBP"])
def test_a_higher_quality_is_nearer_to_the_pixels(format_):
    def distance(quality: int) -> float:
        decoded = np.asarray(Image.open(io.BytesIO(encode(PIXELS, format_, quality))), dtype=int)
        return float(np.abs(decoded - PIXELS).mean())

    assert distance(95) < distance(75) < distance(30)


def test_no_file_holds_metadata():
    for format_ in SUFFIXES:
        image = Image.open(io.BytesIO(encode(PIXELS, format_, 80 if format_ != "PNG" else None)))
        assert not image.getexif()
        assert not set(image.info) - {"jfif", "jfif_version", "jfif_unit", "jfif_density", "loop", "background"}
