"""What was exported, ingested again, is the same; an export goes on where it stopped, and spares other folders."""

import hashlib
import io
import json
import shutil
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from etl.errors import ConfigError, NothingUsable
from etl.images.exports.destination import claim
from etl.images.exports.folders import folder_of
from etl.images.exports.released import data_set, model_name
from etl.images.exports.shards import cut
from etl.images.sources import LAYOUTS, LaidOut
from etl.images.sources.records import generator_of, name_of
from etl.images.sources.released import generator_named, real_named
from etl.jobs import build_training_set, export, ingest
from etl.lake import snapshot
from etl.lake.schemas import COLLECTIONS, GENERATORS, IMAGES, TRAINING_SETS, WITHDRAWALS, training_rows

IDS = ["org/model", "manual:StyleGAN2", "commercial:dalle3", "imported:dalle2", "my gen", "imported:a/b ü"]
"""Of each kind, those included that would be taken for another generator by their bare name."""
SOURCES = ["LAION", "coco", "my photos"]
FORMATS = {
    "released": lambda folder: ["--source", "released", "--path", str(folder)],
    "folders": lambda folder: ["--source", "list", "--path", str(folder / "images.jsonl")],
    "webdataset": lambda folder: ["--source", "webdataset", "--path", str(folder)],
}
SETS = {"released": "anew", "folders": "mine", "webdataset": "mine"}
NO_ROOM = {"released": {"licence", "author", "seed", "guidance"}}


def picture(number: int) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def image(number: int, **known) -> dict:
    content = picture(number)
    like = {"format": "PNG", "width": 8, "height": 8, "mode": "P", "licence": ["cc0", None, "mit"][number % 3]}
    return {"image_id": hashlib.sha256(content).hexdigest(), "bytes": content, **like, **known}


@pytest.fixture(scope="module")
def root(spark, tmp_path_factory) -> str:
    """A lake with the set `mine`, of six generators and three real sources, and `anew`, as if encoded anew."""
    root = str(tmp_path_factory.mktemp("exported from") / "lake")
    fakes = [
        image(n, label=1, generator_id=IDS[n % 6], prompt=f' a "cat", no. {n}\n| ',
              real_source=[None, "coco"][n % 2], nsfw=[True, False, None][n % 3], seed=2**53 + n, guidance=7.1)
        for n in range(30)
    ]  # fmt: skip
    reals = [image(100 + n, label=0, real_source=SOURCES[n % 3], author="me") for n in range(30)]
    snapshot.append(root, IMAGES, fakes + reals)
    rows = [{"generator_id": one, "kind": one.partition(":")[0], "architecture": "GAN"} for one in IDS[1:]]
    snapshot.append(root, GENERATORS, [*rows, {"generator_id": IDS[0], "kind": "hub", "licence": "`|<b>"}])
    shares = ["--test_fraction", "0.33", "--val_fraction", "0.16"]
    assert build_training_set.main(["--root", root, "--name", "mine", "--accept", "[metadata, all]", *shares]) == 0
    shutil.copytree(f"{root}/training_rows/mine", f"{root}/training_rows/anew")
    (build,) = snapshot.read(root, TRAINING_SETS).to_dicts()
    recipe = json.loads(build["config"]) | {"reencode": "JPEG"}
    snapshot.append(root, TRAINING_SETS, [build | {"name": "anew", "config": json.dumps(recipe)}])
    return root


@pytest.fixture(scope="module")
def exported(root, tmp_path_factory) -> dict[str, Path]:
    """The folder of each format, of the set in SETS; the files have few rows, so that there are several."""
    folders = {}
    for format_ in FORMATS:
        folders[format_] = tmp_path_factory.mktemp("exports") / format_ / "of it"
        assert run(root, format_, folders[format_]) == 0
    return folders


def run(root: str, format_: str, folder: Path) -> int:
    words = ["--root", root, "--training_set", SETS[format_], "--format", format_, "--to", str(folder)]
    return export.main([*words, "--rows_per_file", "7", "--wave", "6"])


def known(root: str, rows: list[dict], leaving_out: set[str]) -> dict[str, dict]:
    """What is known of each image by the hash of its bytes."""
    names = {"bytes", "label", "generator_id", "real_source", "split", "prompt", "nsfw", "licence", "author"}
    names |= {"seed", "guidance"}
    return {
        hashlib.sha256(row["bytes"]).hexdigest(): {name: row[name] for name in names - leaving_out} for row in rows
    }


def of_set(root: str) -> list[dict]:
    images = {row["image_id"]: row for row in snapshot.read(root, IMAGES).to_dicts()}
    return [images[row["image_id"]] | row for row in snapshot.read(root, training_rows("mine")).to_dicts()]


@pytest.mark.parametrize("format_", FORMATS)
def test_what_was_exported_and_is_ingested_again_is_the_same(root, exported, format_, tmp_path):
    again = str(tmp_path / "another lake")
    assert ingest.main(["--root", again, "--collection", "set", *FORMATS[format_](exported[format_])]) == 0
    splits = dict(snapshot.read(again, COLLECTIONS, columns=["image_id", "split"]).rows())
    back = [row | {"split": splits[row["image_id"]]} for row in snapshot.read(again, IMAGES).to_dicts()]
    assert set(snapshot.read(again, COLLECTIONS)["paired_generator_id"]) == {None}
    leaving_out = NO_ROOM.get(format_, set())
    assert known(again, back, leaving_out) == known(root, of_set(root), leaving_out)


def test_the_files_are_those_that_the_format_says(exported):
    columns = (
        "image_name format resolution mode image_data model_name nsfw_flag prompt real_source subset split label "
        "architecture"
    )
    files = sorted((exported["released"] / "data").iterdir())
    assert files[0].name == "test-00000-of-00003.parquet"
    assert all(pq.read_schema(file).names == columns.split() for file in files)
    (row, *_) = pq.read_table(files[0]).to_pylist()
    assert (row["resolution"], row["format"], row["mode"]) == ([8, 8], "PNG", "RGB")
    assert (exported["webdataset"] / "train-00000-of-00005.tar").is_file()
    assert {path.name for path in (exported["folders"] / "train").iterdir()} <= {folder_of(one) for one in IDS}


def test_reals_lie_beside_the_generators_as_their_share_of_the_fakes(exported):
    for folder in exported["folders"].glob("*/*/"):
        assert len(list((folder / "real").iterdir())) == len(list((folder / "fake").iterdir()))


def test_the_folders_by_themselves_tell_the_generator_and_the_class(exported):
    entries = list(LaidOut(str(exported["folders"] / "train"), "set", LAYOUTS["reference"]).entries())
    told = {(row["label"], row["generator_id"]) for row in entries if row["label"]}
    listed = [json.loads(line) for line in (exported["folders"] / "images.jsonl").read_text().splitlines()]
    assert told == {
        (1, generator_of(row["generator"])) for row in listed if row["split"] == "train" and row["label"]
    }
    assert {entry["label"] for entry in entries} == {0, 1}


def test_the_card_says_what_there_is_and_takes_no_word_for_markup(root, exported):
    build = snapshot.read(root, TRAINING_SETS).filter(name="mine").row(0, named=True)
    for format_, folder in exported.items():
        _, front, text = (folder / "README.md").read_text().split("---\n", 2)
        files = yaml.safe_load(front)["configs"][0]["data_files"]
        assert [one["split"] for one in files] == ["train", "val", "test"]
        assert all(list(folder.glob(one["path"])) for one in files)
        assert build["id_checksum"] in text and f"{SETS[format_]}@1" in text and "licence" in text
        assert all(f"| `{one}` |" in text for one in (*IDS, *SOURCES, "cc0")) and "| unknown |" in text
        assert r"`'\|<b>`" in text and "audit" in text and "size      train" in text
        assert f"--source {FORMATS[format_](folder)[1]}" in text
        assert ("byte for byte" in text) == (SETS[format_] == "mine") == ("encoded anew as JPEG" not in text)


def test_an_export_goes_on_where_it_was_stopped_and_again_writes_nothing(root, exported, capsys):
    folder = exported["webdataset"]
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    (folder / "val-00000-of-00002.tar").rename(folder / ".val-00000-of-00002.tar.1.tmp")
    assert run(root, "webdataset", folder) == 0
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert run(root, "folders", exported["folders"]) == 0
    first, second = (line for line in capsys.readouterr().out.splitlines() if line.startswith("export: "))
    assert " = 7 new + 0 rejected + 53 already there; mine@1 in " in first
    assert " = 0 new + 0 rejected + 60 already there" in second


def test_a_set_with_images_of_a_withdrawn_generator_is_not_exported(root, tmp_path):
    copy = str(shutil.copytree(root, tmp_path / "copy"))
    snapshot.append(copy, WITHDRAWALS, [{"generator_id": IDS[0]}])
    with pytest.raises(
        NothingUsable, match=rf"anew@1 holds images of generators that were withdrawn \({IDS[0]}\)"
    ):
        run(copy, "released", tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_a_folder_that_holds_something_else_is_refused(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"mine")
    with pytest.raises(ConfigError, match="holds other files"):
        claim(tmp_path / "photos", {"training_set": "mine@1"})
    claim(tmp_path / "new", {"training_set": "mine@1"})
    claim(tmp_path / "new", {"training_set": "mine@1"})
    with pytest.raises(ConfigError, match="holds another export"):
        claim(tmp_path / "new", {"training_set": "mine@2"})
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["a.jpg"]
    with pytest.raises(ConfigError, match="cannot be used"):
        claim(tmp_path / "photos" / "a.jpg", {})


def test_shards_hold_every_position_once():
    shards = cut({"train": 15, "val": 7, "test": 1}, 7)
    assert [(shard.name, shard.rows) for shard in shards] == [
        ("train-00000-of-00003", 7),
        ("train-00001-of-00003", 7),
        ("train-00002-of-00003", 1),
        ("val-00000-of-00001", 7),
        ("test-00000-of-00001", 1),
    ]
    assert [shard.first for shard in shards] == [0, 7, 14, 0, 0]


@pytest.mark.parametrize(
    "one", [*IDS, "plain", "..", ".hidden", "n/a", "none", "100%", "a/b/c", "manual:", ":x", "İ"]
)
def test_an_id_is_found_again_by_its_name_its_folder_and_its_released_name(one):
    assert generator_of(name_of(one)) == one
    folder = folder_of(one)
    assert generator_of(unquote(folder)) == one
    assert "/" not in folder and not folder.startswith(".")
    for subset, architecture in (("Systematic", "LatDiff"), ("Manual", None), ("Commercial", "Commercial")):
        assert generator_named(model_name(one, subset, architecture), subset, architecture)[0] == one


def test_released_names_are_bare_where_they_lead_back():
    assert model_name("manual:StyleGAN2", "Manual", "GAN") == "StyleGAN2"
    assert model_name("commercial:dalle3", "Commercial", None) == "dalle3"
    assert model_name("imported:dalle3", "Imported", None) == "imported:dalle3"
    assert data_set("LAION") == "LAION"


@pytest.mark.parametrize("source", ["LAION", "coco", "my photos", "N/A", ":x"])
def test_a_data_set_is_found_again_by_its_released_name(source):
    assert real_named(data_set(source)) == source


def test_the_longest_names_fit_into_a_file_system():
    assert len(folder_of("ü" * 200).encode()) <= 255
