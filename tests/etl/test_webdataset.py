"""Tar files: an image and what is said of it follow each other under one name."""

import io
import json
import tarfile

import pytest

from etl.images.decoding import MAX_BYTES, Refused
from etl.images.sources import Found, WebDataset


def write(path, members):
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return str(path)


def said(record) -> bytes:
    return json.dumps(record).encode()


def outcomes(source):
    """Return of each image its key, and its bytes or code, and check that the driver counted the same."""
    entries = list(source.entries())
    found = [
        (known["key"], content.code.value if isinstance(content, Refused) else content)
        for entry in entries
        for known, content in source.open(entry)
    ]
    assert len(found) == sum(entry["rows"] for entry in entries) == sum(count for _, count in source.survey())
    return found


def test_a_sample_is_an_image_with_its_record_and_caption(tmp_path):
    facts = {"generator": "org/model", "seed": 7, "license": "mit", "architecture": "gan", "split": "test"}
    members = [("a/01.jpg", b"image"), ("a/01.json", said(facts)), ("a/01.txt", b"a ship\n")]
    source = WebDataset(write(tmp_path / "0.tar", members), "set")
    ((known, content),) = [item for entry in source.entries() for item in source.open(entry)]
    assert (known["key"], content) == ("0.tar/a/01.jpg", b"image")
    assert (known["label"], known["generator_id"], known["seed"]) == (1, "org/model", 7)
    assert (known["prompt"], known["licence"], known["split"]) == ("a ship", "mit", "test")
    assert dict(source.survey()) == {Found(1, "org/model", None, "test", "GAN"): 1}


def test_images_without_a_word_of_their_class_have_that_of_the_command(tmp_path):
    path = write(tmp_path / "0.tar", [("1.png", b"x"), ("2.jpg", b"y"), ("2.json", b"{}")])
    assert list(WebDataset(path, "set", generator_id="manual:x").survey()) == [(Found(1, "manual:x"), 1)] * 2
    assert list(WebDataset(path, "set", label=0).survey()) == [(Found(0, None, "set"), 1)] * 2
    assert [code for _, code in outcomes(WebDataset(path, "set"))] == ["UNLABELLED"] * 2


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([("1.json", b"{}")], [("0.tar/1", "NOT_IMAGE")]),
        ([("1.png", b"x"), ("1.json", b"{")], [("0.tar/1.png", "BAD_RECORD")]),
        ([("1.png", b"x"), ("1.json", b"[1]")], [("0.tar/1.png", "BAD_RECORD")]),
        ([("1.png", b"x"), ("1.json", said({"label": "maybe"}))], [("0.tar/1.png", "BAD_RECORD")]),
        ([("1.png", b"x"), ("1.json", said({"seed": "x"}))], [("0.tar/1.png", "BAD_RECORD")]),
        ([("1.png", b"x"), ("1.json", b" " * (2 << 20))], [("0.tar/1.png", "BAD_RECORD")]),
        ([("1.png", b"x" * (MAX_BYTES + 1))], [("0.tar/1.png", "TOO_BIG")]),
        ([("1.png", b"x"), ("1.png", b"y")], [("0.tar/1.png", b"x"), ("0.tar/1.png", b"y")]),
        ([("1.png", b"x"), ("1.jpg", b"y")], [("0.tar/1.png", b"x"), ("0.tar/1.jpg", b"y")]),
        ([("../../etc/1.png", b"x")], [("0.tar/../../etc/1.png", b"x")]),
    ],
)
def test_a_sample_that_is_odd_costs_a_row(tmp_path, members, expected):
    source = WebDataset(write(tmp_path / "0.tar", [*members, ("9.png", b"last")]), "set", label=0)
    assert outcomes(source) == [*expected, ("0.tar/9.png", b"last")]


def test_links_and_devices_are_not_followed(tmp_path):
    with tarfile.open(tmp_path / "0.tar", "w") as tar:
        link = tarfile.TarInfo("1.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        pipe = tarfile.TarInfo("2.png")
        pipe.type = tarfile.FIFOTYPE
        tar.addfile(pipe)
    assert outcomes(WebDataset(str(tmp_path), "set", label=0)) == []


def test_a_tar_that_ends_in_damage_gives_what_comes_before(tmp_path):
    path = tmp_path / "0.tar"
    write(path, [("1.png", b"x" * 600), ("2.png", b"y" * 600)])
    whole = path.read_bytes()
    first = ("0.tar/1.png", b"x" * 600)
    path.write_bytes(whole[:2100])  # within the second image
    assert outcomes(WebDataset(str(path), "set", label=0))[0] == first
    assert outcomes(WebDataset(str(path), "set", label=0))[-1] == ("0.tar", "BAD_FILE")
    path.write_bytes(whole[:1536] + b"\xff" * 700)
    assert outcomes(WebDataset(str(path), "set", label=0)) == [first, ("0.tar", "BAD_FILE")]


@pytest.mark.parametrize("content", [b"", b"no tar" * 200])
def test_what_is_no_tar_is_one_refused_row(tmp_path, content):
    (tmp_path / "0.tar").write_bytes(content)
    assert outcomes(WebDataset(str(tmp_path), "set", label=0)) == [("0.tar", "BAD_FILE")]
