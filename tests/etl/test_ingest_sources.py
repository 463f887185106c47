"""Every source through the job: all that it holds is new, refused or there, and a second run adds nothing."""

import contextlib
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etl.jobs import ingest
from etl.lake import snapshot
from etl.lake.schemas import COLLECTIONS, GENERATORS, IMAGES, REJECTS
from tests.etl import odd_images

TABLES = (IMAGES, COLLECTIONS, GENERATORS, REJECTS)


def run(root, *arguments):
    """Run the job; return its exit code, the table versions after it, and what it printed."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = ingest.main(["--root", root, *arguments])
    return code, [snapshot.current_version(root, t) for t in TABLES if snapshot.exists(root, t)], said.getvalue()


def image(number: int, format_: str = "PNG") -> bytes:
    return odd_images.encoded(format_, size=(20 + number, 9))


def rows_of(root, table, **where) -> list[dict]:
    rows = snapshot.read(root, table).to_dicts()
    return [row for row in rows if where.items() <= row.items()]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, good, bad) -> tuple[Path, dict[str, bytes], dict[str, tuple[bytes, str]]]:
    """A folder of nearly a hundred good, odd and bad images, and which is which."""
    folder = tmp_path_factory.mktemp("corpus")
    fine = good | {name: data for name, (data, _) in odd_images.odd().items()}
    refused = bad | odd_images.bad()
    for name, data in fine.items() | {(name, data) for name, (data, _) in refused.items()}:
        (folder / name).write_bytes(data)
    return folder, fine, refused


def test_each_of_the_odd_and_bad_images_is_stored_as_it_came_or_refused_with_its_code(spark, corpus, tmp_path):
    folder, fine, refused = corpus
    assert len(fine) + len(refused) >= 90
    arguments = ("--path", str(folder), "--collection", "odd")
    code, versions, said = run(str(tmp_path), *arguments)
    new = len(set(fine.values()))
    total, there = len(fine) + len(refused), len(fine) - new
    assert code == 3
    assert said.startswith(f"ingest: {total} files = {new} new + {len(refused)} rejected + {there} already there")
    stored = rows_of(str(tmp_path), IMAGES)
    assert {row["image_id"] for row in stored} == {hashlib.sha256(data).hexdigest() for data in fine.values()}
    assert all(hashlib.sha256(row["bytes"]).hexdigest() == row["image_id"] for row in stored)
    codes = {row["key"]: row["code"] for row in rows_of(str(tmp_path), REJECTS)}
    assert codes == {name: code for name, (_, code) in refused.items()}
    properties = {row["source_key"]: row for row in stored}
    for name, (_, expected) in odd_images.odd().items():
        assert {column: properties[name][column] for column in vars(expected)} == vars(expected)
    code, again, said = run(str(tmp_path), *arguments)
    assert (code, again) == (3, versions) and " = 0 new + " in said


@pytest.fixture(scope="module")
def released(spark, tmp_path_factory) -> tuple[str, list[tuple]]:
    """A lake of the released parts, each ingested twice: its root, and what each run gave."""
    parts = tmp_path_factory.mktemp("released")
    common = {"format": "PNG", "resolution": [1, 1], "mode": "RGB", "prompt": "a caption", "split": "train"}
    old = [
        {"model_name": "org/model", "subset": "Systematic", "label": 1, "real_source": "LAION", "nsfw_flag": True},
        {"model_name": "ProGAN", "subset": "Manual", "label": 1, "real_source": "N/A", "nsfw_flag": False},
        {"model_name": "dalle3", "subset": "Commercial", "label": 1, "real_source": "COCO", "nsfw_flag": False},
        {"model_name": "ProGAN", "subset": "Manual", "label": 1, "real_source": "N/A", "image_data": b"no image"},
        {"model_name": "ProGAN", "subset": "Manual", "label": 3, "real_source": "N/A"},
    ]
    new = [
        {"model_name": "galip", "label": 1, "architecture": "GAN", "real_source": "COCO", "nsfw_flag": "false"},
        {"model_name": "galip", "label": 0, "architecture": "real", "real_source": "coco", "nsfw_flag": "false"},
        {
            "model_name": "dalle3",
            "label": 0,
            "architecture": "real",
            "real_source": "coco",
            "image_data": image(6),
        },
        {"model_name": "landscapesHQ", "label": 0, "architecture": "Real", "real_source": "N/A", "subset": "Real"},
    ]
    for name, rows, first in (("old", old, 0), ("new", new, 5)):
        made = [
            {"image_name": f"{n}.png", "image_data": image(first + n)} | common | row for n, row in enumerate(rows)
        ]
        flag = pa.bool_() if name == "old" else pa.string()
        table = pa.Table.from_pylist([{"nsfw_flag": None, "subset": "CompEval"} | row for row in made])
        position = table.schema.get_field_index("nsfw_flag")
        table = table.set_column(
            position, "nsfw_flag", pa.array([row.get("nsfw_flag") for row in made], type=flag)
        )
        pq.write_table(table, parts / f"{name}.parquet", row_group_size=3)
    root = str(tmp_path_factory.mktemp("lake"))
    arguments = ("--source", "released", "--path", str(parts), "--collection", "cf")
    return root, [run(root, *arguments), run(root, *arguments)]


def test_the_released_parts_add_up_and_a_second_run_adds_nothing(released):
    (code, versions, said), (again, later, repeated) = released[1]
    assert (code, again) == (3, 3) and versions == later
    assert said.startswith("ingest: 9 files = 6 new + 2 rejected + 1 already there")
    assert repeated.startswith("ingest: 9 files = 0 new + 2 rejected + 7 already there")


def test_the_released_images_have_their_class_maker_and_bytes(released):
    columns = ("label", "generator_id", "real_source", "nsfw", "prompt")
    stored = rows_of(released[0], IMAGES)
    assert {row["source_key"]: tuple(row[column] for column in columns) for row in stored} == {
        "old.parquet#0:0.png": (1, "org/model", "LAION", True, "a caption"),
        "old.parquet#1:1.png": (1, "manual:ProGAN", None, False, "a caption"),
        "old.parquet#2:2.png": (1, "commercial:dalle3", "COCO", False, "a caption"),
        "new.parquet#0:0.png": (1, "imported:galip", "COCO", False, "a caption"),
        "new.parquet#1:1.png": (0, None, "COCO", False, "a caption"),
        "new.parquet#3:3.png": (0, None, "LandscapesHQ", None, "a caption"),
    }
    ids = {hashlib.sha256(image(number)).hexdigest() for number in (0, 1, 2, 5, 6, 8)}
    assert (
        {hashlib.sha256(row["bytes"]).hexdigest() for row in stored} == {row["image_id"] for row in stored} == ids
    )


def test_the_released_reals_are_in_the_collection_beside_their_generators(released):
    places = {
        (row["image_id"], row["paired_generator_id"], row["split"]) for row in rows_of(released[0], COLLECTIONS)
    }
    shared = hashlib.sha256(image(6)).hexdigest()
    assert {pair for id_, pair, _ in places if id_ == shared} == {"imported:galip", "commercial:dalle3"}
    assert {split for _, _, split in places} == {"train"} and len(places) == 7


def test_generators_that_the_lake_lacked_are_rows_with_their_architecture(released):
    found = {row["generator_id"]: (row["kind"], row["architecture"]) for row in rows_of(released[0], GENERATORS)}
    assert found == {
        "org/model": ("imported", None),
        "manual:ProGAN": ("manual", "GAN"),
        "commercial:dalle3": ("commercial", "Commercial"),
        "imported:galip": ("imported", "GAN"),
    }
    assert not any(row["eligible"] for row in rows_of(released[0], GENERATORS))


def test_other_sources_go_the_same_way(spark, tmp_path):
    """A tar, a list and a laid out folder with the same images: brought once, in three collections."""
    root, tars, laid = str(tmp_path / "lake"), tmp_path / "0.tar", tmp_path / "laid"
    record = json.dumps({"generator": "imported:x", "seed": 2**62 + 1}).encode()
    with tarfile.open(tars, "w") as tar:
        for name, content in (("1.png", image(1)), ("1.json", record), ("2.png", image(2)), ("2.png", image(3))):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    for name, content in (("fake/1.png", image(1)), ("real/2.png", image(2)), ("odd/3.png", image(3))):
        (laid / "x" / name).parent.mkdir(parents=True, exist_ok=True)
        (laid / "x" / name).write_bytes(content)
    listed = laid / "list.csv"
    listed.write_text("path,label\nx/real/2.png,real\nx/fake/1.png,real\n/etc/hostname,real\n")
    runs = {
        (
            "--source",
            "webdataset",
            "--path",
            str(tars),
            "--collection",
            "t",
            "--assume_real",
        ): "3 files = 2 new + 1 re",
        (
            "--path",
            str(laid),
            "--layout",
            "reference",
            "--collection",
            "l",
        ): "3 files = 0 new + 1 rejected + 2 already",
        (
            "--source",
            "list",
            "--path",
            str(listed),
            "--collection",
            "c",
        ): "3 files = 0 new + 2 rejected + 1 already",
    }
    for arguments, expected in runs.items():
        assert run(root, *arguments)[2].startswith(f"ingest: {expected}"), arguments
    codes = {(row["key"], row["code"]) for row in rows_of(root, REJECTS)}
    assert codes == {
        ("0.tar/2.png", "ID_CLASH"),
        ("x/odd/3.png", "UNLABELLED"),
        ("x/fake/1.png", "LABEL_CLASH"),
        ("/etc/hostname", "NOT_ALLOWED"),
    }
    (fake,) = rows_of(root, IMAGES, label=1)
    assert (fake["generator_id"], fake["seed"], fake["source"]) == ("imported:x", 2**62 + 1, "t")


def test_a_dry_run_says_what_would_be_refused_without_being_opened_and_why(tmp_path, capsys):
    listed = tmp_path / "list.csv"
    listed.write_text("path,label\na.png,real\nb.png,\n/etc/hostname,real\nc.png,\n")
    words = ["--root", str(tmp_path / "lake"), "--source", "list", "--path", str(listed), "--collection", "c"]
    assert ingest.main([*words, "--dry_run"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == (
        "found in c: 4 images: 0 fake by 0 generators, 1 real, 3 refused (2 UNLABELLED, 1 NOT_ALLOWED)"
    )


def test_a_dry_run_says_what_there_is_and_writes_nothing(corpus, tmp_path, capsys):
    root = tmp_path / "lake"
    assert ingest.main(["--root", str(root), "--path", str(corpus[0]), "--collection", "odd", "--dry_run"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    count = len(corpus[1]) + len(corpus[2])
    assert first == f"found in odd: {count} images: 0 fake by 0 generators, {count} real"
    assert second.split() == [str(count), "real,", "odd,", "no", "split"] and not root.exists()
