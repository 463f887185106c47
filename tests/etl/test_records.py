"""From a listing record's JSON to a row of `models`, and what is refused on the way."""

import json
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import Row, SparkSession

from etl.lake.schemas import HUB_RECORDS
from etl.models import history, records, refusals
from etl.models.names import is_safe_id

SHA = "a" * 40
SEEN = datetime(2026, 11, 1, tzinfo=UTC)
INDEX = '{"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}'


def record(**changes: Any) -> dict[str, Any]:
    """A plain record of the listing; a value of ... takes the field out."""
    fields: dict[str, Any] = {
        "_id": "0123",
        "id": "lab/model",
        "author": "lab",
        "sha": SHA,
        "createdAt": "2024-05-06T07:08:09.000Z",
        "lastModified": "2024-06-07T08:09:10.000Z",
        "gated": False,
        "disabled": False,
        "downloads": 12,
        "likes": 3,
        "library_name": "diffusers",
        "pipeline_tag": "text-to-image",
        "tags": ["diffusers", "license:MIT", "base_model:finetune:lab/base", "diffusers:FluxPipeline"],
        "siblings": [{"rfilename": "model_index.json"}, {"rfilename": "unet/w.safetensors"}],
        "cardData": {"license": "mit"},
    } | changes
    return {key: value for key, value in fields.items() if value is not ...}


def detail(info: dict[str, Any], outcome: str = "OK", model_index: str | None = INDEX) -> str:
    return json.dumps({"outcome": outcome, "info": info, "model_index": model_index})


def parse_all(spark: SparkSession, *landed: tuple[Any, str | None]) -> dict[str, Row]:
    """Parse (record, detail) pairs; return the parsed rows by the id under which the listing shows them."""
    rows = [
        ("c", said["id"], 0, place, json.dumps(said), about, SEEN) for place, (said, about) in enumerate(landed)
    ]
    parsed = records.parse(spark.createDataFrame(rows, HUB_RECORDS.schema))
    return {row["listed_id"]: row for row in parsed.collect()}


def test_a_plain_record_becomes_a_row(spark: SparkSession) -> None:
    row = parse_all(spark, (record(), None))["lab/model"]
    assert row["code"] is None
    assert (row["model_id"], row["revision"], row["hub_id"]) == ("lab/model", SHA, "0123")
    assert (row["licence"], row["gated"], row["disabled"], row["nsfw"]) == ("mit", "no", False, False)
    assert (row["downloads"], row["likes"]) == (12, 3)
    assert row["created_at"] == datetime(2024, 5, 6, 7, 8, 9)
    assert row["pipeline_class"] == "FluxPipeline"
    assert row["base_models"] == [Row(model_id="lab/base", relation="finetune")]
    assert row["weight_bytes"] is None
    assert not row["detailed"]


def test_details_bring_sizes_hashes_and_the_class_that_the_index_names(spark: SparkSession) -> None:
    files = [
        {"rfilename": "unet/w.safetensors", "size": 7, "lfs": {"sha256": "f" * 64}},
        {"rfilename": "model_index.json", "size": 90},
        {"rfilename": "vae/W.BIN", "size": 5, "lfs": {"sha256": "e" * 64}},
    ]
    row = parse_all(spark, (record(), detail(record(siblings=files))))["lab/model"]
    assert [(f["path"], f["size"]) for f in row["weight_files"]] == [("unet/w.safetensors", 7), ("vae/W.BIN", 5)]
    assert row["weight_files"][0]["sha256"] == "f" * 64
    assert (row["weight_bytes"], row["pipeline_class"], row["model_index"]) == (
        12,
        "StableDiffusionPipeline",
        INDEX,
    )


def test_a_pipeline_class_that_is_not_one_name_is_none(spark: SparkSession) -> None:
    indexes = [
        '{"_class_name": ["pipeline", "Evil"]}',
        '{"_class_name": {"a": 1}}',
        '{"_class_name": "a b"}',
        "no JSON",
    ]
    landed = [record(id=f"lab/{place}") for place in range(len(indexes))]
    rows = parse_all(spark, *[(r, detail(r, model_index=index)) for r, index in zip(landed, indexes, strict=True)])
    assert {row["pipeline_class"] for row in rows.values()} == {None}
    assert {row["code"] for row in rows.values()} == {None}


def test_wrong_types_cost_the_field_and_not_the_record(spark: SparkSession) -> None:
    wrong = record(
        downloads="many",
        likes={"a": [1]},
        tags="diffusers",
        cardData=[1, 2],
        siblings=None,
        createdAt=5,
        lastModified="2999-01-01T00:00:00.000Z",
        gated="auto",
        pipeline_tag=None,
        author=...,
    )
    row = parse_all(spark, (wrong, None))["lab/model"]
    assert row["code"] is None
    for name in ("downloads", "likes", "tags", "files", "licence", "last_modified", "pipeline_tag"):
        assert row[name] is None, name
    assert (row["author"], row["gated"]) == ("lab", "auto")


def test_strange_characters_pass_as_text(spark: SparkSession) -> None:
    strange = ["<script>alert(1)</script>", "nul\x00nul", "\u202ertl", "half \ud800 pair", "x" * 5_000_000]
    row = parse_all(spark, (record(tags=strange), None))["lab/model"]
    assert row["code"] is None
    assert row["tags"][:3] == strange[:3]
    assert len(row["tags"]) == 4  # the longest stays in the record alone


UNSAFE_IDS = [
    *("lab/../x", "../x", "C:\\x", "lab/a\nb", "lab/" + "x" * 300, "a/b/c", "lab/.git", "lab/x.git", "", "lab/é"),
    *("lab/a\n", "-lab/x", "lab/x.", "/lab/x", "lab/"),
]
SAFE_IDS = ["gpt2", "lab/model", "Lab_1/model-v1.5", "0x/0.1"]


def test_an_id_that_could_name_another_place_is_refused(spark: SparkSession) -> None:
    rows = parse_all(spark, *[(record(id=model_id), None) for model_id in UNSAFE_IDS + SAFE_IDS])
    assert [i for i in UNSAFE_IDS if rows[i]["code"] != "UNSAFE_NAME"] == []
    assert [i for i in SAFE_IDS if rows[i]["code"] is not None] == []


def test_python_and_spark_agree_on_ids() -> None:
    assert [i for i in UNSAFE_IDS if is_safe_id(i)] == []
    assert [i for i in SAFE_IDS if not is_safe_id(i)] == []
    assert not is_safe_id(None)


UNSAFE_PATHS = [
    *("../x", "a/../../x", "/etc/passwd", "C:\\x", "a\\b", "a//b", "nul", "x/CON.txt", "new\nline", "\u202ex"),
    *("y" * 256, "a/.", "~/x"),
]
SAFE_PATHS = [".gitattributes", "a..b/c.json", "unet/x.y.safetensors", "console.txt", "é/ü.json"]


def test_one_unsafe_file_name_quarantines_the_repository(spark: SparkSession) -> None:
    paths = UNSAFE_PATHS + SAFE_PATHS
    files = [[{"rfilename": "model_index.json"}, {"rfilename": path}] for path in paths]
    landed = [(record(id=f"lab/{n}", siblings=siblings), None) for n, siblings in enumerate(files)]
    rows = parse_all(spark, *landed)
    codes = {path: rows[f"lab/{n}"]["code"] for n, path in enumerate(paths)}
    assert {path for path, code in codes.items() if code == "UNSAFE_NAME"} == set(UNSAFE_PATHS)


def test_names_that_differ_in_case_only_quarantine_the_repository(spark: SparkSession) -> None:
    siblings = [{"rfilename": "Model.bin"}, {"rfilename": "model.bin"}]
    row = parse_all(spark, (record(siblings=siblings), None))["lab/model"]
    assert (row["code"], row["problem"]) == ("UNSAFE_NAME", "two file names differ in case only")


def test_a_record_without_a_commit_is_refused(spark: SparkSession) -> None:
    wrong = [None, ..., "main", "A" * 40, 5]
    rows = parse_all(spark, *[(record(id=f"lab/{n}", sha=sha), None) for n, sha in enumerate(wrong)])
    assert [row["code"] for row in rows.values()] == ["BAD_RECORD"] * len(wrong)


def test_a_renamed_model_is_one_row_under_its_new_id(spark: SparkSession) -> None:
    renamed = detail(record(id="lab/new"), outcome="RENAMED")
    alone = parse_all(spark, (record(id="lab/old"), renamed))
    assert (alone["lab/old"]["model_id"], alone["lab/old"]["code"]) == ("lab/new", None)
    both = parse_all(spark, (record(id="lab/old"), renamed), (record(id="lab/new"), None))
    assert both["lab/new"]["code"] is None
    assert (both["lab/old"]["code"], both["lab/old"]["problem"]) == ("RENAMED", "now lab/new")


def test_what_happened_between_listing_and_details_is_kept(spark: SparkSession) -> None:
    nothing = {"info": None, "model_index": None}
    rows = parse_all(
        spark,
        (record(id="lab/gone"), json.dumps({"outcome": "GONE"} | nothing)),
        (record(id="lab/off"), json.dumps({"outcome": "DISABLED"} | nothing)),
        (record(id="lab/shut"), json.dumps({"outcome": "GATED"} | nothing)),
    )
    assert [rows[name]["gone"] for name in ("lab/gone", "lab/off", "lab/shut")] == [True, False, False]
    assert rows["lab/off"]["disabled"]
    assert rows["lab/shut"]["gated"] == "manual"


def test_the_licence_is_what_tags_and_card_say(spark: SparkSession) -> None:
    cases: list[tuple[dict[str, Any], str | None]] = [
        ({"tags": ["license:apache-2.0", "license:mit"]}, "apache-2.0,mit"),
        ({"tags": [], "cardData": {"license": ["MIT", "bsd"]}}, "mit,bsd"),
        ({"tags": ["license:other"], "cardData": {"license_name": "FLUX-1-dev"}}, "flux-1-dev"),
        ({"tags": [], "cardData": None}, None),
    ]
    rows = parse_all(spark, *[(record(id=f"lab/{n}", **changes), None) for n, (changes, _) in enumerate(cases)])
    assert [rows[f"lab/{n}"]["licence"] for n in range(len(cases))] == [licence for _, licence in cases]


def test_base_models_come_from_tags_and_card_each_once(spark: SparkSession) -> None:
    cases: list[tuple[list[str], Any, list[tuple[str, str | None]]]] = [
        (["base_model:a/b", "base_model:adapter:a/b"], {"base_model": "a/b"}, [("a/b", "adapter")]),
        (["base_model:a/b"], {"base_model": "a/b", "base_model_relation": "merge"}, [("a/b", "merge")]),
        (["base_model:a/b"], None, [("a/b", None)]),
        ([], {"base_model": ["a/b", "c/d"]}, [("a/b", None), ("c/d", None)]),
        (["base_model:merge:a/b", "base_model:merge:c/d"], None, [("a/b", "merge"), ("c/d", "merge")]),
        (["base_model:finetune:lab/6"], None, []),
        (["base_model:finetune:lab/6"], {"base_model": "lab/6"}, []),
        ([], None, []),
    ]
    landed = [(record(id=f"lab/{n}", tags=tags, cardData=card), None) for n, (tags, card, _) in enumerate(cases)]
    landed[5] = (record(id="lab/5", tags=["base_model:finetune:lab/5"], cardData=None), None)
    rows = parse_all(spark, *landed)
    found = [[tuple(base) for base in rows[f"lab/{n}"]["base_models"]] for n in range(len(cases))]
    assert found == [bases for _, _, bases in cases]


def test_of_an_id_on_two_pages_the_first_is_loaded(spark: SparkSession) -> None:
    pages = [
        (0, 1, 0, SEEN, "lab/a", False, False, '{"id": "lab/a", "n": 1}'),
        (1, 0, 0, SEEN, "lab/a", True, True, '{"id": "lab/a", "n": 2}'),
    ]
    loaded = records.hub_records(
        spark.createDataFrame(pages, records.PAGE_LINE), spark.createDataFrame([], records.DETAIL_LINE), "c"
    ).collect()
    assert [(row["model_id"], row["record"], row["detail"]) for row in loaded] == [("lab/a", pages[0][-1], None)]


def test_a_record_that_names_no_model_is_a_reject_with_its_place(spark: SparkSession) -> None:
    pages = [
        (0, 1, 0, SEEN, None, False, False, '{"likes": 1}'),
        (0, 2, 0, SEEN, None, False, False, None),
        (3, 0, 0, SEEN, None, False, False, '"text"'),
        (3, 1, 0, SEEN, "a/b", False, False, '{"id": "a/b"}'),
    ]
    refused = refusals.unusable(spark.createDataFrame(pages, records.PAGE_LINE), "c").collect()
    assert sorted((row["key"], row["code"]) for row in refused) == [
        ("c/page-00000/1", "BAD_RECORD"),
        ("c/page-00000/2", "BAD_RECORD"),
        ("c/page-00003/0", "BAD_RECORD"),
    ]


def test_every_column_of_models_is_filled_by_a_record_or_by_its_history(spark: SparkSession) -> None:
    parsed = records.parse(spark.createDataFrame([], HUB_RECORDS.schema))
    by_history = {"first_crawl", "first_seen", "last_seen", "is_current", "withdrawn_at"}
    assert set(history.MODELS.columns) - set(parsed.columns) == by_history
