"""Ingest: every file is accepted, refused with a code, or already there; bytes stay as they came."""

import contextlib
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from etl.cli import main
from etl.errors import NothingUsable
from etl.images.decoding import MAX_BYTES
from etl.jobs import ingest
from etl.lake import snapshot
from etl.lake.lock import table_lock
from etl.lake.schemas import COLLECTIONS, IMAGES, REJECTS

REPOSITORY = Path(__file__).parents[2]
ODD = ["_x.png", ".x.png", "a b#c%20d.png", "ü.png", "a:b.png", "[*].png", "deep/er/x.PNG"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, good, bad, encode, picture) -> Path:
    """Good and bad images, odd names, the same bytes twice, and what cannot be read."""
    folder = tmp_path_factory.mktemp("inputs")
    files = good | {name: data for name, (data, _) in bad.items()} | {"copy-of-plain.png": good["plain.png"]}
    for position, name in enumerate(ODD):
        files[name] = encode(picture.crop((0, 0, 10 + position, 10)), "PNG")
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    with open(folder / "huge.jpg", "wb") as file:
        file.truncate(MAX_BYTES + 1)
    (folder / os.fsdecode(b"\xff.png")).write_bytes(good["plain.jpg"])
    return folder


@pytest.fixture(scope="module")
def ingested(folder, spark, tmp_path_factory) -> tuple[str, list[int], list[list[int]], list[str]]:
    """A lake into which the folder was ingested twice: its root, and of each run code, table versions and line."""
    root = str(tmp_path_factory.mktemp("ingested") / "my lake")
    codes, versions = [], []
    with contextlib.redirect_stdout(io.StringIO()) as said:
        for _ in range(2):
            codes.append(
                ingest.main(["--root", root, "--path", str(folder), "--collection", "set", "--wave", "30"])
            )
            versions.append([snapshot.current_version(root, table) for table in (IMAGES, COLLECTIONS, REJECTS)])
    return root, codes, versions, said.getvalue().splitlines()


def test_refused_files_are_rows_with_their_code_and_bytes_hash(ingested, bad):
    root, codes, *_ = ingested
    assert codes == [3, 3]
    rejects = snapshot.read(root, REJECTS)
    found = {row["key"]: (row["sha256"], row["code"]) for row in rejects.to_dicts()}
    expected = {name: (hashlib.sha256(data).hexdigest(), code) for name, (data, code) in bad.items()}
    assert found == expected | {"huge.jpg": (None, "TOO_BIG"), r"\xff.png": (None, "UNREADABLE")}
    assert set(rejects["stage"]) == {"ingest"} and rejects["detail"].null_count() == 0


def test_accepted_bytes_are_exactly_those_of_the_files(ingested, folder, good):
    root = ingested[0]
    images = snapshot.read(root, IMAGES)
    assert images.height == len(good) + len(ODD)
    for row in images.to_dicts():
        assert hashlib.sha256(row["bytes"]).hexdigest() == row["image_id"]
        assert (folder / row["source_key"]).read_bytes() == row["bytes"]
        assert (row["label"], row["real_source"], row["generator_id"], row["source"]) == (0, "set", None, "set")
    assert set(ODD) <= set(images["source_key"])


def test_properties_are_those_of_the_image(ingested):
    columns = ["source_key", "format", "width", "height", "mode", "n_frames", "exif_orientation"]
    found = {row[0]: row[1:] for row in snapshot.read(ingested[0], IMAGES, columns=columns).rows()}
    assert found["turned.jpg"] == ("JPEG", 56, 40, "RGB", 1, 6)
    assert found["multi-picture.jpg"] == ("JPEG", 56, 40, "RGB", 2, 1)
    assert found["cmyk.jpg"] == ("JPEG", 56, 40, "CMYK", 1, 1)


def test_every_image_has_its_place_in_the_collection(ingested):
    images, places = (set(snapshot.read(ingested[0], table)["image_id"]) for table in (IMAGES, COLLECTIONS))
    assert images == places


def test_the_same_command_again_commits_nothing(ingested):
    assert ingested[2][0] == ingested[2][1]


def test_the_counts_add_up(ingested, good, bad):
    """Besides the good and bad files: oddly named ones, a copy, a huge file and a name that is not Unicode."""
    new, rejected = len(good) + len(ODD), len(bad) + 2
    first, second = ingested[3]
    assert first.startswith(
        f"ingest: {new + rejected + 1} files = {new} new + {rejected} rejected + 1 already there"
    )
    assert second.startswith(
        f"ingest: {new + rejected + 1} files = 0 new + {rejected} rejected + {new + 1} already"
    )


def test_a_limit_takes_the_first_files_by_name(folder, spark, tmp_path, capsys):
    ingest.main(["--root", str(tmp_path), "--path", str(folder), "--collection", "set", "--limit", "2"])
    assert capsys.readouterr().out.startswith("ingest: 2 files = ")


def test_generated_images_keep_their_seed_and_a_broken_promise_is_refused(spark, tmp_path, good):
    folder = tmp_path / "landing" / "images" / "plan" / "org--model"
    folder.mkdir(parents=True)
    records = []
    for name, data, sha in (("a.png", good["plain.png"], None), ("b.png", good["alpha.png"], "0" * 64)):
        (folder / name).write_bytes(data)
        promised = sha or hashlib.sha256(data).hexdigest()
        records.append({"file": name, "sha256": promised, "generator_id": "org/model", "seed": 2**60 + 1})
    lost = records[0] | {"file": "lost.png", "seed": None, "guidance": None}
    records[0] |= {"guidance": 7.5, "nsfw": False, "steps": 20, "prompt": "a\u2028b"}
    (folder / "records.jsonl").write_text("".join(json.dumps(record) + "\n" for record in [*records, lost]))
    assert ingest.main(["--root", str(tmp_path), "--source", "generated"]) == 3
    (row,) = snapshot.read(str(tmp_path), IMAGES).to_dicts()
    assert (row["seed"], row["guidance"], row["steps"], row["nsfw"]) == (2**60 + 1, 7.5, 20, False)
    assert (row["label"], row["generator_id"], row["prompt"]) == (1, "org/model", "a\u2028b")
    codes = dict(snapshot.read(str(tmp_path), REJECTS, columns=["key", "code"]).rows())
    assert codes == {"org--model/b.png": "SHA_MISMATCH", "org--model/lost.png": "UNREADABLE"}


def test_a_plan_without_records_is_nothing_usable(spark, tmp_path):
    (tmp_path / "landing" / "images" / "plan" / "org--model").mkdir(parents=True)
    with pytest.raises(NothingUsable, match="forensics generate"):
        ingest.main(["--root", str(tmp_path), "--source", "generated"])


def test_a_second_writer_ends_with_5_and_a_killed_ingest_is_finished_by_the_next(spark, tmp_path, good, capsys):
    """A real process is stopped between images and collections, met by another one, killed, and made good."""
    photos, root, reached = tmp_path / "photos", str(tmp_path / "lake"), tmp_path / "reached"
    photos.mkdir()
    for name in ("plain.jpg", "plain.png", "alpha.png"):
        (photos / name).write_bytes(good[name])
    arguments = ["ingest", "--root", root, "--path", str(photos), "--collection", "photos"]
    fault = {"FORENSICS_FAULT": "ingest:after-images", "FORENSICS_FAULT_FILE": str(reached)}
    first = subprocess.Popen(
        [sys.executable, "-m", "etl.cli", *arguments],
        env={**os.environ, **fault},
        cwd=REPOSITORY,
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 200
        while not reached.exists():
            assert first.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
        assert main(arguments) == 5
        assert "error: another process is writing to the table" in capsys.readouterr().err
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    assert snapshot.read(root, IMAGES).height == 3 and not snapshot.exists(root, COLLECTIONS)
    with table_lock(root, IMAGES.name):
        pass
    assert main(arguments) == 0
    ids = {hashlib.sha256(path.read_bytes()).hexdigest() for path in photos.iterdir()}
    assert set(snapshot.read(root, IMAGES)["image_id"]) == set(snapshot.read(root, COLLECTIONS)["image_id"]) == ids
