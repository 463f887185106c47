"""From the bytes of an image that the lake holds to its pixels: 8-bit RGB in stored orientation."""

import io
from enum import StrEnum

import numpy as np
from PIL import Image

from etl.images.decoding import FORMATS, MAX_PIXELS


class Code(StrEnum):
    """Why an image of the lake was not measured."""

    TOO_BIG = "TOO_BIG"  # more pixels than the cap allows
    UNMEASURABLE = "UNMEASURABLE"  # it does not decode here, or a measure failed; the detail says how


class TooBig(ValueError):
    """The image has more pixels than may be decoded in the process that measures."""


def opened(data: bytes) -> Image.Image:
    """Return the image with its first frame decoded.

    In this process: it decoded in full in a child when it was ingested. The caps hold here too, since the lake may
    be another's. Raises TooBig, and what Pillow raises.
    """
    image = Image.open(io.BytesIO(data), formats=FORMATS)
    if image.width * image.height > MAX_PIXELS:
        raise TooBig(f"{image.width}x{image.height} pixels, at most {MAX_PIXELS} are measured")
    image.load()
    return image


def to_rgb(image: Image.Image) -> Image.Image:
    """Return the image as 8-bit RGB: alpha over white, 16-bit grey scaled, in stored orientation."""
    if image.mode.startswith("I"):
        values = np.asarray(image, dtype=np.uint32) >> 8
        return Image.fromarray(values.clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")


def thumbnail(rgb: Image.Image, edge: int) -> tuple[bytes, int, int]:
    """Return a small JPEG of the image, its longer edge `edge` pixels or less, and its width and height."""
    small = rgb.copy()
    small.thumbnail((edge, edge), Image.Resampling.LANCZOS)
    encoded = io.BytesIO()
    small.save(encoded, "JPEG", quality=85)
    return encoded.getvalue(), *small.size
