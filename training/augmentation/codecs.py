"""Pixels as they look after they were encoded with loss and decoded again."""

import io
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision.io import decode_jpeg, encode_jpeg

Pixels = NDArray[np.uint8]
"""uint8 [H, W, 3], RGB."""
Degradation = Callable[[Pixels, np.random.Generator], Pixels]
"""What may change the pixels and their number, drawing from the generator."""


def jpeg(pixels: Pixels, quality: int) -> Pixels:
    """Return the pixels after one JPEG, chroma halved both ways (4:2:0), standard tables.

    By torchvision, whose libjpeg gives the same pixels as Pillow's and OpenCV's, in less time.
    """
    planes = torch.from_numpy(np.require(pixels, requirements=["C", "W"])).permute(2, 0, 1)
    decoded: Pixels = decode_jpeg(encode_jpeg(planes, quality=quality)).permute(1, 2, 0).numpy()
    return decoded


def webp(pixels: Pixels, quality: int) -> Pixels:
    """Return the pixels after one WebP with loss, at libwebp's default effort."""
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "WEBP", quality=quality)
    with Image.open(encoded) as image:
        return np.asarray(image.convert("RGB"))
