"""The shipped photographs are complete, intact, licensed, and can be made again from a Qt resource file."""

import csv
import hashlib
import io
import re
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from etl.demo.collect_photos import (
    SHORTER_EDGE,
    TABLE,
    PhotoSourceError,
    collect,
    encode,
    main,
    rcc_files,
    read_table,
    shrink,
)
from etl.errors import FINISHED_WITH_REJECTS, OK

PHOTOS = TABLE.parent
COLUMNS = [
    *("file", "title", "caption", "source_package", "source_version", "source_file"),
    *("author", "licence", "licence_url_or_note", "width", "height", "sha256"),
]
ADMITTED = re.compile(r"CC0-1\.0|LicenseRef-public-domain|CC-BY(-SA)?-[1-4]\.[05]")


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    return read_table(TABLE)


def test_the_table_has_the_agreed_columns_and_no_empty_cell(rows: list[dict[str, str]]) -> None:
    assert list(rows[0]) == COLUMNS
    assert [(row["file"], column) for row in rows for column in COLUMNS if not row[column].strip()] == []


def test_there_are_about_150_photographs_under_6_mb(rows: list[dict[str, str]]) -> None:
    assert 140 <= len(rows) <= 160
    assert sum((PHOTOS / row["file"]).stat().st_size for row in rows) < 6_000_000


def test_table_and_folder_list_the_same_files(rows: list[dict[str, str]]) -> None:
    beside = {"photos.csv", "LICENSES.md"}
    assert sorted(row["file"] for row in rows) == sorted(p.name for p in PHOTOS.iterdir() if p.name not in beside)


def test_every_file_has_the_sha256_of_the_table(rows: list[dict[str, str]]) -> None:
    actual = {row["file"]: hashlib.sha256((PHOTOS / row["file"]).read_bytes()).hexdigest() for row in rows}
    assert actual == {row["file"]: row["sha256"] for row in rows}


@pytest.mark.parametrize("column", ["file", "caption", "sha256", "source_file"])
def test_no_two_photographs_share(rows: list[dict[str, str]], column: str) -> None:
    assert len({row[column] for row in rows}) == len(rows)


def test_every_name_is_a_plain_slug(rows: list[dict[str, str]]) -> None:
    assert [row["file"] for row in rows if not re.fullmatch(r"[a-z]+(-[a-z]+)+-\d\d\.jpg", row["file"])] == []


def test_every_photograph_decodes_fully_as_an_rgb_jpeg_without_metadata(rows: list[dict[str, str]]) -> None:
    for row in rows:
        with Image.open(PHOTOS / row["file"]) as image:
            image.load()
            assert (image.format, image.mode) == ("JPEG", "RGB"), row["file"]
            assert image.size == (int(row["width"]), int(row["height"])), row["file"]
            assert min(image.size) == SHORTER_EDGE, row["file"]
            assert not image.getexif() and "icc_profile" not in image.info and "xmp" not in image.info, row["file"]


def test_every_licence_is_admitted_and_explained(rows: list[dict[str, str]]) -> None:
    assert {row["licence"] for row in rows if not ADMITTED.fullmatch(row["licence"])} == set()
    assert [row["file"] for row in rows if "GPL" in row["licence_url_or_note"]] == []


def resource_file(content: bytes, flags: int) -> bytes:
    """A Qt resource file of format 2 with the single file `a/b.png`."""
    names = b"".join(struct.pack(">HI", 1 if n == "a" else 5, 0) + n.encode("utf-16-be") for n in ("a", "b.png"))
    stored = struct.pack(">I", len(content)) + zlib.compress(content) if flags & 1 else content
    nodes = [
        struct.pack(">IHIIQ", 0, 2, 1, 1, 0),
        struct.pack(">IHIIQ", 0, 2, 1, 2, 0),
        struct.pack(">IHIIQ", 8, flags, 0, 0, 0),
    ]
    contents = struct.pack(">I", len(stored)) + stored
    head = 20
    offsets = (head, head + 66, head + 66 + len(contents))
    return b"qres" + struct.pack(">4I", 2, *offsets) + b"".join(nodes) + contents + names


@pytest.mark.parametrize("flags", [0, 1])
def test_a_qt_resource_file_gives_back_its_paths_and_contents(flags: int) -> None:
    assert list(rcc_files(resource_file(b"photograph", flags))) == [("a/b.png", b"photograph")]


def test_a_file_that_is_no_qt_resource_file_is_refused() -> None:
    with pytest.raises(PhotoSourceError, match="qres"):
        list(rcc_files(b"RIFF" + bytes(20)))


def gradient_png(width: int, height: int) -> bytes:
    target = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).convert("RGB").save(target, "PNG")
    return target.getvalue()


def one_row_table(path: Path, source_file: str, sha256: str) -> Path:
    row = dict.fromkeys(COLUMNS, "x") | {
        "file": "b-01.jpg",
        "source_package": "pkg",
        "source_file": source_file,
        "sha256": sha256,
    }
    with path.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, COLUMNS)
        writer.writeheader()
        writer.writerow(row)
    return path


def test_the_command_makes_the_jpeg_of_a_photograph_inside_an_archive(tmp_path: Path) -> None:
    png = gradient_png(600, 400)
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "x.rcc").write_bytes(resource_file(png, 0))
    jpeg = encode(shrink(Image.open(io.BytesIO(png))))
    table = one_row_table(tmp_path / "t.csv", "x.rcc::a/b.png", hashlib.sha256(jpeg).hexdigest())

    assert main([str(tmp_path), str(tmp_path / "out"), "--table", str(table)]) == OK
    assert Image.open(tmp_path / "out" / "b-01.jpg").size == (384, 256)


def test_a_jpeg_with_other_bytes_than_listed_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "b.png").write_bytes(gradient_png(300, 300))
    table = one_row_table(tmp_path / "t.csv", "b.png", "0" * 64)

    assert main([str(tmp_path), str(tmp_path / "out"), "--table", str(table)]) == FINISHED_WITH_REJECTS
    assert "b-01.jpg" in capsys.readouterr().out


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    rows = read_table(one_row_table(tmp_path / "t.csv", "b.png", "0" * 64))
    with pytest.raises(PhotoSourceError, match="pkg"):
        collect(tmp_path, tmp_path / "out", rows)
