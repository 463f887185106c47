"""An image enters the lake only when it decodes to its last pixel, under caps; nothing else can be raised."""

import random
import struct
import warnings

import numpy as np
import pytest
from PIL import Image

from etl.images.decoding import MAX_BYTES, Code, Properties, Refused, inspect

GOOD = {
    "plain.jpg": Properties("JPEG", 56, 40, "RGB", 1, 1),
    "progressive.jpg": Properties("JPEG", 56, 40, "RGB", 1, 1),
    "cmyk.jpg": Properties("JPEG", 56, 40, "CMYK", 1, 1),
    "turned.jpg": Properties("JPEG", 56, 40, "RGB", 1, 6),
    "multi-picture.jpg": Properties("JPEG", 56, 40, "RGB", 2, 1),
    "plain.png": Properties("PNG", 56, 40, "RGB", 1, 1),
    "deep.png": Properties("PNG", 20, 20, "I;16", 1, 1, bit_depth=16),
    "palette.png": Properties("PNG", 56, 40, "P", 1, 1),
    "alpha.png": Properties("PNG", 56, 40, "RGBA", 1, 1),
    "one-pixel.png": Properties("PNG", 1, 1, "RGB", 1, 1),
    "strip.png": Properties("PNG", 1, 16_000, "L", 1, 1),
    "animated.png": Properties("PNG", 56, 40, "RGB", 2, 1),
    "plain.gif": Properties("GIF", 56, 40, "P", 1, 1),
    "animated.gif": Properties("GIF", 56, 40, "P", 2, 1),
    "plain.webp": Properties("WEBP", 56, 40, "RGB", 1, 1),
    "animated.webp": Properties("WEBP", 56, 40, "RGB", 2, 1),
    "plain.avif": Properties("AVIF", 56, 40, "RGB", 1, 1),
    "trailing-bytes.jpg": Properties("JPEG", 56, 40, "RGB", 1, 1),
    "trailing-bytes.png": Properties("PNG", 56, 40, "L", 1, 1),
    "trailing-bytes.gif": Properties("GIF", 56, 40, "P", 1, 1),
}


def code(data: bytes) -> Code:
    with pytest.raises(Refused) as refusal:
        inspect(data)
    return refusal.value.code


def test_images_of_every_admitted_kind_are_accepted_with_their_properties(good):
    assert {name: inspect(data) for name, data in good.items()} == GOOD


def test_inputs_of_every_refused_kind_get_their_code(bad):
    assert {name: code(data).value for name, (data, _) in bad.items()} == {n: c for n, (_, c) in bad.items()}


def test_a_file_beyond_the_cap_is_refused_before_it_is_decoded(good):
    assert code(good["plain.jpg"] + b"\0" * MAX_BYTES) == Code.TOO_BIG


@pytest.mark.parametrize("name", ["plain.jpg", "plain.png", "plain.gif", "plain.webp", "plain.avif"])
def test_an_image_without_its_last_byte_is_truncated(good, name):
    assert code(good[name][:-1]) == Code.TRUNCATED


def test_a_zero_byte_in_the_pixels_of_a_gif_is_not_its_end(good):
    semicolon = good["plain.gif"].index(b";", 900)
    assert code(good["plain.gif"][: semicolon + 1]) == Code.TRUNCATED


def test_what_is_no_image_is_described_by_its_first_bytes():
    with pytest.raises(Refused, match="it begins with b'<html>'"):
        inspect(b"<html>")


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (3, struct.pack("<HH", 8, 0), 8),
        (3, struct.pack("<HH", 0, 0), 1),
        (3, struct.pack("<HH", 77, 0), 1),
        (4, struct.pack("<I", 2**32 - 1), 1),  # does not fit the column either
        (2, b"abc\0", 1),
        (7, b"\6\0\0\0", 1),
    ],
)
def test_an_orientation_that_does_not_exist_counts_as_upright(picture, encode, kind, value, expected):
    entry = struct.pack("<HHHI", 1, 0x0112, kind, 1) + value
    exif = b"Exif\0\0II*\0" + struct.pack("<I", 8) + entry + struct.pack("<I", 0)
    assert inspect(encode(picture, "JPEG", exif=exif)).exif_orientation == expected


def test_damaged_metadata_does_not_cost_the_image(picture, encode):
    assert inspect(encode(picture, "JPEG", exif=b"Exif\0\0garbage")).exif_orientation == 1


def test_a_refusal_and_an_acceptance_are_silent(good, bad):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        inspect(good["turned.jpg"])
        code(bad["many-pixels.png"][0])


def test_an_image_at_the_caps_is_accepted(encode):
    assert inspect(encode(Image.new("1", (16_384, 3_051)), "PNG")).width == 16_384


def test_damaged_bytes_are_accepted_or_refused_and_raise_nothing_else(good):
    """A thousand damaged files, by a fixed seed: cut, overwritten, and with bytes put in."""
    chance = random.Random(20_250_101)
    names = [name for name in good if name != "strip.png"]
    outcomes = set()
    for _ in range(1_000):
        data = bytearray(good[chance.choice(names)])
        if chance.random() < 0.2:
            del data[chance.randrange(1, len(data)) :]
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(min(len(data), 400))] = chance.randrange(256)
        if chance.random() < 0.2:
            data[10:10] = np.random.default_rng(len(data)).bytes(8)
        try:
            properties = inspect(bytes(data))
            outcomes.add("accepted")
            assert 1 <= properties.exif_orientation <= 8 and properties.n_frames >= 1
        except Refused as refusal:
            outcomes.add(refusal.code.value)
    assert outcomes >= {"accepted", "TRUNCATED", "NOT_IMAGE"}
