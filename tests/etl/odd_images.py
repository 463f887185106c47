"""Odd and bad images beside those of conftest.py: each with what the lake must find out, or its code."""

import io
import struct
import zipfile
import zlib

import numpy as np
from PIL import Image, ImageCms

from etl.images.decoding import Properties

NOISE = Image.fromarray(np.random.default_rng(3).integers(0, 256, (24, 32, 3), dtype=np.uint8))


def odd() -> dict[str, tuple[bytes, Properties]]:
    """Images that are accepted, with their properties."""
    wide = wide_gamut()
    named = {"icc_profile": "Rec.2020-like"}
    images: dict[str, tuple[bytes, Properties]] = {
        "wide-gamut.jpg": (encoded("JPEG", icc_profile=wide), Properties("JPEG", 32, 24, "RGB", 1, 1, **named)),
        "wide-gamut.png": (encoded("PNG", icc_profile=wide), Properties("PNG", 32, 24, "RGB", 1, 1, **named)),
        "wide-gamut.webp": (encoded("WEBP", icc_profile=wide), Properties("WEBP", 32, 24, "RGB", 1, 1, **named)),
        "wide-gamut.avif": (encoded("AVIF", icc_profile=wide), Properties("AVIF", 32, 24, "RGB", 1, 1, **named)),
        "no-profile.jpg": (
            encoded("JPEG", icc_profile=b"not a profile"),
            Properties("JPEG", 32, 24, "RGB", 1, 1, icc_profile="unreadable"),
        ),
        "progressive-420.jpg": (
            encoded("JPEG", progressive=True, subsampling="4:2:0"),
            Properties("JPEG", 32, 24, "RGB", 1, 1),
        ),
        "full-colour.jpg": (encoded("JPEG", subsampling="4:4:4"), Properties("JPEG", 32, 24, "RGB", 1, 1)),
        "restarts.jpg": (encoded("JPEG", restart_marker_rows=1), Properties("JPEG", 32, 24, "RGB", 1, 1)),
        "comment.jpg": (encoded("JPEG", comment=b"x" * 60_000), Properties("JPEG", 32, 24, "RGB", 1, 1)),
        "grey.jpg": (encoded("JPEG", mode="L"), Properties("JPEG", 32, 24, "L", 1, 1)),
        "adobe-cmyk.jpg": (encoded("JPEG", mode="CMYK", quality=95), Properties("JPEG", 32, 24, "CMYK", 1, 1)),
        "pixel.jpg": (encoded("JPEG", size=(1, 1)), Properties("JPEG", 1, 1, "RGB", 1, 1)),
        "tall.jpg": (encoded("JPEG", size=(1, 16_000)), Properties("JPEG", 1, 16_000, "RGB", 1, 1)),
        "long.png": (encoded("PNG", size=(16_000, 1)), Properties("PNG", 16_000, 1, "RGB", 1, 1)),
        "one-bit.png": (encoded("PNG", mode="1"), Properties("PNG", 32, 24, "1", 1, 1, 1)),
        "grey-alpha.png": (encoded("PNG", mode="LA"), Properties("PNG", 32, 24, "LA", 1, 1)),
        "deep-rgb.png": (raw_png(3, 3, 16, 2), Properties("PNG", 3, 3, "RGB", 1, 1, 16)),
        "deep-rgba.png": (raw_png(3, 3, 16, 6), Properties("PNG", 3, 3, "RGBA", 1, 1, 16)),
        "two-bits.png": (raw_png(4, 4, 2, 0), Properties("PNG", 4, 4, "L", 1, 1, 2)),
        "interlaced.png": (raw_png(1, 1, 8, 2, interlaced=True), Properties("PNG", 1, 1, "RGB", 1, 1)),
        "turned.png": (encoded("PNG", exif=exif(3)), Properties("PNG", 32, 24, "RGB", 1, 3)),
        "turned.webp": (encoded("WEBP", exif=exif(8)), Properties("WEBP", 32, 24, "RGB", 1, 8)),
        "lossless.webp": (encoded("WEBP", lossless=True), Properties("WEBP", 32, 24, "RGB", 1, 1)),
        "alpha.webp": (encoded("WEBP", mode="RGBA"), Properties("WEBP", 32, 24, "RGBA", 1, 1)),
        "alpha.avif": (encoded("AVIF", mode="RGBA"), Properties("AVIF", 32, 24, "RGBA", 1, 1)),
        "animated.avif": (animated("AVIF"), Properties("AVIF", 32, 24, "RGB", 3, 1)),
        "pixel.gif": (encoded("GIF", size=(1, 1)), Properties("GIF", 1, 1, "P", 1, 1)),
        "named-otherwise.gif": (encoded("WEBP", quality=30), Properties("WEBP", 32, 24, "RGB", 1, 1)),
    }
    for orientation in range(2, 9):
        content = encoded("JPEG", exif=exif(orientation))
        images[f"turned-{orientation}.jpg"] = content, Properties("JPEG", 32, 24, "RGB", 1, orientation)
    return images


def bad() -> dict[str, tuple[bytes, str]]:
    """Inputs that are refused, with their code."""
    jpeg, png = encoded("JPEG"), encoded("PNG")
    bomb = zlib.compress(b"a" * (2 << 20))
    return {
        "archive.png": (archive(), "NOT_IMAGE"),
        "document.jpg": (b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n", "NOT_IMAGE"),
        "drawing.png": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "NOT_IMAGE"),
        "scan.jpg": (encoded("TIFF"), "NOT_IMAGE"),
        "icon.png": (encoded("ICO"), "NOT_IMAGE"),
        "film.avif": (b"\0\0\0\x18ftypisom\0\0\2\0isomiso2", "NOT_IMAGE"),
        "phone.avif": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "NOT_IMAGE"),
        "sound.webp": (b"RIFF\x24\0\0\0WAVEfmt ", "NOT_IMAGE"),
        "zeros.jpg": (b"\0" * 1000, "NOT_IMAGE"),
        "signature.png": (png[:8], "TRUNCATED"),
        "start.jpg": (jpeg[:3], "TRUNCATED"),
        "no-pixels.png": (raw_png(0, 5, 8, 2), "TRUNCATED"),
        "no-height.jpg": (at(jpeg, jpeg.index(b"\xff\xc0") + 5, b"\0\0"), "TRUNCATED"),
        "wrong-check.png": (at(png, 29, b"\0\0\0\0"), "TRUNCATED"),
        "missing-end.jpg": (jpeg[:-2], "TRUNCATED"),
        "wide.jpg": (at(jpeg, jpeg.index(b"\xff\xc0") + 5, b"\xff\xdc\xff\xdc"), "TOO_BIG"),
        "wide.gif": (at(encoded("GIF"), 6, b"\xff\xff\xff\xff"), "TOO_BIG"),
        "profile-bomb.png": (with_chunk(png, b"iCCP", b"p\0\0" + bomb), "METADATA_BOMB"),
        "text-bomb.png": (with_chunk(png, b"iTXt", b"t\0\1\0\0\0" + bomb), "METADATA_BOMB"),
        "much-metadata.jpg": (encoded("JPEG", icc_profile=b"p" * (9 << 20)), "METADATA_BOMB"),
        "scans.jpg": (many_scans(3000), "TIMEOUT"),
    }


def encoded(format_: str, mode: str = "RGB", size: tuple[int, int] = (32, 24), **options: object) -> bytes:
    buffer = io.BytesIO()
    image = NOISE.resize(size).convert(mode)
    if mode == "RGBA":
        image.putalpha(100)
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def animated(format_: str) -> bytes:
    buffer = io.BytesIO()
    NOISE.save(buffer, format_, save_all=True, append_images=[NOISE.rotate(180), NOISE.rotate(0).convert("L")])
    return buffer.getvalue()


def exif(orientation: int) -> Image.Exif:
    data = Image.Exif()
    data[0x0112] = orientation
    return data


def wide_gamut() -> bytes:
    """An ICC profile with the primaries of Rec. 2020 in place of sRGB's, and a name of its own."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    primaries = {
        b"rXYZ": (0.6735, 0.2790, -0.0019),
        b"gXYZ": (0.1657, 0.6753, 0.0300),
        b"bXYZ": (0.1251, 0.0456, 0.7968),
    }
    for number in range(struct.unpack(">I", profile[128:132])[0]):
        tag, offset, _ = struct.unpack(">4sII", profile[132 + 12 * number : 144 + 12 * number])
        if tag in primaries:
            profile[offset + 8 : offset + 20] = struct.pack(">3i", *(round(v * 65536) for v in primaries[tag]))
    return bytes(profile).replace("sRGB built-in".encode("utf-16-be"), "Rec.2020-like".encode("utf-16-be"))


def raw_png(width: int, height: int, depth: int, colour: int, interlaced: bool = False) -> bytes:
    """A PNG of kinds that Pillow does not write."""
    channels = {0: 1, 2: 3, 6: 4}[colour]
    line = b"\0" + b"\x5a" * ((width * channels * depth + 7) // 8)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(line * height)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def many_scans(count: int) -> bytes:
    """A JPEG of some 140 kB whose last refinement is repeated: each scan costs a pass over all pixels."""
    buffer = io.BytesIO()
    Image.new("L", (2500, 2500), 90).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    last = data.rindex(b"\xff\xda")
    tables = data.rindex(b"\xff\xc4", 0, last) if b"\xff\xc4" in data[last - 64 : last] else last
    return data[:-2] + data[tables:-2] * count + data[-2:]


def with_chunk(png: bytes, kind: bytes, content: bytes) -> bytes:
    return png[:33] + chunk(kind, content) + png[33:]


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def at(data: bytes, position: int, content: bytes) -> bytes:
    return data[:position] + content + data[position + len(content) :]


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("a.txt", "text")
    return buffer.getvalue()
