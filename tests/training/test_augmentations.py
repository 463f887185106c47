"""The two transforms, and decoding."""

import io

import numpy as np
import pytest
import torch
import torchvision.transforms as T
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


def test_pixels_are_normalised_by_imagenets_mean_and_std():
    images = torch.full((1, 2, 2, 3), 255, dtype=torch.uint8)
    got = to_input(images, torch.device("cpu"))
    assert got.shape == (1, 3, 2, 2)
    assert got[0, :, 0, 0].tolist() == pytest.approx([(1 - m) / s for m, s in zip(MEAN, STD, strict=True)])


def test_transparency_is_shown_on_white():
    layer = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert (decode(saved(layer, "PNG"), "id") == 255).all()


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "CMYK", "I;16"])
def test_every_mode_decodes_to_rgb(mode):
    image = Image.new("L", (4, 4), 128).convert(mode) if mode != "I;16" else Image.new(mode, (4, 4), 128 << 8)
    decoded = decode(saved(image, "TIFF"), "id")
    assert decoded.shape == (4, 4, 3) and decoded.dtype == np.uint8
    if mode == "I;16":
        assert (decoded == 128).all()


@pytest.mark.parametrize(
    ("format_", "options"),
    [
        ("JPEG", {"quality": 90}),
        ("JPEG", {"quality": 80, "progressive": True}),
        ("JPEG", {"quality": 97, "subsampling": 0}),
        ("JPEG", {"quality": 75, "subsampling": 1}),
        ("JPEG", {"quality": 90, "keep_rgb": True}),
        ("PNG", {}),
        ("WEBP", {"quality": 80}),
    ],
)
def test_every_decoder_gives_pillows_pixels(format_, options):
    data = saved(picture(75, 50), format_, **options)
    with Image.open(io.BytesIO(data)) as image:
        assert (decode(data, "id") == np.asarray(image.convert("RGB"))).all()


@pytest.mark.parametrize("format_", ["PNG", "JPEG"])
def test_a_damaged_image_is_refused_where_pillow_refuses_it_and_else_has_its_pixels(format_):
    random = np.random.default_rng(0)
    file = io.BytesIO()
    Image.fromarray(random.integers(0, 256, (20, 31, 3), dtype=np.uint8)).save(file, format_)
    outcomes = set()
    for number in range(120):
        data = bytearray(file.getvalue())
        if number % 2:
            data[int(random.integers(33, len(data)))] ^= int(random.integers(1, 256))
        else:
            data = data[: int(random.integers(30, len(data)))]
        try:
            pillows = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        except (OSError, SyntaxError, ValueError):
            pillows = None
        try:
            ours = decode(bytes(data), "id")
        except UndecodableImage:
            ours = None
        assert (ours is None) == (pillows is None)
        assert ours is None or (ours == pillows).all()
        outcomes.add(ours is None)
    assert outcomes == {True, False}


def test_a_png_with_a_transparent_colour_is_shown_on_white():
    data = saved(Image.new("RGB", (4, 4), (10, 20, 30)), "PNG", transparency=(10, 20, 30))
    assert (decode(data, "id") == 255).all()


def test_the_test_transform_is_torchvisions_to_the_pixel():
    for shape in ((301, 200), (200, 331), (64, 999)):
        image = picture(*shape)
        wanted = T.Compose([T.Resize(256), T.CenterCrop(224)])(image)
        assert (TestTransform(224)(image, "id") == np.asarray(wanted)).all()


def test_a_damaged_image_is_an_error_that_names_it():
    data = saved(picture(64, 64), "PNG")
    with pytest.raises(UndecodableImage, match="image abc"):
        decode(data[: len(data) // 2], "abc")


def test_an_image_with_too_many_pixels_is_refused_before_decoding(monkeypatch):
    monkeypatch.setattr("training.decoding.MAX_PIXELS", 10)
    with pytest.raises(UndecodableImage, match="64 x 64"):
        decode(saved(picture(64, 64), "PNG"), "abc")
