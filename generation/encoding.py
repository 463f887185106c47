"""File formats of the images made here: PNG, or JPEG and WebP of known quality, so that no format tells a fake.

No metadata is written, so that the same pixels are the same bytes.
"""

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

SUFFIXES = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp"}
SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")
"""Chroma subsampling of a JPEG; lossy WebP always has 4:2:0."""
_MAGIC = {"PNG": (0, b"\x89PNG\r\n\x1a\n"), "JPEG": (0, b"\xff\xd8\xff"), "WEBP": (8, b"WEBP")}


def encode(
    pixels: "np.ndarray", format_: str = "PNG", quality: int | None = None, subsampling: str | None = None
) -> bytes:
    """Return bytes (height × width × 3, or height × width for grey) as a file of the format.

    `quality` is the encoder's, 1 … 100, for JPEG and WebP; `subsampling` one of SUBSAMPLINGS, for JPEG.
    """
    options: dict[str, dict[str, Any]] = {
        "PNG": {"compress_level": 6},
        "JPEG": {"quality": quality, "subsampling": subsampling, "optimize": True},
        "WEBP": {"quality": quality, "method": 4},
    }
    given = {name: value for name, value in options[format_].items() if value is not None}
    from PIL import Image  # the settings need this module's names alone

    target = io.BytesIO()
    Image.fromarray(pixels).save(target, format=format_, **given)
    return target.getvalue()


def is_of(content: bytes, format_: str) -> bool:
    """Whether the bytes begin as a file of the format does."""
    offset, magic = _MAGIC[format_]
    return content[offset : offset + len(magic)] == magic
