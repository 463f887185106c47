"""Sources list their files with what is known of them, whatever the files are called."""

import json
import os
from pathlib import Path

import pytest

from etl.errors import ConfigError, NothingUsable
from etl.images.sources import Folder, complete_lines, generated_plans

ODD = [
    "_x.png",
    ".x.png",
    "a b.png",
    "a#b.png",
    "100%.png",
    "%20.png",
    "ü.png",
    "a:b.png",
    "*.png",
    "[a].png",
    "A.JPG",
]


def keys(folder: Path, **known) -> list[str]:
    return [entry["key"] for entry in Folder(str(folder), "set", **known).entries()]


def test_files_of_every_name_are_listed_in_order_and_at_any_depth(tmp_path):
    for name in [*ODD, ".hidden/deep/x.gif", "notes.txt"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder.png").mkdir()
    assert sorted(keys(tmp_path)) == sorted([*ODD, ".hidden/deep/x.gif"])
    assert keys(tmp_path) == keys(tmp_path)


def test_a_single_file_has_its_name_for_a_key(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    assert keys(tmp_path / "a.png") == ["a.png"]


def test_a_name_that_is_not_unicode_is_listed_readably_and_refused(tmp_path):
    (tmp_path / os.fsdecode(b"\xff.png")).write_bytes(b"x")
    (entry,) = Folder(str(tmp_path), "set").entries()
    assert entry["key"] == r"\xff.png"
    entry["key"].encode()
    entry["path"].encode()


def test_links_that_lead_nowhere_are_listed_and_refused_and_a_loop_of_folders_is_not_walked(tmp_path):
    (tmp_path / "file.png").write_bytes(b"x")
    (tmp_path / "good.png").symlink_to("file.png")
    (tmp_path / "lost.png").symlink_to("nowhere.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "folder").symlink_to(tmp_path)
    (tmp_path / "folder.png").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    source = Folder(str(tmp_path), "set")
    opened = {known["key"]: content for entry in source.entries() for known, content in source.open(entry)}
    assert [key for key, content in opened.items() if content == b"x"] == ["file.png", "good.png"]
    refused = {key: content.code for key, content in opened.items() if content != b"x"}
    assert refused == {"lost.png": "UNREADABLE", "loop.png": "UNREADABLE"}


def test_a_folder_that_cannot_be_listed_is_a_refused_entry(tmp_path, monkeypatch):
    for name in ("a/x.png", "b/y.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"x")
    listed = os.scandir

    def denied(folder):
        if Path(folder).name == "a":
            raise PermissionError(13, "Permission denied")
        return listed(folder)

    monkeypatch.setattr(os, "scandir", denied)
    source = Folder(str(tmp_path), "set")
    (refused,), (good,) = [list(source.open(entry)) for entry in source.entries()]
    assert (refused[0]["key"], refused[1].code, good[1]) == ("a", "UNREADABLE", b"x")


def test_reals_have_a_source_and_fakes_a_generator(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    (real,) = Folder(str(tmp_path), "photos").entries()
    assert (real["label"], real["generator_id"], real["real_source"]) == (0, None, "photos")
    (fake,) = Folder(str(tmp_path), "fakes", generator_id="manual:x").entries()
    assert (fake["label"], fake["generator_id"], fake["real_source"]) == (1, "manual:x", None)


def test_the_table_gives_caption_author_and_licence(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"x")
    table = tmp_path / "t.csv"
    table.write_bytes("\ufefffile,caption,licence\na.png,Ein Schloß,\n".encode())
    first, second = Folder(str(tmp_path), "set", table=str(table)).entries()
    assert (first["prompt"], first["author"], first["licence"]) == ("Ein Schloß", None, None)
    assert second["prompt"] is None


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"name,caption\na,b\n", "no column 'file'"), (b"\xff\xfe", "cannot read"), (None, "cannot read")],
)
def test_a_table_that_cannot_be_used_is_a_wrong_configuration(tmp_path, content, problem):
    (tmp_path / "a.png").write_bytes(b"x")
    if content is not None:
        (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(ConfigError, match=problem):
        keys(tmp_path, table=str(tmp_path / "t.csv"))


def test_a_folder_that_is_missing_or_holds_no_images_is_nothing_usable(tmp_path):
    with pytest.raises(NothingUsable, match="there is no folder"):
        keys(tmp_path / "none")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(NothingUsable, match="holds no file that ends in"):
        keys(tmp_path)


def test_generated_images_come_with_what_their_record_says(tmp_path):
    folder = tmp_path / "landing" / "images" / "plan" / "org--model"
    folder.mkdir(parents=True)
    record = {"file": "r.png", "sha256": "ab", "generator_id": "org/model", "seed": 2**60 + 1, "request_id": "r"}
    record |= {"library_versions": {"torch": "2.9"}, "prompt": "a\u2028b"}
    lines = json.dumps(record, ensure_ascii=False) + "\n"
    (folder / "records.jsonl").write_text(lines + '{"file": "torn', encoding="utf-8")
    (plan,) = generated_plans(str(tmp_path))
    (entry,) = plan.entries()
    assert plan.name == plan.collection == "plan"
    assert entry["key"] == "org--model/r.png" and entry["path"] == str((folder / "r.png").resolve())
    assert (entry["label"], entry["generator_id"], entry["seed"]) == (1, "org/model", 2**60 + 1)
    assert entry["prompt"] == "a\u2028b" and entry["library_versions"] == '{"torch": "2.9"}'


def test_a_torn_last_line_is_left_out(tmp_path):
    path = tmp_path / "records.jsonl"
    lines = [{"request_id": key, "file": f"{key}.png", "sha256": key} for key in "ab"]
    path.write_bytes("".join(json.dumps(line) + "\n" for line in lines).encode() + b'{"a": \xc3')
    assert list(complete_lines(path.read_bytes())) == lines


def test_nothing_generated_is_nothing_usable(tmp_path):
    with pytest.raises(NothingUsable, match="run `forensics generate` first"):
        generated_plans(str(tmp_path))


def test_a_damaged_line_of_a_landing_is_a_refused_entry_and_the_others_are_listed(tmp_path):
    folder = tmp_path / "landing" / "images" / "p" / "lab--a"
    folder.mkdir(parents=True)
    good = {"request_id": "r", "file": "r.png", "sha256": "0" * 64, "generator_id": "lab/a"}
    lines = [b"\0\0", b'{"a": 1}', json.dumps(good).encode(), json.dumps({**good, "file": "../r.png"}).encode()]
    (folder / "records.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    [plan] = generated_plans(str(tmp_path))
    assert [(entry["key"], entry.get("code")) for entry in plan.entries()] == [
        ("lab--a/records.jsonl:1", "BAD_RECORD"),
        ("lab--a/records.jsonl:2", "BAD_RECORD"),
        ("lab--a/r.png", None),
        ("lab--a/records.jsonl:4", "BAD_RECORD"),
    ]
