"""What is measured on an image, and its thumbnail."""

import io

import numpy as np
import pytest
from PIL import Image

from etl.images.features import describe, measure, phash, to_rgb
from etl.lake.schemas import IMAGES


@pytest.fixture(scope="module")
def scene() -> Image.Image:
    """A picture with shapes, whose hash means something."""
    y, x = np.mgrid[0:96, 0:128]
    planes = [128 + 100 * np.sin(x / 17), 128 + 100 * np.cos(y / 13), (x + y) % 200]
    return Image.fromarray(np.stack(planes, axis=2).astype(np.uint8))


def distance(a: int, b: int) -> int:
    return ((a ^ b) & (2**64 - 1)).bit_count()


def test_every_image_that_the_lake_accepts_can_be_measured(good):
    for name, data in good.items():
        width, height, size, hashed, thumbnail, wide, high = measure(data, 32)
        shown = Image.open(io.BytesIO(thumbnail))
        assert (shown.format, shown.mode, shown.size) == ("JPEG", "RGB", (wide, high)), name
        assert max(wide, high) <= 32 and min(wide, high) >= 1, name
        assert size == len(data) and -(2**63) <= hashed < 2**63, name
        assert (width, height) == Image.open(io.BytesIO(data)).size, name


def test_a_thumbnail_keeps_the_shape_and_enlarges_nothing(good):
    assert measure(good["plain.png"], 28)[5:] == (28, 20)
    assert measure(good["plain.png"], 500)[5:] == (56, 40)


def test_a_recompressed_or_smaller_picture_has_nearly_the_same_hash(scene, encode):
    original = phash(scene)
    assert distance(original, phash(Image.open(io.BytesIO(encode(scene, "JPEG", quality=40))))) <= 4
    assert distance(original, phash(scene.resize((64, 48)))) <= 4


def test_another_picture_has_another_hash(scene, picture):
    assert distance(phash(scene), phash(picture)) > 16


def test_the_hash_is_that_of_the_definition(scene):
    grey = np.asarray(scene.convert("L").resize((32, 32), Image.Resampling.LANCZOS), dtype=float)
    bits = ""
    low = [
        sum(
            grey[y, x] * np.cos(np.pi * u * (2 * y + 1) / 64) * np.cos(np.pi * v * (2 * x + 1) / 64)
            for y in range(32)
            for x in range(32)
        )
        for u in range(8)
        for v in range(8)
    ]
    bits = "".join("1" if value > np.median(low) else "0" for value in low)
    assert phash(scene) == int.from_bytes(int(bits, 2).to_bytes(8, "big"), "big", signed=True)


def test_transparent_pixels_are_white_and_not_what_hides_behind_them():
    hidden = Image.new("RGBA", (2, 1), (255, 0, 0, 0))
    assert to_rgb(hidden).getpixel((0, 0)) == (255, 255, 255)


def test_a_transparent_colour_of_a_palette_is_white(picture, encode):
    palette = Image.new("P", (2, 2), 0)
    palette.putpalette([255, 0, 0, 0, 255, 0])
    image = Image.open(io.BytesIO(encode(palette, "PNG", transparency=0)))
    assert to_rgb(image).getpixel((0, 0)) == (255, 255, 255)


def test_sixteen_bit_grey_keeps_its_shades(encode):
    ramp = np.linspace(0, 65_535, 256).astype(np.uint16).reshape(16, 16)
    rgb = to_rgb(Image.open(io.BytesIO(encode(Image.fromarray(ramp), "PNG"))))
    assert len(set(np.asarray(rgb)[..., 0].ravel().tolist())) >= 250


def test_images_without_label_or_generator_are_described(spark, good):
    rows = [(name, data, None, None) for name, data in list(good.items())[:3]]
    rows.append(("big", good["plain.png"], 1, "g"))
    schema = "image_id string, bytes binary, label int, generator_id string"
    found = {r.image_id: r for r in describe(spark.createDataFrame(rows, schema), 16).collect()}
    assert len(found) == 4 and found["big"].label == 1 and found["big"].generator_id == "g"
    assert found["plain.jpg"].label is None and found["plain.jpg"].generator_id is None
    assert found["plain.jpg"].phash == measure(good["plain.jpg"], 16)[3]
    assert IMAGES.schema["label"].dataType.simpleString() == "int"
