"""The paper's eleven operations, each as what it draws and what it then does; ranges are those of its code.

`c` is the side of the crop. RandomPadding of the paper's code swaps width and height when it resizes back; this
one does not. Its JPEG takes Pillow or OpenCV at random, which give the same pixels; here is one.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from training.augmentation import geometry
from training.augmentation.codecs import Pixels, jpeg

Drawn = dict[str, Any]
_SMOOTH = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)


class Operation(NamedTuple):
    """Draws its parameters for an image of this height and width, and applies them."""

    name: str
    draw: Callable[[np.random.Generator, int, int], Drawn]
    apply: Callable[..., Pixels]


def paper(c: int) -> tuple[Operation, ...]:
    """Return the operations of RandomStateAugmentation for crops of `c` pixels, in the paper's order."""

    def any_size(random: np.random.Generator, height: int, width: int) -> Drawn:
        edge = random.integers(c + 1, round(c * 1.228) + 1)
        return {"edge": int(edge), "resampling": _one_of(random, _SMOOTH)}

    def place(random: np.random.Generator, height: int, width: int) -> Drawn:
        top, left = random.integers(height - c + 1), random.integers(width - c + 1)
        return {"top": int(top), "left": int(left), "height": c, "width": c}

    def part(random: np.random.Generator, height: int, width: int) -> Drawn:
        filters = ("NEAREST", "BILINEAR", "BICUBIC", "LANCZOS", "HAMMING", "BOX")
        resampling = Image.Resampling[_one_of(random, filters)]
        return {**_rectangle(random, height, width), "edge": c, "resampling": resampling}

    return (
        Operation("jpeg", lambda random, *_: {"quality": int(random.integers(75, 101))}, jpeg),
        Operation("resize", any_size, geometry.resize_shorter),
        Operation("crop", place, geometry.crop),
        Operation("flip_horizontal", _coin, lambda pixels, flip: geometry.flip(pixels, 1) if flip else pixels),
        Operation("flip_vertical", _coin, lambda pixels, flip: geometry.flip(pixels, 0) if flip else pixels),
        Operation("resized_crop", part, resized_crop),
        Operation("rotate", lambda random, *_: {"degrees": random.uniform(-15, 15)}, geometry.rotate),
        Operation("translate", _shift, geometry.shift),
        Operation("shear", _shear, geometry.shear),
        Operation("pad", _borders, geometry.pad_and_restore),
        Operation("cutout", _hole, cutout),
    )


def resized_crop(
    pixels: Pixels, top: int, left: int, height: int, width: int, edge: int, resampling: Image.Resampling
) -> Pixels:
    """Return a part of the pixels with its shorter edge at `edge`: the proportions of the part stay."""
    return geometry.resize_shorter(geometry.crop(pixels, top, left, height, width), edge, resampling)


def cutout(pixels: Pixels, holes: bool, top: int, left: int, height: int, width: int, grey: int) -> Pixels:
    """Return the pixels with one grey rectangle where `holes`."""
    if not holes or not height:
        return pixels
    cut = pixels.copy()
    cut[top : top + height, left : left + width] = grey
    return cut


def _coin(random: np.random.Generator, height: int, width: int) -> Drawn:
    return {"flip": bool(random.random() < 0.5)}


def _shift(random: np.random.Generator, height: int, width: int) -> Drawn:
    """A tenth of each edge at most, rounded to whole pixels, as torchvision does."""
    right, down = (round(random.uniform(-0.1, 0.1) * edge) for edge in (width, height))
    return {"down": down, "right": right}


def _shear(random: np.random.Generator, height: int, width: int) -> Drawn:
    x, y = random.uniform(-15, 15, 2)
    return {"x_degrees": float(x), "y_degrees": float(y)}


def _borders(random: np.random.Generator, height: int, width: int) -> Drawn:
    shares = random.uniform(0, 0.05, 4)
    edges = (height, height, width, width)
    borders = [int(share * edge) for share, edge in zip(shares, edges, strict=True)]
    return {**dict(zip(("top", "bottom", "left", "right"), borders, strict=True)), "grey": _grey(random)}


def _hole(random: np.random.Generator, height: int, width: int) -> Drawn:
    """Half of the images get one: 2 to 6 % of the area, ratio 0.3 to 3.3; none if ten draws do not fit."""
    holes = bool(random.random() < 0.5)
    for _ in range(10):
        area = height * width * random.uniform(0.02, 0.06)
        ratio = math.exp(random.uniform(math.log(0.3), math.log(3.3)))
        tall, wide = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if tall < height and wide < width:
            top, left = random.integers(height - tall + 1), random.integers(width - wide + 1)
            size = {"top": int(top), "left": int(left), "height": tall, "width": wide}
            return {"holes": holes, **size, "grey": _grey(random)}
    return {"holes": False, "top": 0, "left": 0, "height": 0, "width": 0, "grey": 0}


def _rectangle(random: np.random.Generator, height: int, width: int) -> Drawn:
    """Draw 90 to 100 % of the area at a ratio of 3/4 to 4/3, as torchvision's RandomResizedCrop: ten tries, then
    the largest middle part whose ratio lies within that."""
    low, high = 3 / 4, 4 / 3
    for _ in range(10):
        area = height * width * random.uniform(0.9, 1.0)
        ratio = math.exp(random.uniform(math.log(low), math.log(high)))
        wide, tall = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < wide <= width and 0 < tall <= height:
            top, left = random.integers(height - tall + 1), random.integers(width - wide + 1)
            return {"top": int(top), "left": int(left), "height": tall, "width": wide}
    tall, wide = height, width
    if width / height < low:
        tall = round(width / low)
    elif width / height > high:
        wide = round(height * high)
    return {"top": (height - tall) // 2, "left": (width - wide) // 2, "height": tall, "width": wide}


def _grey(random: np.random.Generator) -> int:
    return int(random.integers(256))


def _one_of(random: np.random.Generator, choices: tuple[Any, ...]) -> Any:
    return choices[random.integers(len(choices))]
