"""Make the shipped photographs of the demo again from the packages that they come from.

`photos/photos.csv` is the only list: its columns `source_package` and `source_file` say where each photograph
lies, `sha256` what the JPEG made from it must be. A source folder holds one unpacked package per subfolder, named
as in `source_package`: `dpkg-deb -x` for a Debian package, `unzip` for the scikit-image and scikit-learn wheels.
The Debian releases and wheel versions are in `source_version`.

One rule makes every JPEG: turn upright by EXIF, convert to RGB, shrink with Lanczos so that the shorter edge has
256 pixels (every source is larger), encode at quality 90 without chroma subsampling (4:4:4), no metadata (a colour
profile is dropped, not applied). The shipped files were made with Pillow 13.0 (libjpeg-turbo 3.2, libwebp 1.6);
another encoder may give other bytes.

Left out, although they are photographs: those of mate-backgrounds (GPL) and of
plasma-workspace-wallpapers (LGPL), scikit-image's motorcycle pair (no licence stated), pictures
that are grey, framed or hardly larger than 256 pixels, and the product shots of gcompris' "categorization".
For the gcompris photographs author and licence are those of the README beside each image in the upstream sources;
see `photos/LICENSES.md`.
"""

import argparse
import csv
import hashlib
import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageOps

from etl.errors import FINISHED_WITH_REJECTS, OK, ForensicsError

SHORTER_EDGE = 256
QUALITY = 90
TABLE = Path(__file__).parent / "photos" / "photos.csv"
INSIDE = "::"
"""Separates an archive from the name of a file inside it in `source_file`."""

COMPRESSED_ZLIB, DIRECTORY, COMPRESSED_ZSTD = 1, 2, 4


class PhotoSourceError(ForensicsError):
    """A photograph's source is missing, or is an archive that this script cannot read."""

    exit_code = 4


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of photos.csv, all values as text."""
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def rcc_files(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Every (path, content) of a Qt resource file, formats 1 to 3.

    Layout (qtbase, src/corelib/io/qresource.cpp), all big-endian: a header with the offsets of tree, contents and
    names; tree nodes of 14 bytes (22 from format 2 on), children of a folder side by side; a name is its length
    in UTF-16 units, a hash, the units; a content is its length, then the bytes.
    """
    if data[:4] != b"qres":
        raise PhotoSourceError("Not a Qt resource file: its first four bytes are not 'qres'")
    version, tree, contents, names = struct.unpack_from(">4I", data, 4)
    node_size = 14 if version == 1 else 22

    def name_at(offset: int) -> str:
        (units,) = struct.unpack_from(">H", data, names + offset)
        start = names + offset + 6
        return data[start : start + 2 * units].decode("utf-16-be")

    def walk(node: int, folder: str) -> Iterator[tuple[str, bytes]]:
        at = tree + node * node_size
        name_offset, flags = struct.unpack_from(">IH", data, at)
        path = f"{folder}/{name_at(name_offset)}".lstrip("/") if node else ""
        if flags & DIRECTORY:
            count, first = struct.unpack_from(">2I", data, at + 6)
            for child in range(first, first + count):
                yield from walk(child, path)
            return
        if flags & COMPRESSED_ZSTD:
            return
        (offset,) = struct.unpack_from(">I", data, at + 10)
        (size,) = struct.unpack_from(">I", data, contents + offset)
        content = data[contents + offset + 4 : contents + offset + 4 + size]
        yield path, zlib.decompress(content[4:]) if flags & COMPRESSED_ZLIB else content

    yield from walk(0, "")


def read_source(package_folder: Path, source_file: str) -> bytes:
    """The bytes of one source image: a file of the package, or `archive.rcc::path` inside a Qt resource file."""
    outer, _, inner = source_file.partition(INSIDE)
    path = package_folder / outer
    if not path.is_file():
        raise PhotoSourceError(f"{path} does not exist; unpack the package {package_folder.name} there")
    if not inner:
        return path.read_bytes()
    for name, content in rcc_files(path.read_bytes()):
        if name == inner:
            return content
    raise PhotoSourceError(f"{path} holds no file {inner}; check that the package has the version in photos.csv")


def shrink(image: Image.Image) -> Image.Image:
    """The upright RGB image with a shorter edge of 256 pixels."""
    upright = ImageOps.exif_transpose(image).convert("RGB")
    scale = SHORTER_EDGE / min(upright.size)
    size = (round(upright.width * scale), round(upright.height * scale))
    return upright.resize(size, Image.Resampling.LANCZOS)


def encode(image: Image.Image) -> bytes:
    """The JPEG of an image: quality 90, 4:4:4, no EXIF, no colour profile."""
    target = io.BytesIO()
    image.save(target, "JPEG", quality=QUALITY, subsampling=0, optimize=True, exif=b"", icc_profile=None)
    return target.getvalue()


def collect(sources: Path, out: Path, rows: list[dict[str, str]]) -> list[str]:
    """Write every photograph of the table to `out`; return the names whose bytes differ from its sha256."""
    out.mkdir(parents=True, exist_ok=True)
    different = []
    for row in rows:
        content = read_source(sources / row["source_package"], row["source_file"])
        with Image.open(io.BytesIO(content)) as image:
            jpeg = encode(shrink(image))
        (out / row["file"]).write_bytes(jpeg)
        if hashlib.sha256(jpeg).hexdigest() != row["sha256"]:
            different.append(row["file"])
    return different


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m etl.demo.collect_photos",
        description="Make the demo's photographs again from unpacked packages and compare them with photos.csv.",
    )
    parser.add_argument("sources", type=Path, help="folder with one unpacked package per subfolder")
    parser.add_argument("out", type=Path, help="folder that receives the JPEG files")
    parser.add_argument("--table", type=Path, default=TABLE, help="the list to follow (default: the shipped one)")
    options = parser.parse_args(argv)
    rows = read_table(options.table)
    try:
        different = collect(options.sources, options.out, rows)
    except PhotoSourceError as error:
        print(error)
        return error.exit_code
    for name in different:
        print(f"{name}: the bytes differ from photos.csv (another source version or JPEG encoder)")
    print(
        f"{len(rows)} photographs written to {options.out}, {len(different)} with other bytes than in photos.csv"
    )
    return FINISHED_WITH_REJECTS if different else OK


if __name__ == "__main__":
    raise SystemExit(main())
