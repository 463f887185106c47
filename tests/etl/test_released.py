"""Parquet in the schema of the released Community Forensics, with each quirk of its parts."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etl.errors import NothingUsable
from etl.images.decoding import Refused
from etl.images.sources import Found, Released

FAKE = {"label": 1, "subset": "Systematic", "split": "train", "real_source": "LAION", "model_name": "org/model"}
REAL = {"label": 0, "subset": "Real", "split": "train", "real_source": "N/A", "model_name": "coco"}
BOOLEAN = pa.bool_()
TYPES = {"image_data": pa.binary(), "label": pa.int64(), "resolution": pa.list_(pa.int64())}


def write(path, rows, flag=BOOLEAN, architecture=False, group=2):
    """Write rows as one part of the release: `flag` is the type of nsfw_flag."""
    names = (
        "image_name format resolution mode image_data model_name nsfw_flag prompt real_source subset split label"
    )
    types = TYPES | {"nsfw_flag": flag}
    schema = [(name, types.get(name, pa.string())) for name in names.split()]
    schema += [("architecture", pa.string())] if architecture else []
    known = {"format": "PNG", "resolution": [8, 8], "mode": "RGB", "image_data": b"x"}
    full = [{"image_name": f"{number}.png"} | known | row for number, row in enumerate(rows)]
    pq.write_table(pa.Table.from_pylist(full, schema=pa.schema(schema)), path, row_group_size=group)
    return str(path)


def items(source):
    """Return what the source says of each image, as the job asks it: survey first."""
    list(source.survey())
    return [item for entry in source.entries() for item in source.open(entry)]


def one(path, row, **options):
    return items(Released(write(path / "a.parquet", [row], **options), "set"))[0][0]


@pytest.mark.parametrize(
    ("row", "generator", "architecture"),
    [
        ({}, "org/model", None),
        ({"architecture": "LatDiff"}, "org/model", "LatDiff"),
        ({"model_name": "ProGAN", "subset": "Manual"}, "manual:ProGAN", "GAN"),
        ({"model_name": "SomethingNew", "subset": "Manual"}, "manual:SomethingNew", None),
        ({"model_name": "dalle3", "subset": "Commercial"}, "commercial:dalle3", "Commercial"),
        ({"model_name": "dalle4", "architecture": "Commercial"}, "commercial:dalle4", "Commercial"),
        ({"model_name": "dalle3", "subset": "PublicEval"}, "commercial:dalle3", "Commercial"),
        ({"model_name": "stable-cascade", "architecture": "other"}, "imported:stable-cascade", "Other"),
        ({"model_name": "galip", "subset": "PublicEval"}, "imported:galip", None),
    ],
)
def test_a_fake_has_the_generator_of_its_part(tmp_path, row, generator, architecture):
    known = one(tmp_path, FAKE | row, architecture=True)
    assert (known["label"], known["generator_id"], known["architecture"]) == (1, generator, architecture)
    assert (known["real_source"], known["split"]) == ("LAION", "train")


@pytest.mark.parametrize(
    ("name", "real_source"),
    [
        ("coco", "COCO"),
        ("Landscapes_HQ", "LandscapesHQ"),
        ("LHQ", "LandscapesHQ"),
        ("Vision", "VISION"),
        ("mine", "mine"),
    ],
)
def test_a_real_of_small_is_of_the_data_set_that_its_model_name_is(tmp_path, name, real_source):
    known = one(tmp_path, REAL | {"model_name": name, "architecture": "Real"}, architecture=True, flag=pa.string())
    assert (known["label"], known["real_source"], known.get("pairs")) == (0, real_source, None)
    assert known.get("generator_id") is None and known.get("architecture") is None


def test_a_real_of_eval_stands_beside_the_generator_that_it_names(tmp_path):
    """Also where only the fakes tell the generator's kind."""
    rows = [
        REAL | {"model_name": "newvendor", "real_source": "coco", "subset": "CompEval"},
        REAL | {"model_name": "dalle3", "real_source": "RAISE", "subset": "CompEval"},
        FAKE | {"model_name": "newvendor", "architecture": "Commercial", "subset": "CompEval"},
    ]
    path = write(tmp_path / "a.parquet", rows, flag=pa.string(), architecture=True)
    first, second, _ = (known for known, _ in items(Released(path, "set")))
    assert (first["real_source"], first["pairs"]) == ("COCO", ["commercial:newvendor"])
    assert (second["real_source"], second["pairs"]) == ("RAISE", ["commercial:dalle3"])


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        (pa.bool_(), True, True),
        (pa.bool_(), False, False),
        (pa.bool_(), None, None),
        (pa.string(), "True", True),
        (pa.string(), "false", False),
        (pa.string(), "N/A", None),
    ],
)
def test_nsfw_is_a_boolean_or_a_word(tmp_path, type_, value, expected):
    assert one(tmp_path, FAKE | {"nsfw_flag": value}, flag=type_)["nsfw"] is expected


def test_no_prompt_is_none(tmp_path):
    assert one(tmp_path, FAKE | {"prompt": "N/A"})["prompt"] is None
    assert one(tmp_path, FAKE | {"prompt": "goula memo lotto"})["prompt"] == "goula memo lotto"


@pytest.mark.parametrize("row", [{"label": 2}, {"label": None}, {"model_name": None}, {"model_name": "N/A"}])
def test_a_row_without_class_or_maker_is_refused(tmp_path, row):
    assert one(tmp_path, FAKE | row)["code"] == "UNLABELLED"


def test_every_row_has_a_key_of_its_own_and_its_bytes(tmp_path):
    rows = [FAKE | {"image_name": "same.png", "image_data": bytes([n])} for n in range(5)]
    (tmp_path / "deep").mkdir()
    write(tmp_path / "deep" / "a.parquet", rows, group=2)
    source = Released(str(tmp_path), "set")
    assert [entry["rows"] for entry in source.entries()] == [2, 2, 1]
    found = {known["key"]: content for known, content in items(source)}
    assert found == {f"deep/a.parquet#{n}:same.png": bytes([n]) for n in range(5)}


def test_the_survey_counts_without_reading_images(tmp_path, monkeypatch):
    write(tmp_path / "a.parquet", [FAKE, FAKE, REAL], group=2)
    write(tmp_path / "b.parquet", [FAKE | {"split": "test"}], architecture=True, flag=pa.string())
    source = Released(str(tmp_path), "set")
    read = []
    once = pq.ParquetFile.read_row_group
    monkeypatch.setattr(
        pq.ParquetFile,
        "read_row_group",
        lambda file, n, columns: read.extend(columns) or once(file, n, columns=columns),
    )
    assert dict(source.survey()) == {
        Found(1, "org/model", "LAION", "train"): 2,
        Found(0, None, "COCO", "train"): 1,
        Found(1, "org/model", "LAION", "test"): 1,
    }
    assert "image_data" not in read


def test_files_that_are_none_of_the_release_are_one_refused_row_each(tmp_path):
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and no more")
    (tmp_path / "empty.parquet").write_bytes(b"")
    pq.write_table(pa.table({"image_data": pa.array([b"x"]), "label": pa.array([1])}), tmp_path / "lacks.parquet")
    text = pa.table({"image_data": pa.array(["x"]), "label": pa.array([1]), "model_name": pa.array(["a"])})
    pq.write_table(text, tmp_path / "text.parquet")
    entries = list(Released(str(tmp_path), "set").entries())
    assert [entry["code"] for entry in entries] == ["BAD_FILE"] * 4
    assert "lacks the column model_name" in entries[2]["detail"] and "of type string" in entries[3]["detail"]


def test_damage_within_a_file_costs_the_rows_that_it_hits(tmp_path):
    rows = [FAKE | {"image_data": bytes([n]) * 50_000} for n in range(4)]
    path = write(tmp_path / "a.parquet", rows, group=2)
    source = Released(path, "set")
    list(source.survey())
    entries = list(source.entries())
    where = pq.ParquetFile(path).metadata.row_group(0).column(4).data_page_offset
    with open(path, "r+b") as file:
        file.seek(where)
        file.write(b"\xff" * 64)
    outcomes = [content for entry in entries for _, content in source.open(entry)]
    assert len(outcomes) == 4 and all(isinstance(content, Refused) for content in outcomes[:2])
    assert outcomes[2:] == [bytes([2]) * 50_000, bytes([3]) * 50_000]


def test_a_null_image_is_refused(tmp_path):
    path = write(tmp_path / "a.parquet", [FAKE | {"image_data": None}])
    ((_, content),) = items(Released(path, "set"))
    assert content.code == "UNREADABLE"


def test_no_parquet_file_is_nothing_usable(tmp_path):
    with pytest.raises(NothingUsable, match=r"holds no file that ends in \.parquet"):
        list(Released(str(tmp_path), "set").survey())
