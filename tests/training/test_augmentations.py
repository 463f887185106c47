"""The two transforms, and decoding."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from training.augmentations import MEAN, STD, TestTransform, TrainTransform, shorter_edge, to_input
from training.decoding import decode
from training.errors import UndecodableImage


def picture(width: int, height: int) -> Image.Image:
    ramp = np.arange(width * height * 3, dtype=np.uint32) * 2654435761 >> 24
    return Image.fromarray(ramp.astype(np.uint8).reshape(height, width, 3))


def saved(image: Image.Image, format_: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(("size", "edge"), [(224, 256), (384, 440), (64, 73), (32, 37)])
def test_the_shorter_edge_keeps_the_papers_ratio(size, edge):
    assert shorter_edge(size) == edge


@pytest.mark.parametrize("shape", [(300, 200), (200, 300), (20, 31), (37, 37), (500, 3)])
@pytest.mark.parametrize("transform", [TestTransform(32), TrainTransform(32, seed=1, epoch=0)])
def test_every_shape_comes_out_square(transform, shape):
    pixels = transform(picture(*shape), "id")
    assert pixels.shape == (32, 32, 3) and pixels.dtype == np.uint8


def test_the_test_transform_crops_the_centre():
    image = Image.new("RGB", (74, 37), "black")
    image.paste((255, 0, 0), (21, 0, 53, 37))
    assert (TestTransform(32)(image, "id") == [255, 0, 0]).all()


def test_training_augments_by_seed_epoch_and_image_and_nothing_else():
    image = picture(80, 60)
    first = TrainTransform(32, seed=1, epoch=0)(image, "a")
    assert (TrainTransform(32, seed=1, epoch=0)(image, "a") == first).all()
    for other in (
        TrainTransform(32, seed=2, epoch=0)(image, "a"),
        TrainTransform(32, seed=1, epoch=1)(image, "a"),
        TrainTransform(32, seed=1, epoch=0)(image, "b"),
    ):
        assert (other != first).any()


def test_about_a_third_of_the_training_images_stay_without_jpeg(monkeypatch):
    calls = []
    monkeypatch.setattr("training.augmentations.jpeg", lambda pixels, quality: calls.append(quality) or pixels)
    image = picture(40, 40)
    for number in range(300):
        TrainTransform(32, seed=0, epoch=0)(image, str(number))
    assert 170 < len(calls) < 230
    assert min(calls) >= 75 and max(calls) <= 100


def test_pixels_are_normalised_by_imagenets_mean_and_std():
    images = torch.full((1, 2, 2, 3), 255, dtype=torch.uint8)
    got = to_input(images, torch.device("cpu"))
    assert got.shape == (1, 3, 2, 2)
    assert got[0, :, 0, 0].tolist() == pytest.approx([(1 - m) / s for m, s in zip(MEAN, STD, strict=True)])


def test_transparency_is_shown_on_white():
    layer = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert decode(saved(layer, "PNG"), "id").getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "CMYK", "I;16"])
def test_every_mode_decodes_to_rgb(mode):
    image = Image.new("L", (4, 4), 128).convert(mode) if mode != "I;16" else Image.new(mode, (4, 4), 128 << 8)
    decoded = decode(saved(image, "TIFF"), "id")
    assert decoded.mode == "RGB" and decoded.size == (4, 4)
    if mode == "I;16":
        assert decoded.getpixel((0, 0)) == (128, 128, 128)


def test_a_damaged_image_is_an_error_that_names_it():
    data = saved(picture(64, 64), "PNG")
    with pytest.raises(UndecodableImage, match="image abc"):
        decode(data[: len(data) // 2], "abc")


def test_an_image_with_too_many_pixels_is_refused_before_decoding(monkeypatch):
    monkeypatch.setattr("training.decoding.MAX_PIXELS", 10)
    with pytest.raises(UndecodableImage, match="64 x 64"):
        decode(saved(picture(64, 64), "PNG"), "abc")
