"""What happens to an image that is shared: a network scales and encodes it, or someone cuts it off a screen."""

import numpy as np
from PIL import Image

from training.augmentation.codecs import Pixels, jpeg, webp

SOCIAL_EDGE = 1080
"""Longest edge in pixels that networks commonly keep of a shared picture."""
SOCIAL_QUALITY = (70, 90)
SCREEN_SCALE = (0.5, 1.0)
SCREEN_BORDER = 0.03


def social(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Return the pixels as a network serves them: the longer edge at most 1080 and at most 100 to 60 % of what it
    was, then JPEG or, in one of four cases, WebP, of quality 70 to 90.

    Neither edge nor qualities are any one network's: they differ, change, and are not published.
    """
    height, width = pixels.shape[:2]
    scale = min(random.uniform(0.6, 1.0), SOCIAL_EDGE / max(height, width))
    small = scaled(pixels, scale, Image.Resampling.LANCZOS)
    quality = int(random.integers(SOCIAL_QUALITY[0], SOCIAL_QUALITY[1] + 1))
    return webp(small, quality) if random.random() < 0.25 else jpeg(small, quality)


def messenger(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Return the pixels after two such networks, as of a picture that was saved and shared again."""
    return social(social(pixels, random), random)


def screenshot(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Return the pixels as a screenshot has them: shown at 50 to 100 % of their size by one of three filters, cut
    out with up to 3 % of a plain page around or of the picture missing at each side, and kept without loss."""
    filters = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)
    shown = scaled(pixels, random.uniform(*SCREEN_SCALE), filters[random.integers(len(filters))])
    height, width = shown.shape[:2]
    page = int(random.choice((255, 18, 0)))
    down, right = (random.uniform(-SCREEN_BORDER, SCREEN_BORDER, 2) * edge for edge in (height, width))
    (top, bottom), (left, right_) = np.rint(down).astype(int), np.rint(right).astype(int)
    outside = ((max(top, 0), max(bottom, 0)), (max(left, 0), max(right_, 0)), (0, 0))
    inside = shown[max(-top, 0) : height - max(-bottom, 0), max(-left, 0) : width - max(-right_, 0)]
    return np.pad(inside, outside, constant_values=page)


def scaled(pixels: Pixels, scale: float, resampling: Image.Resampling) -> Pixels:
    """Return the pixels at `scale` times their height and width, with antialiasing; at least one pixel each."""
    height, width = (max(1, round(edge * scale)) for edge in pixels.shape[:2])
    return np.asarray(Image.fromarray(pixels).resize((width, height), resampling))
