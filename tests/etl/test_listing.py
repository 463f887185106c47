"""Lists of paths and addresses, and folders with a metadata file."""

import json

import pytest

from etl.errors import ConfigError
from etl.images.decoding import Refused
from etl.images.fetching import Fetcher
from etl.images.sources import ImageFolder, Listing


def listing(path, content, **options):
    path.write_text(content, encoding="utf-8")
    return Listing(str(path), "set", Fetcher(), **options)


def outcomes(source):
    """Return of each entry its key and its code, or its class and maker with the bytes."""
    said = []
    for entry in source.entries():
        if entry.get("code"):
            said.append((entry["key"], entry["code"]))
            continue
        ((known, content),) = source.open(entry)
        content = content.code.value if isinstance(content, Refused) else content
        said.append((known["key"], known["label"], known["generator_id"] or known["real_source"], content))
    return said


def test_a_csv_names_files_with_what_is_known_of_them(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    source = listing(
        tmp_path / "l.csv",
        "path,label,generator,caption,split,nsfw,seed,guidance\n"
        "a.png,fake,org/model,Ein Schloß,test,false,12,7.5\n"
        "a.png,0,,,,,,\n"
        "none.png,real,org/model,,,,,\n",
    )
    assert outcomes(source) == [
        ("a.png", 1, "org/model", b"x"),
        ("a.png", 0, "set", b"x"),
        ("none.png", 0, "set", "UNREADABLE"),
    ]
    fake, _, real = source.entries()
    assert (fake["prompt"], fake["split"], fake["nsfw"], fake["seed"], fake["guidance"]) == (
        *("Ein Schloß", "test", False, 12, 7.5),
    )
    assert real["pairs"] == ["org/model"]


def test_a_jsonl_is_read_line_by_line_and_a_bad_line_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    lines = ['{"path": "a.png", "label": 0}', "{", "[]", "", '{"label": 0}', '{"path": "a.png"}']
    assert outcomes(listing(tmp_path / "l.jsonl", "\n".join(lines))) == [
        ("a.png", 0, "set", b"x"),
        ("line 2", "BAD_RECORD"),
        ("line 3", "BAD_RECORD"),
        ("line 4", "BAD_RECORD"),
        ("a.png", "UNLABELLED"),
    ]


def test_an_endless_list_is_read_as_it_comes(tmp_path):
    path = tmp_path / "l.jsonl"
    path.write_text('{"path": "a.png", "label": 0}\n' * 10 + "\x00\ud800".encode("utf-8", "replace").decode())
    entries = listing(path, path.read_text()).entries()
    assert [next(entries)["key"] for _ in range(10)] == ["a.png"] * 10


@pytest.mark.parametrize("place", ["../secret.png", "/etc/hostname", "link.png", "deep/../../secret.png"])
def test_a_path_outside_of_the_base_is_not_allowed(tmp_path, place):
    base = tmp_path / "base"
    base.mkdir()
    (tmp_path / "secret.png").write_bytes(b"x")
    (base / "link.png").symlink_to(tmp_path / "secret.png")
    source = listing(base / "l.jsonl", json.dumps({"path": place, "label": 0}))
    assert outcomes(source) == [(place, "NOT_ALLOWED")]
    wider = listing(base / "l.jsonl", json.dumps({"path": "../secret.png", "label": 0}), base=str(tmp_path))
    assert outcomes(wider) == [("../secret.png", "NOT_ALLOWED")]


def test_a_base_of_ones_own(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "lists").mkdir()
    source = listing(tmp_path / "lists" / "l.csv", "file,label\na.png,0\n", base=str(tmp_path))
    assert outcomes(source) == [("a.png", 0, "set", b"x")]


@pytest.mark.parametrize("place", ["a\0b.png", "x" * 5000])
def test_a_path_that_cannot_exist_is_unreadable(tmp_path, place):
    ((_, *outcome),) = outcomes(listing(tmp_path / "l.jsonl", json.dumps({"path": place, "label": 0})))
    assert outcome[-1] == "UNREADABLE"


def test_a_list_without_places_is_a_wrong_configuration(tmp_path):
    with pytest.raises(ConfigError, match="none of the columns url, path, file"):
        list(listing(tmp_path / "l.csv", "name,label\na,0\n").entries())


def test_an_address_in_a_list_is_fetched_only_where_it_is_allowed(tmp_path):
    source = listing(tmp_path / "l.csv", "url,label\nhttps://example.org/a.png,0\nfile:///etc/hostname,0\n")
    assert [outcome[-1] for outcome in outcomes(source)] == ["NOT_ALLOWED"] * 2


def test_an_address_with_a_password_is_refused_and_the_password_stands_nowhere(tmp_path):
    (tmp_path / "list.csv").write_text("url\nhttps://me:hush@example.org/a.png?b=@\n")
    listing = Listing(str(tmp_path / "list.csv"), "mine", Fetcher(hosts=("example.org",)))
    (entry,) = listing.entries()
    assert (entry["key"], entry["code"]) == ("https://example.org/a.png?b=@", "NOT_ALLOWED")
    assert "hush" not in str(entry)


def test_an_image_folder_has_its_splits_and_metadata(tmp_path):
    for split, name in (("train", "a.png"), ("test", "b.png")):
        (tmp_path / split).mkdir()
        (tmp_path / split / name).write_bytes(name.encode())
    (tmp_path / "train" / "metadata.csv").write_text("file_name,text,label\na.png,a ship,0\n")
    (tmp_path / "test" / "metadata.jsonl").write_text(
        '{"file_name": "b.png", "generator": "org/m"}\n{"file_name": "http://x/"}\n'
    )
    source = ImageFolder(str(tmp_path), "set")
    assert outcomes(source) == [
        ("test/b.png", 1, "org/m", b"b.png"),
        ("test/http:/x", "NOT_ALLOWED"),
        ("train/a.png", 0, "set", b"a.png"),
    ]
    assert [entry["split"] for entry in source.entries()] == ["test", "test", "train"]


def test_an_image_folder_may_be_named_by_its_metadata(tmp_path):
    (tmp_path / "metadata.csv").write_text("file_name,label\na.png,real\n")
    (entry,) = ImageFolder(str(tmp_path / "metadata.csv"), "set").entries()
    assert (entry["key"], entry["path"], entry["label"]) == ("a.png", str(tmp_path / "a.png"), 0)


def test_an_image_folder_without_metadata_says_what_to_do(tmp_path):
    (tmp_path / "other.csv").write_text("a\n")
    with pytest.raises(ConfigError, match="without one use --layout"):
        list(ImageFolder(str(tmp_path), "set").entries())
