"""What is measured on an image, and its thumbnail."""

import io

import numpy as np
import pytest
from PIL import Image

from etl.images.features import examine, to_rgb
from etl.images.features.batches import describe
from etl.images.features.perceptual_hash import phash
from etl.images.features.pixels import TooBig

GIVEN = "image_id string, bytes binary, label int, generator_id string, shown boolean"


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
        found = examine(data, 32, 24)
        jpeg, wide, high = found.thumbnail
        shown = Image.open(io.BytesIO(jpeg))
        assert (shown.format, shown.mode, shown.size) == ("JPEG", "RGB", (wide, high)), name
        assert max(wide, high) <= 32 and min(wide, high) >= 1, name
        measures = found.measures
        assert measures.byte_size == len(data) and -(2**63) <= measures.phash < 2**63, name
        assert (measures.width, measures.height) == Image.open(io.BytesIO(data)).size, name
        assert measures.format == name.rpartition(".")[2].upper().replace("JPG", "JPEG"), name
        assert found.square.shape == (24, 24, 3), name
        numbers = [value for value in vars(measures).values() if isinstance(value, float | np.ndarray)]
        assert all(np.isfinite(value).all() for value in numbers), name


def test_only_what_is_asked_for_is_made(good):
    found = examine(good["plain.png"], None, None)
    assert found.thumbnail is None and found.square is None


def test_a_thumbnail_keeps_the_shape_and_enlarges_nothing(good):
    assert examine(good["plain.png"], 28, None).thumbnail[1:] == (28, 20)
    assert examine(good["plain.png"], 500, None).thumbnail[1:] == (56, 40)


def test_transparency_is_noted(good):
    noted = {name: examine(data, None, None).measures.has_alpha for name, data in good.items()}
    assert {name for name, alpha in noted.items() if alpha} == {"alpha.png", "palette.png"}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_an_image_of_too_many_pixels_is_not_decoded(bad):
    with pytest.raises(TooBig, match=r"9500x9500 pixels, at most 50000000 are measured"):
        examine(bad["many-pixels.png"][0], None, None)


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
    rows = [(name, data, None, None, False) for name, data in list(good.items())[:3]]
    rows.append(("big", good["plain.png"], 1, "g", False))
    found = {r.image_id: r for r in describe(spark.createDataFrame(rows, GIVEN), 16, None).collect()}
    assert len(found) == 4 and found["big"].label == 1 and found["big"].generator_id == "g"
    assert found["plain.jpg"].label is None and found["plain.jpg"].generator_id is None
    measures = examine(good["plain.jpg"], None, None).measures
    assert found["plain.jpg"].phash == measures.phash
    assert found["plain.jpg"].spectrum == pytest.approx(measures.spectrum.tolist())
    assert all(row.code is None and row.embedding is None for row in found.values())


def test_bad_images_become_rows_with_a_code_and_cost_the_others_nothing(spark, good, bad):
    rows = [(name, data, 1, "g", True) for name, data in good.items()]
    rows += [(name, data, 1, "g", True) for name, (data, _) in bad.items()]
    found = {r.image_id: r for r in describe(spark.createDataFrame(rows, GIVEN), 16, None).collect()}
    assert len(found) == len(rows)
    assert all(found[name].code is None and found[name].phash is not None for name in good)
    assert found["empty.png"].code == found["half.jpg"].code == "UNMEASURABLE"
    assert found["many-pixels.png"].code == "TOO_BIG" and "9500x9500" in found["many-pixels.png"].detail
    assert found["half.jpg"].detail.startswith("OSError: ") and found["half.jpg"].phash is None


def test_an_image_with_a_thumbnail_gets_no_second_one(spark, good):
    rows = [("there", good["plain.png"], 1, "g", True), ("new", good["plain.png"], 1, "g", False)]
    found = {r.image_id: r for r in describe(spark.createDataFrame(rows, GIVEN), 16, None).collect()}
    assert found["there"].jpeg is None and found["new"].jpeg.startswith(b"\xff\xd8")
