"""Pixels as they look after they were encoded with loss and decoded again."""

import io
from collections.abc import Callable

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
"""uint8 [H, W, 3], RGB."""
Degradation = Callable[[Pixels, np.random.Generator], Pixels]
"""What may change the pixels and their number, drawing from the generator."""


def jpeg(pixels: Pixels, quality: int) -> Pixels:
    """Return the pixels after one JPEG, chroma halved both ways (4:2:0), standard tables.

    OpenCV encodes (simplejpeg's transform is a faster one below a quality of 96), simplejpeg decodes: Pillow's
    pixels, in less time.
    """
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    encoded = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, quality))[1]
    decoded: Pixels = simplejpeg.decode_jpeg(encoded)
    return decoded


def webp(pixels: Pixels, quality: int) -> Pixels:
    """Return the pixels after one WebP with loss, at libwebp's default effort."""
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "WEBP", quality=quality)
    with Image.open(encoded) as image:
        return np.asarray(image.convert("RGB"))
