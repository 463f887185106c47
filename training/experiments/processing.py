"""What happens to an image of either class before a detector of an experiment sees it."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from training import degradations
from training.augmentation import geometry, photometry
from training.augmentation.codecs import Pixels, jpeg
from training.augmentation.drawing import generator
from training.augmentations import TrainTransform

AUGMENTATIONS = ("none", "weak", "paper")
_OFTEN = 0.5
_MOST_BLUR, _MOST_NOISE, _LEAST_QUALITY = 0.5, 2.0, 85


@dataclass(frozen=True)
class Processing:
    """What happens to an image of either class before a detector sees it."""

    size: int = 64
    """side of the square that is cut out, in pixels"""
    resize: int | None = None
    """shorter edge before that; by default only images that are too small are enlarged"""
    augmentation: str = "weak"
    """none (the middle square), weak (a random one, mirrored, a little blur, noise, JPEG), paper (the paper's)"""
    jpeg: list[int] | None = None
    """encode as JPEG of a quality drawn from [low, high] first, whatever the file's own format"""
    degradation: str | None = None
    """one of `forensics evaluate`'s transforms, applied before all else"""

    def problems(self) -> list[str]:
        """Name the values that are out of range."""
        quality = self.jpeg
        rules = {
            "size must be from 16 to 1024": 16 <= self.size <= 1024,
            "resize must be size or more": self.resize is None or self.resize >= self.size,
            f"augmentation must be one of {', '.join(AUGMENTATIONS)}": self.augmentation in AUGMENTATIONS,
            "jpeg must be [low, high], with 1 ≤ low ≤ high ≤ 100": quality is None
            or (len(quality) == 2 and 1 <= quality[0] <= quality[1] <= 100),
            f"degradation must be one of {', '.join(degradations.names())}": self.degradation is None
            or self.degradation in degradations.names(),
        }
        return [problem for problem, holds in rules.items() if not holds]


@dataclass(frozen=True)
class Processed:
    """The processing as a transform of decoded pixels; what is random in it follows from (seed, image, time)."""

    how: Processing
    seed: int

    def __call__(self, pixels: Pixels, image_id: str, time: int = 0) -> Pixels:
        """Return uint8 [size, size, 3]; `time` numbers an image's repetitions, such as epochs."""
        how = self.how
        random = generator(image_id, self.seed, time)
        if how.degradation:
            pixels = degradations.apply(how.degradation, pixels, image_id)
        if how.jpeg:
            pixels = jpeg(pixels, int(random.integers(how.jpeg[0], how.jpeg[1] + 1)))
        edge = how.resize or max(how.size, min(pixels.shape[:2]))
        pixels = geometry.resize_shorter(pixels, edge, Image.Resampling.BICUBIC)
        if how.augmentation == "paper":
            return TrainTransform(how.size, self.seed, time)(pixels, image_id)
        if how.augmentation == "none":
            return np.ascontiguousarray(geometry.centre(pixels, how.size))
        return _weak(pixels, how.size, random)


def _weak(pixels: Pixels, size: int, random: np.random.Generator) -> Pixels:
    """Cut out a random square, mirror it or not, and with even odds blur it, add noise, encode it as JPEG.

    The place hides the phase of any grid that a generator leaves; the rest is what any upload does.
    """
    height, width = pixels.shape[:2]
    top, left = random.integers(height - size + 1), random.integers(width - size + 1)
    pixels = geometry.crop(pixels, int(top), int(left), size, size)
    mirrored, blurred, noisy, encoded = random.random(4) < _OFTEN
    sigma, deviation = random.uniform(0.1, _MOST_BLUR), random.uniform(0, _MOST_NOISE)
    quality = int(random.integers(_LEAST_QUALITY, 101))
    if mirrored:
        pixels = geometry.flip(pixels, 1)
    if blurred:
        pixels = photometry.blur(pixels, sigma)
    if noisy:
        pixels = photometry.noise(pixels, deviation, random)
    return np.ascontiguousarray(jpeg(pixels, quality) if encoded else pixels)
