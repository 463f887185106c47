"""All that is measured on one image, from one decoding of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from etl.images.features.colour import colourfulness, entropy, mean_colour, sharpness
from etl.images.features.jpeg import jpeg_quality, jpeg_subsampling
from etl.images.features.perceptual_hash import phash
from etl.images.features.pixels import opened, thumbnail, to_rgb
from etl.images.features.spectrum import radial_spectrum

FEATURE_VERSION = 2
"""Raised when a measure changes, so that old and new values stand side by side."""


@dataclass(frozen=True)
class Measures:
    """The columns of `image_features` that the pixels and the header give; units stand with the functions."""

    byte_size: int
    format: str
    width: int
    height: int
    has_alpha: bool
    jpeg_quality: int | None
    jpeg_subsampling: str | None
    phash: int
    sharpness: float | None
    mean_red: float
    mean_green: float
    mean_blue: float
    colourfulness: float
    entropy: float
    spectrum: NDArray[np.float32] | None


@dataclass(frozen=True)
class Examined:
    """What one decoding of an image gave: its measures, its thumbnail and a backbone's input where asked."""

    measures: Measures
    thumbnail: tuple[bytes, int, int] | None
    square: NDArray[np.uint8] | None  # [side, side, 3]


def examine(data: bytes, thumbnail_edge: int | None, side: int | None) -> Examined:
    """Measure an encoded image; make a thumbnail and the square that a backbone of input `side` sees, if asked.

    Raises TooBig, and whatever Pillow raises on an image that does not decode.
    """
    image = opened(data)
    rgb = to_rgb(image)
    return Examined(
        measure(image, rgb, len(data)),
        None if thumbnail_edge is None else thumbnail(rgb, thumbnail_edge),
        None if side is None else np.asarray(ImageOps.fit(rgb, (side, side), Image.Resampling.BICUBIC)),
    )


def measure(image: Image.Image, rgb: Image.Image, byte_size: int) -> Measures:
    """Return the measures of a decoded image and of its RGB, all in stored orientation."""
    grey = rgb.convert("L")
    levels = np.asarray(grey)
    mean = mean_colour(rgb)
    return Measures(
        byte_size,
        # As `images` has it: a phone's multi-picture file is a JPEG followed by others.
        "JPEG" if image.format == "MPO" else str(image.format),
        image.width,
        image.height,
        image.has_transparency_data,
        jpeg_quality(image),
        jpeg_subsampling(image),
        phash(grey),
        sharpness(levels),
        *mean,
        colourfulness(rgb, mean),
        entropy(grey),
        radial_spectrum(levels),
    )
