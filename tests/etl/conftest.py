"""Encoded images that a lake meets: good ones, and every kind that it must refuse."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

Encode = Callable[..., bytes]


@pytest.fixture(scope="session")
def picture() -> Image.Image:
    """A picture of 56x40 noise, in which no two places look alike."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8))


@pytest.fixture(scope="session")
def encode() -> Encode:
    """Encode a picture: `encode(image, "PNG", **options)`."""

    def encoded(image: Image.Image, format_: str, **options: object) -> bytes:
        buffer = io.BytesIO()
        image.save(buffer, format_, **options)
        return buffer.getvalue()

    return encoded


@pytest.fixture(scope="session")
def good(picture: Image.Image, encode: Encode) -> dict[str, bytes]:
    """Images that a lake accepts, by what is particular in each."""
    turned = picture.rotate(90, expand=False)
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = np.random.default_rng(1).integers(0, 65536, (20, 20), dtype=np.uint16)
    several = {"save_all": True, "append_images": [turned]}
    return {
        "plain.jpg": encode(picture, "JPEG"),
        "progressive.jpg": encode(picture, "JPEG", progressive=True),
        "cmyk.jpg": encode(picture.convert("CMYK"), "JPEG"),
        "turned.jpg": encode(picture, "JPEG", exif=exif),
        "multi-picture.jpg": encode(picture, "MPO", **several),
        "plain.png": encode(picture, "PNG"),
        "deep.png": encode(Image.fromarray(deep), "PNG"),
        "palette.png": encode(picture.convert("P"), "PNG", transparency=3),
        "alpha.png": encode(picture.convert("RGBA"), "PNG"),
        "one-pixel.png": encode(picture.crop((0, 0, 1, 1)), "PNG"),
        "strip.png": encode(Image.new("L", (1, 16_000), 7), "PNG"),
        "animated.png": encode(picture, "PNG", **several),
        "plain.gif": encode(picture, "GIF"),
        "animated.gif": encode(picture, "GIF", **several),
        "plain.webp": encode(picture, "WEBP"),
        "animated.webp": encode(picture, "WEBP", **several),
        "plain.avif": encode(picture, "AVIF"),
        "trailing-bytes.jpg": encode(picture, "JPEG", quality=80) + b"appended",
        "trailing-bytes.png": encode(picture.convert("L"), "PNG") + b"appended",
        "trailing-bytes.gif": encode(picture.convert("L"), "GIF") + b"appended",
    }


@pytest.fixture(scope="session")
def bad(picture: Image.Image, encode: Encode, good: dict[str, bytes]) -> dict[str, tuple[bytes, str]]:
    """Inputs that a lake refuses, each with its code."""
    png, gif = good["plain.png"], good["plain.gif"]
    text_bomb = chunk(b"zTXt", b"comment\0\0" + zlib.compress(b"a" * (2 << 20)))
    return {
        "empty.png": (b"", "NOT_IMAGE"),
        "page.jpg": (b"<!doctype html><title>404</title>", "NOT_IMAGE"),
        "pointer.png": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1\n", "NOT_IMAGE"),
        "postscript.png": (encode(picture, "EPS"), "NOT_IMAGE"),
        "bitmap.png": (encode(picture, "BMP"), "NOT_IMAGE"),
        "half.jpg": (cut(good["plain.jpg"], 0.5), "TRUNCATED"),
        "start.jpg": (good["plain.jpg"][:20], "TRUNCATED"),
        "half.png": (cut(png, 0.5), "TRUNCATED"),
        "end.png": (png[:-8], "TRUNCATED"),
        "half.gif": (cut(gif, 0.5), "TRUNCATED"),
        "half-then-semicolon.gif": (cut(gif, 0.5) + b";", "TRUNCATED"),
        "end.gif": (gif[:-1], "TRUNCATED"),
        "half-animated.gif": (cut(good["animated.gif"], 0.7), "TRUNCATED"),
        "half-animated.png": (cut(good["animated.png"], 0.7), "TRUNCATED"),
        "half.webp": (cut(good["plain.webp"], 0.5), "TRUNCATED"),
        "half.avif": (cut(good["plain.avif"], 0.5), "TRUNCATED"),
        "no-item.avif": (good["plain.avif"].replace(b"pitm", b"free", 1), "TRUNCATED"),
        "many-pixels.png": (png_of(9_500, 9_500), "TOO_BIG"),
        "very-many-pixels.png": (png_of(14_000, 14_000), "TOO_BIG"),
        "impossible.png": (png_of(2**31 - 1, 2**31 - 1), "TOO_BIG"),
        "long-edge.png": (png_of(16_385, 1), "TOO_BIG"),
        "text-bomb.png": (png[:33] + text_bomb + png[33:], "METADATA_BOMB"),
        "late-text-bomb.png": (png[:-12] + text_bomb + png[-12:], "METADATA_BOMB"),
    }


def cut(data: bytes, share: float) -> bytes:
    return data[: int(len(data) * share)]


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of(width: int, height: int) -> bytes:
    """A PNG whose header claims a size that its pixels do not have."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
