"""Checking an encoded image in full, under caps, before it may enter the lake.

The bytes themselves are kept as they came; what is learnt here is whether they decode, and their dimensions.
Opening or `verify()` is not enough: a JPEG cut in half passes both, so every image is loaded to its last pixel.
"""

import io
import struct
import warnings
from dataclasses import dataclass
from enum import StrEnum

from PIL import Image, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF")
"""What Pillow may try. Others, such as EPS, start further programs or are no photographs."""

MAX_BYTES = 20 << 20
MAX_PIXELS = 50_000_000
MAX_EDGE = 16_384


class Code(StrEnum):
    """Why an input was refused."""

    UNREADABLE = "UNREADABLE"  # the file is missing or cannot be read
    TOO_BIG = "TOO_BIG"  # more bytes, pixels or edge than the caps allow
    NOT_IMAGE = "NOT_IMAGE"  # no format that is admitted
    TRUNCATED = "TRUNCATED"  # it begins as an image and does not end as one
    METADATA_BOMB = "METADATA_BOMB"  # text chunks that unpack to more than Pillow allows
    SHA_MISMATCH = "SHA_MISMATCH"  # other bytes than the manifest promised


class Refused(ValueError):
    """The input does not enter the lake; `code` says which rule it broke."""

    def __init__(self, code: Code, detail: str):
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True)
class Properties:
    """What an image says of itself once decoded. Width and height in stored orientation, in pixels."""

    format: str
    width: int
    height: int
    mode: str
    n_frames: int
    exif_orientation: int


def inspect(data: bytes) -> Properties:
    """Decode `data` in full and return its properties. Raises Refused."""
    if len(data) > MAX_BYTES:
        raise Refused(Code.TOO_BIG, f"{len(data)} bytes, at most {MAX_BYTES} are admitted")
    image = _open(data)
    if image.width * image.height > MAX_PIXELS or max(image.size) > MAX_EDGE:
        raise Refused(Code.TOO_BIG, f"{image.width}x{image.height} pixels")
    _require_trailer(data, str(image.format))
    n_frames = int(getattr(image, "n_frames", 1))
    try:
        image.load()
        orientation = int(image.getexif().get(0x0112, 1))
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, ValueError, …
        raise Refused(Code.TRUNCATED, f"it does not decode: {error}") from error
    return Properties(
        # A phone's multi-picture file is a JPEG followed by others.
        "JPEG" if image.format == "MPO" else str(image.format),
        image.width,
        image.height,
        image.mode,
        n_frames,
        orientation,
    )


def _open(data: bytes) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            return Image.open(io.BytesIO(data), formats=FORMATS)
        except Image.DecompressionBombError as error:
            raise Refused(Code.TOO_BIG, str(error)) from error
        except ValueError as error:
            raise Refused(Code.METADATA_BOMB, str(error)) from error
        except (UnidentifiedImageError, OSError, SyntaxError, struct.error) as error:
            raise Refused(Code.NOT_IMAGE, f"not one of {', '.join(FORMATS)}: {error}") from error


def _require_trailer(data: bytes, format_: str) -> None:
    """Refuse the formats that Pillow loads without complaint although their end is missing."""
    complete = True
    if format_ == "PNG":
        complete = _png_ends(data)
    elif format_ == "GIF":
        complete = data.rstrip(b"\0").endswith(b";")
    elif format_ == "WEBP":
        complete = len(data) >= 8 + struct.unpack("<I", data[4:8])[0]
    if not complete:
        raise Refused(Code.TRUNCATED, f"the end of the {format_} is missing")


def _png_ends(data: bytes) -> bool:
    position = 8
    while position + 12 <= len(data):
        (length,) = struct.unpack(">I", data[position : position + 4])
        if data[position + 4 : position + 8] == b"IEND":
            return True
        position += 12 + length
    return False
