"""Degradations at declared levels: what the robustness of a detector is measured under, each by its name.

They change an image as it was received, before the detector's own transform, and may change its size. What is
random in one is drawn from the image's id alone, so that every detector meets the same pixels.
"""

from functools import partial

import numpy as np
from PIL import Image

from training.augmentation.chains import messenger, scaled, screenshot, social
from training.augmentation.codecs import Degradation, Pixels, jpeg, webp
from training.augmentation.drawing import generator
from training.augmentation.photometry import blur, noise


def apply(name: str, pixels: Pixels, image_id: str) -> Pixels:
    """Return the pixels [H, W, 3] degraded. Raises KeyError for a name that is not among `names()`."""
    return np.ascontiguousarray(DEGRADATIONS[name](pixels, generator(image_id)))


def names() -> list[str]:
    """Return the names of all degradations, families together, mild levels first."""
    return list(DEGRADATIONS)


def _jpeg(pixels: Pixels, random: np.random.Generator, quality: int) -> Pixels:
    return jpeg(pixels, quality)


def _webp(pixels: Pixels, random: np.random.Generator, quality: int) -> Pixels:
    return webp(pixels, quality)


def _resize(pixels: Pixels, random: np.random.Generator, scale: float) -> Pixels:
    return scaled(pixels, scale, Image.Resampling.BILINEAR)


def _blur(pixels: Pixels, random: np.random.Generator, sigma: float) -> Pixels:
    return blur(pixels, sigma)


def _noise(pixels: Pixels, random: np.random.Generator, deviation: float) -> Pixels:
    return noise(pixels, deviation, random)


def _crop(pixels: Pixels, random: np.random.Generator, share: float) -> Pixels:
    """Keep `share` of each edge, at a random place."""
    height, width = pixels.shape[:2]
    kept_height, kept_width = max(1, round(height * share)), max(1, round(width * share))
    top, left = random.integers(height - kept_height + 1), random.integers(width - kept_width + 1)
    return pixels[top : top + kept_height, left : left + kept_width]


DEGRADATIONS: dict[str, Degradation] = {
    **{f"jpeg-{quality}": partial(_jpeg, quality=quality) for quality in (95, 85, 75, 60, 50, 36)},
    **{f"webp-{quality}": partial(_webp, quality=quality) for quality in (95, 85, 75, 50)},
    **{f"resize-{percent}": partial(_resize, scale=percent / 100) for percent in (125, 75, 50, 25)},
    **{f"blur-{tenths / 10:g}": partial(_blur, sigma=tenths / 10) for tenths in (5, 10, 20, 30)},
    **{f"noise-{deviation}": partial(_noise, deviation=deviation) for deviation in (2, 5, 10)},
    **{f"crop-{percent}": partial(_crop, share=percent / 100) for percent in (90, 75, 50)},
    "social": social,
    "messenger": messenger,
    "screenshot": screenshot,
}
"""Levels: quality of JPEG (4:2:0) and WebP; per cent of both edges, bilinear with antialiasing; blur's sigma in
pixels; noise's deviation in grey levels; per cent of both edges that a crop keeps. JPEG 36, blur 2 and resize 75
are points of the paper's figure 7."""
