"""Checking an encoded image in full, under caps, before it may enter the lake.

The bytes themselves are kept as they came; what is learnt here is whether they decode, and their dimensions.
Opening or `verify()` is not enough: a JPEG cut in half passes both, so every image is loaded to its last pixel.
"""

import io
import struct
import warnings
from dataclasses import dataclass
from enum import StrEnum

from PIL import Image, ImageCms

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF")
"""What Pillow may try. Others, such as EPS, start further programs or are no photographs."""

SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a")
"""First bytes of JPEG, PNG and GIF; WebP and AVIF have theirs further in."""

MAX_BYTES = 20 << 20
MAX_PIXELS = 50_000_000
MAX_EDGE = 16_384
MAX_METADATA = 8 << 20
"""Bytes of colour profile, EXIF, XMP and texts together, unpacked."""


class Code(StrEnum):
    """Why an input was refused."""

    UNREADABLE = "UNREADABLE"  # the file is missing or cannot be read
    TOO_BIG = "TOO_BIG"  # more bytes, pixels, edge or memory than the caps allow
    NOT_IMAGE = "NOT_IMAGE"  # no format that is admitted
    TRUNCATED = "TRUNCATED"  # it begins as an image and does not end as one
    METADATA_BOMB = "METADATA_BOMB"  # texts, profile or EXIF that unpack to more than is allowed
    TIMEOUT = "TIMEOUT"  # decoding took longer than is allowed
    CRASH = "CRASH"  # decoding ended the process that did it
    SHA_MISMATCH = "SHA_MISMATCH"  # other bytes than the manifest promised
    ID_CLASH = "ID_CLASH"  # other bytes than this source brought under the same key
    LABEL_CLASH = "LABEL_CLASH"  # the same bytes are in the lake as the other class
    UNLABELLED = "UNLABELLED"  # nothing tells its class, or of a fake its generator
    BAD_RECORD = "BAD_RECORD"  # what is said of it cannot be read
    BAD_FILE = "BAD_FILE"  # a Parquet or tar file that is damaged or lacks columns
    NOT_ALLOWED = "NOT_ALLOWED"  # an address or path outside of what was allowed
    UNREACHABLE = "UNREACHABLE"  # a download that failed
    WITHDRAWN = "WITHDRAWN"  # its generator has been withdrawn


class Refused(ValueError):
    """The input does not enter the lake; `code` says which rule it broke."""

    def __init__(self, code: Code, detail: str):
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True)
class Properties:
    """What an image says of itself once decoded. Width and height in stored orientation, in pixels.

    `bit_depth` is bits a channel as stored; `icc_profile` the colour profile's description, None without one.
    """

    format: str
    width: int
    height: int
    mode: str
    n_frames: int
    exif_orientation: int
    bit_depth: int = 8
    icc_profile: str | None = None


def inspect(data: bytes) -> Properties:
    """Decode `data` in full and return its properties. Raises Refused, and nothing else."""
    if len(data) > MAX_BYTES:
        raise Refused(Code.TOO_BIG, f"{len(data)} bytes, at most {MAX_BYTES} are admitted")
    with warnings.catch_warnings():
        # Pillow only warns of large images and damaged metadata; the caps below decide.
        warnings.simplefilter("ignore")
        try:
            return _decode(data)
        except Refused:
            raise
        except Image.DecompressionBombError as error:
            raise Refused(Code.TOO_BIG, str(error)) from error
        except MemoryError as error:
            raise Refused(Code.TOO_BIG, "it needs more memory than is allowed") from error
        except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, RuntimeError, …
            raise Refused(*_reason(data, error)) from error


def properties(image: Image.Image, data: bytes) -> Properties:
    """Return what an opened image says of itself, without its pixels: for files that were inspected before."""
    return _properties(image, int(getattr(image, "n_frames", 1)), data)


def _decode(data: bytes) -> Properties:
    image = Image.open(io.BytesIO(data), formats=FORMATS)
    if image.width * image.height > MAX_PIXELS or max(image.size) > MAX_EDGE:
        raise Refused(Code.TOO_BIG, f"{image.width}x{image.height} pixels")
    _require_trailer(data, str(image.format))
    _cap_metadata(image)
    n_frames = int(getattr(image, "n_frames", 1))
    image.load()
    _cap_metadata(image)  # of a PNG more of it may follow the pixels
    return _properties(image, n_frames, data)


def _properties(image: Image.Image, n_frames: int, data: bytes) -> Properties:
    return Properties(
        # A phone's multi-picture file is a JPEG followed by others.
        "JPEG" if image.format == "MPO" else str(image.format),
        image.width,
        image.height,
        image.mode,
        n_frames,
        _orientation(image),
        _bit_depth(data),
        _profile(image),
    )


def _cap_metadata(image: Image.Image) -> None:
    size = sum(len(value) for value in image.info.values() if isinstance(value, str | bytes))
    if size > MAX_METADATA:
        raise Refused(Code.METADATA_BOMB, f"{size} bytes of metadata, at most {MAX_METADATA} are admitted")


def _bit_depth(data: bytes) -> int:
    """Return bits a channel: a PNG's header and an AVIF's configuration box tell; the others have 8.

    Pillow hides it: 16 bits of RGB and 10 of AVIF come as mode RGB.
    """
    if data.startswith(b"\x89PNG"):
        return data[24]
    box = data.find(b"av1C")
    if data[4:8] == b"ftyp" and 0 <= box < len(data) - 6:
        flags = data[box + 6]  # AV1 in ISOBMFF 2.3.3: high_bitdepth is bit 6, twelve_bit bit 5
        return (12 if flags & 0x20 else 10) if flags & 0x40 else 8
    return 8


def _profile(image: Image.Image) -> str | None:
    """Return the first line of the colour profile's description, `unreadable` where it has none."""
    content = image.info.get("icc_profile")
    if not content:
        return None
    try:
        described = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(content)))
    except (ImageCms.PyCMSError, OSError):
        described = ""
    words = described.strip().splitlines()
    return words[0][:200] if words else "unreadable"


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 (upright) where it is missing or is none of the eight that exist."""
    value = image.getexif().get(0x0112, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _reason(data: bytes, error: Exception) -> tuple[Code, str]:
    begins_as_image = data.startswith(SIGNATURES) or (data[:4], data[8:12]) == (b"RIFF", b"WEBP")
    begins_as_image |= data[4:12] in (b"ftypavif", b"ftypavis")
    if not begins_as_image:
        return Code.NOT_IMAGE, f"not one of {', '.join(FORMATS)}; it begins with {data[:32]!r}"
    if isinstance(error, ValueError) and data.startswith(b"\x89PNG"):
        return Code.METADATA_BOMB, str(error)
    return Code.TRUNCATED, f"it does not decode: {error}"


def _require_trailer(data: bytes, format_: str) -> None:
    """Refuse the formats that Pillow loads without complaint although their end is missing.

    Bytes after the end are admitted: cameras and websites append their own.
    """
    complete = True
    if format_ == "PNG":
        complete = _png_ends(data)
    elif format_ == "GIF":
        complete = _gif_ends(data)
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


def _gif_ends(data: bytes) -> bool:
    """Whether a walk over the GIF's blocks meets its trailer; a plain search would find one inside the pixels."""
    position = 13 + _colour_table_bytes(data[10])
    while position < len(data) and data[position] != 0x3B:
        if data[position] == 0x2C and position + 9 < len(data):  # image: descriptor, colours, code size
            position += 11 + _colour_table_bytes(data[position + 9])
        elif data[position] == 0x21:  # extension: introducer and label
            position += 2
        else:
            return False
        while position < len(data) and data[position]:
            position += 1 + data[position]
        position += 1
    return position < len(data)


def _colour_table_bytes(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0
