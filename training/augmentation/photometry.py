"""Blur, noise and colour: what the paper's augmentation lacks, and what images meet on their way."""

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from training.augmentation.codecs import Pixels


def blur(pixels: Pixels, sigma: float) -> Pixels:
    """Return the pixels blurred with a standard deviation of `sigma` pixels; Pillow's three box filters."""
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(sigma)))


def noise(pixels: Pixels, deviation: float, random: np.random.Generator) -> Pixels:
    """Return the pixels with independent Gaussian noise of `deviation` grey levels in each channel."""
    added = random.standard_normal(pixels.shape, dtype=np.float32) * np.float32(deviation)
    return np.rint(pixels + added).clip(0, 255).astype(np.uint8)


def colour(pixels: Pixels, brightness: float, contrast: float, saturation: float) -> Pixels:
    """Return the pixels with these factors, 1 leaving each as it is, applied in this order."""
    image = Image.fromarray(pixels)
    for enhance, factor in (
        (ImageEnhance.Brightness, brightness),
        (ImageEnhance.Contrast, contrast),
        (ImageEnhance.Color, saturation),
    ):
        image = enhance(image).enhance(factor)
    return np.asarray(image)
