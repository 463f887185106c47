"""Landed images: what counts as there after a kill, and where a generator's folder lies."""

import json
from pathlib import Path

import pytest

from generation.landing import RECORDS, Landing, slug


@pytest.fixture
def landing(tmp_path) -> Landing:
    """Two landed images, "a" and "b"."""
    landing = Landing(str(tmp_path), "plan", "lab/model")
    landing.open()
    for name in "ab":
        landing.add(name.encode(), {"request_id": name, "seed": 1})
    return landing


def lines(landing: Landing) -> list[str]:
    return [json.loads(line)["request_id"] for line in (landing.folder / RECORDS).read_text().splitlines()]


def test_landed_images_are_there(landing):
    assert landing.there("abc") == {"a", "b"}


@pytest.mark.parametrize("damage", [Path.unlink, lambda file: file.write_bytes(b"other")])
def test_an_image_whose_file_is_lost_or_changed_is_not_there(landing, damage):
    damage(landing.folder / "a.png")
    assert landing.there("ab") == {"b"}


def test_an_image_changed_to_as_many_other_bytes_is_dropped_where_its_generator_is_sampled_again(landing):
    (landing.folder / "a.png").write_bytes(b"x")
    assert landing.there("ab") == {"a", "b"}
    lost = landing.open()
    assert landing.there("ab") == {"b"}
    assert list(lost) == ["a"]
    assert landing.add(b"a's own", {"request_id": "a"}) != lost["a"]


def test_a_line_of_an_older_version_without_a_size_counts_by_its_hash(landing):
    manifest = landing.folder / RECORDS
    older = [{k: v for k, v in json.loads(line).items() if k != "bytes"} for line in manifest.open()]
    manifest.write_text("".join(json.dumps(line) + "\n" for line in older))
    (landing.folder / "a.png").write_bytes(b"x")
    assert landing.there("ab") == {"b"}


@pytest.mark.parametrize(
    "damage",
    [
        b"\0\0\0",
        b"[1]",
        b'{"request_id": "a"}',
        b"\xff{",
        b"[" * 100_000,
        b'{"request_id": "a", "file": 5, "sha256": ""}',
        b'{"request_id": "a", "file": "../b.png", "sha256": ""}',
    ],
)
def test_a_damaged_line_costs_its_own_image_alone(landing, damage):
    manifest = landing.folder / RECORDS
    manifest.write_bytes(damage + b"\n" + manifest.read_bytes().split(b"\n", 1)[1])
    assert landing.there("ab") == {"b"}
    landing.open()
    assert lines(landing) == ["b"]


def test_a_file_without_its_line_is_not_there(landing):
    (landing.folder / "c.png").write_bytes(b"c")
    assert landing.there("abc") == {"a", "b"}


def test_a_torn_last_line_is_dropped_and_the_next_line_is_whole(landing):
    manifest = landing.folder / RECORDS
    manifest.write_bytes(manifest.read_bytes()[:-20])
    assert landing.there("ab") == {"a"}
    landing.open()
    landing.add(b"b", {"request_id": "b", "seed": 1})
    assert lines(landing) == ["a", "b"]


def test_opening_drops_unfinished_files_and_lines_without_an_image(landing):
    (landing.folder / "a.png").unlink()
    (landing.folder / "c.png.tmp").write_bytes(b"half")
    landing.open()
    assert lines(landing) == ["b"]
    assert not list(landing.folder.glob("*.tmp"))


def test_opening_what_is_whole_changes_no_byte(landing):
    before = (landing.folder / RECORDS).stat()
    landing.open()
    assert (landing.folder / RECORDS).stat() == before


def test_a_folder_name_is_readable_and_never_leaves_its_parent():
    assert slug("lab/model-v1.5") == "lab--model-v1.5"
    hostile = ["../../etc", "a/../b", ".hidden", "_x", "a--b/c", "a/b--c", "näme", "x" * 300, "manual:midjourney"]
    names = {slug(generator_id) for generator_id in hostile}
    assert len(names) == len(hostile)
    assert all("/" not in name and not name.startswith((".", "_")) and len(name) < 200 for name in names)
