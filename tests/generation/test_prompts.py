"""Prompts: where they come from, what is refused, which table keeps them, and who gets which."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etl.errors import ConfigError, NothingUsable
from etl.lake import snapshot
from etl.lake.schemas import IMAGES, PROMPTS
from generation.assignment import assign_prompts, prompt_id
from generation.plan import Generator, make_plan
from generation.prompt_files import MAX_ROWS, read_texts
from generation.prompts import MAX_CHARACTERS, Prompt, read_prompts, record_prompts
from generation.repository import Repository
from generation.settings import GenerateSettings

NOW = datetime(2026, 1, 2, tzinfo=UTC)
POOL = [f"prompt {i}" for i in range(20)]
SETTINGS = GenerateSettings(images_per_generator=3)
PAIR = [
    Generator("lab/a", Repository("lab/a", "1" * 40, (), None), "StableDiffusionPipeline"),
    Generator("lab/b", Repository("lab/b", "2" * 40, (), None), "StableDiffusionPipeline"),
]
UNPROMPTED = Generator("lab/aa", Repository("lab/aa", "3" * 40, (), None), "DDPMPipeline")


def texts(path: Path, column: str = "") -> list[str]:
    spec = f"{path}#{column}" if column else str(path)
    return [prompt.text for prompt in read_prompts("nowhere", spec, "http://unused")]


def asked(
    images: dict[str, int], scheme: str = "disjoint", pool=POOL, seed=1, per_prompt=1
) -> dict[str, list[str]]:
    given = assign_prompts(images, pool, scheme, seed, per_prompt)
    return {generator_id: [text for text, _ in pairs] for generator_id, pairs in given.items()}


def photo(image_id: str, prompt: str | None, label: int = 0, source: str = "photos") -> dict:
    shared = {"image_id": image_id, "label": label, "prompt": prompt, "licence": "cc0-1.0"}
    return shared | ({"real_source": source} if label == 0 else {})


# Sources


def test_captions_of_real_images_come_with_their_source_and_licence(tmp_path):
    photos = [photo("b", " a cat "), photo("a", "a cat"), photo("c", None), photo("d", "made", label=1)]
    snapshot.append(str(tmp_path), IMAGES, photos)
    assert read_prompts(str(tmp_path), None, "") == [Prompt("a cat", "lake:photos", "a", "cc0-1.0")]


def test_of_several_sources_of_a_caption_the_first_by_name_stands(tmp_path):
    snapshot.append(str(tmp_path), IMAGES, [photo("a", "a cat", source="z"), photo("b", "a cat", source="m")])
    assert [(p.source, p.key) for p in read_prompts(str(tmp_path), None, "")] == [("lake:m", "b")]


def test_a_lake_without_captions_is_nothing_usable(tmp_path):
    with pytest.raises(NothingUsable, match="name a file with --prompts"):
        read_prompts(str(tmp_path), None, "")


def test_lines_of_a_text_file_are_stripped_and_taken_once(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_bytes("\ufefftwo\r\n\r\n öne \ntwo\n".encode())
    assert read_prompts("", str(path), "") == [
        Prompt("two", "file:mine.txt", "1", None),
        Prompt("öne", "file:mine.txt", "3", None),
    ]


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_a_table_gives_the_texts_of_its_column(tmp_path, suffix):
    path = tmp_path / f"table.{suffix}"
    columns = {"id": ["x", "y"], "prompt": ["one, two", 'say "three"'], "other": ["o", None]}
    if suffix == "parquet":
        pq.write_table(pa.table(columns), path)
    elif suffix == "csv":
        path.write_text('id,prompt,other\nx,"one, two",o\ny,"say ""three""",\n')
    else:
        path.write_text('{"id":"x","prompt":"one, two","other":"o"}\n\n{"id":"y","prompt":"say \\"three\\""}\n')
    assert texts(path) == ["one, two", 'say "three"']
    assert texts(path, "other") == ["o"]
    with pytest.raises(ConfigError, match="no column 'gone'; its columns: id, prompt, other"):
        texts(path, "gone")


def test_a_jsonl_file_may_begin_with_a_blank_line(tmp_path):
    (tmp_path / "a.jsonl").write_text('\n{"id": "x", "prompt": "one"}\n')
    assert texts(tmp_path / "a.jsonl") == ["one"]


def test_a_name_that_no_disk_can_hold_is_told(tmp_path):
    with pytest.raises(ConfigError, match="File name too long"):
        texts(tmp_path / f"{'x' * 300}.txt")


def test_a_table_without_a_usual_column_asks_which(tmp_path):
    pq.write_table(pa.table({"a": ["x"], "b": ["y"], "n": [1]}), tmp_path / "two.parquet")
    with pytest.raises(
        ConfigError, match=r"which column .* name it at the end, as in '#prompt'; its columns: a, b"
    ):
        texts(tmp_path / "two.parquet")
    with pytest.raises(ConfigError, match=r"'n' .* is not text but int64"):
        texts(tmp_path / "two.parquet", "n")
    pq.write_table(
        pa.table({"a": pa.array(["x", "y"]).dictionary_encode(), "n": [1, 2]}), tmp_path / "one.parquet"
    )
    assert texts(tmp_path / "one.parquet") == ["x", "y"]


def test_a_hash_may_belong_to_the_name_of_a_file(tmp_path):
    (tmp_path / "a#b.txt").write_text("one\n")
    assert texts(tmp_path / "a#b.txt") == ["one"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"caf\xe9", "is not UTF-8 .byte 3: .* save it as UTF-8"),
        ("a.csv", b"prompt\ncaf\xe9\n", "is not UTF-8"),
        ("a.csv", b'prompt\n"open\n', "is not a .csv file that can be read"),
        ("a.jsonl", b'{"prompt": "x"}\n[1]\n', "line 2 of .* is not a JSON object"),
        ("a.jsonl", b'{"prompt": "x"}\n{"prompt": 5}\n', "'prompt' in line 2 of .* is not text but 5"),
        ("a.jsonl", b"[" * 100_000, "line 1 of .* is not a JSON object"),
        ("a.parquet", b"PAR1 no table", "is not a .parquet file that can be read"),
        ("a.json", b"[]", "is none of these"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        texts(tmp_path / name)


def test_a_missing_file_or_a_column_of_a_text_file_is_wrong_usage(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read the prompts in .*No such file"):
        texts(tmp_path / "none.txt")
    (tmp_path / "a.txt").write_text("one\n")
    with pytest.raises(ConfigError, match="leave '#prompt' out"):
        texts(tmp_path / "a.txt", "prompt")


@pytest.mark.parametrize(
    ("name", "content"), [("a.txt", ""), ("a.csv", ""), ("a.jsonl", ""), ("b.csv", "prompt\n  \n")]
)
def test_a_file_without_a_prompt_is_nothing_usable(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(NothingUsable, match=f"no prompt in .*{name}"):
        texts(tmp_path / name)


def test_a_parquet_file_of_a_few_bytes_that_claims_too_many_rows_is_refused(tmp_path):
    path = tmp_path / "bomb.parquet"
    pq.write_table(pa.table({"prompt": pa.repeat("x", MAX_ROWS + 1)}), path)
    assert path.stat().st_size < 10_000
    with pytest.raises(ConfigError, match="more than 10,000,000 rows"):
        next(read_texts(path, None, "bomb.parquet"))


def test_what_cannot_be_stored_is_dropped_and_what_is_long_is_cut_and_both_are_said(tmp_path, capsys):
    path = tmp_path / "odd.jsonl"
    odd = ["fine", "nul\0inside", "half \ud800", "x" * (MAX_CHARACTERS + 1), "y" * MAX_CHARACTERS]
    path.write_text("\n".join(json.dumps({"text": text}) for text in odd))
    assert texts(path) == ["fine", "x" * MAX_CHARACTERS, "y" * MAX_CHARACTERS]
    assert capsys.readouterr().err == (
        "prompts: 2 dropped, which hold NUL or are no Unicode text\nprompts: 1 cut to 2,000 characters\n"
    )


# The table


def test_the_table_keeps_the_prompts_that_a_plan_asks_for_once(tmp_path):
    prompts = [Prompt(text, "file:p.txt", str(row), None) for row, text in enumerate(POOL, start=1)]
    plan = make_plan(PAIR, POOL, SETTINGS)
    assert record_prompts(str(tmp_path), prompts, plan, NOW) == 5
    later = [prompt._replace(source="file:q.txt") for prompt in prompts]
    assert record_prompts(str(tmp_path), later, plan, NOW) == 0
    table = snapshot.read(str(tmp_path), PROMPTS)
    requests = [request for task in plan.tasks for request in task.requests]
    assert {(r["prompt_id"], r["text"]) for r in table.to_dicts()} == {(r.prompt_id, r.prompt) for r in requests}
    row = next(row for row in table.to_dicts() if row["text"] == "prompt 9")
    assert row == {
        "prompt_id": prompt_id("prompt 9"),
        **{"text": "prompt 9", "source": "file:p.txt", "source_key": "10", "licence": None, "first_seen": NOW},
    }


def test_a_plan_without_prompts_makes_no_table(tmp_path):
    assert record_prompts(str(tmp_path), [], make_plan([UNPROMPTED], [], SETTINGS), NOW) == 0
    assert not snapshot.exists(str(tmp_path), PROMPTS)


# Assignment


@pytest.mark.parametrize(
    ("change", "plan_id", "first", "last"),
    [
        (
            {},
            "5b61edd7e199ea2b",
            ("607e8a0f7327946e", "fd9b71068542a0cd"),
            ("83652ecad9b8d921", "69bff08501686744"),
        ),
        (
            {"prompt_assignment": "same"},
            *(
                "77f84f4b705156c4",
                ("38d77846005fe06d", "6bb2f9a23cc346cf"),
                ("e6b67849c0bb3615", "6e470f7e6889d0f5"),
            ),
        ),
        (
            {"images_per_prompt": 2, "seed": 7},
            *(
                "0e77463309428de8",
                ("83652ecad9b8d921", "d1db3af9e4971d91"),
                ("0b6a1c29bb582552", "f63b49c73927f9e0"),
            ),
        ),
        (
            {"prompt_assignment": "same", "images_per_prompt": 2},
            *(
                "4d7735f917dc2140",
                ("38d77846005fe06d", "6bb2f9a23cc346cf"),
                ("38d77846005fe06d", "b6f42fb6c66dab4d"),
            ),
        ),
    ],
)
def test_ids_are_those_of_the_first_version(change, plan_id, first, last):
    """Images that were landed then must be found again, not sampled anew."""
    plan = make_plan(PAIR, POOL, replace(SETTINGS, **change))
    requests = [request for task in plan.tasks for request in task.requests]
    found = [(request.prompt_id, request.request_id[:16]) for request in requests]
    assert plan.plan_id == f"plan-{plan_id}"  # a digest of all request ids
    assert (found[0], found[-1]) == (first, last)


def test_disjoint_prompts_are_shared_by_no_two_generators():
    found = asked({"a": 6, "b": 6, "c": 6})
    assert sorted(len(set(texts)) for texts in found.values()) == [6, 6, 6]
    assert len({text for texts in found.values() for text in texts}) == 18


def test_disjoint_prompts_of_a_generator_follow_from_the_seed_and_the_ids_alone():
    few, more = asked({"a": 2, "b": 2, "c": 2}), asked({"c": 4, "b": 0, "a": 6}, pool=POOL[::-1])
    assert more["a"][:2] == few["a"] and more["c"][:2] == few["c"] and "b" not in more
    assert asked({"a": 2, "b": 2, "c": 2}, seed=2) != few


def test_disjoint_prompts_may_have_several_images_each():
    assert assign_prompts({"a": 3, "b": 3}, POOL[:4], "disjoint", 1, 2)["a"][::2] == [
        (asked({"a": 1, "b": 1}, pool=POOL[:4])["a"][0], 0),
        (asked({"a": 1, "b": 1}, pool=POOL[:4])["a"][0], 1),
    ]


def test_too_few_prompts_to_deal_are_refused_with_both_numbers():
    settings = replace(SETTINGS, prompt_assignment="disjoint", images_per_generator=11)
    with pytest.raises(
        ConfigError, match="2 generators of up to 11 prompts each need 22 prompts, and there are 20"
    ):
        make_plan(PAIR, POOL, settings)


def test_a_generator_without_prompts_keeps_its_place_in_the_deal():
    """So that a model whose class is no longer known moves no prompt of another."""
    settings = replace(SETTINGS, prompt_assignment="disjoint")
    known = replace(UNPROMPTED, pipeline_class="StableDiffusionPipeline")
    without, with_prompts = (make_plan([*PAIR, middle], POOL, settings) for middle in (UNPROMPTED, known))
    assert without.tasks[2] == with_prompts.tasks[2] and without.tasks[0] == with_prompts.tasks[0]
