"""What every page of the explorer stands on: versions, questions, filters in the address, downloads."""

import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from etl.errors import LakeMissing, VersionGone
from etl.lake import schemas, snapshot
from explorer import database, downloads, picker, reading
from explorer.query import among, at_least, equals, holds, query

HOSTILE = [
    "<script>alert(1)</script>",
    "**bold** [x](http://192.0.2.1)",
    "' OR 1=1 --",
    '"; drop table images; --',
    "%",
    "_",
    "100%s %(x)s {0} $p1 ?",
    "../../etc/passwd",
    "\u202eevil",
    "\x00",
    "\\",
    "🦄",
    "x" * 10_000,
]


def row(name: str, **more: object) -> dict[str, object]:
    return {"generator_id": name, "name": name, "eligible": True} | more


@pytest.fixture
def two_versions(tmp_path: Path) -> str:
    root = str(tmp_path)
    snapshot.append(root, schemas.GENERATORS, [row("a/a")])
    snapshot.append(root, schemas.GENERATORS, [row("b/b")])
    return root


def names(root: str, **when: object) -> list[str]:
    lake = reading.take(root, schemas.GENERATORS, **when)  # type: ignore[arg-type]
    return database.rows(lake, query("select generator_id from generators order by 1"))["generator_id"].to_list()


def test_a_table_is_read_at_its_newest_version_or_at_one_that_is_pinned(two_versions):
    assert names(two_versions) == ["a/a", "b/b"]
    assert names(two_versions, pins={"generators": 1}) == ["a/a"]
    assert names(two_versions, pins={"generators": 0}) == []


@pytest.mark.parametrize("version", [-1, 3, 10**9])
def test_a_version_that_a_table_does_not_have_is_refused(two_versions, version):
    with pytest.raises(LakeMissing, match="has no version"):
        names(two_versions, pins={"generators": version})


def test_a_table_is_read_as_it_was_at_a_time(two_versions):
    lake = reading.take(two_versions, schemas.GENERATORS)
    _, newest, stamp = lake.versions[0]
    commits = dict(reading.commits(two_versions, schemas.GENERATORS, newest, stamp))
    assert names(two_versions, as_of=commits[1]) == ["a/a"]
    before = reading.take(two_versions, schemas.GENERATORS, as_of=datetime(2020, 1, 1, tzinfo=UTC))
    assert not before.has(schemas.GENERATORS)


def test_a_table_made_anew_at_the_same_version_is_not_taken_for_the_old_one(tmp_path):
    root = str(tmp_path)
    snapshot.append(root, schemas.GENERATORS, [row("a/a")])
    old = reading.take(root, schemas.GENERATORS)
    assert names(root) == ["a/a"]
    shutil.rmtree(tmp_path / "generators")
    time.sleep(0.01)
    snapshot.append(root, schemas.GENERATORS, [row("b/b")])
    new = reading.take(root, schemas.GENERATORS)
    assert names(root) == ["b/b"]
    assert picker.moved(old, new) == ["generators (1 → 1)"]


def test_a_table_of_an_older_lake_that_lacks_columns_has_nulls_there(tmp_path):
    import deltalake

    deltalake.write_deltalake(str(tmp_path / "generators"), pl.DataFrame({"generator_id": ["a/a"]}).to_arrow())
    lake = reading.take(str(tmp_path), schemas.GENERATORS)
    found = database.rows(lake, query("select generator_id, downloads from generators"))
    assert found.rows() == [("a/a", None)]


def test_a_table_that_is_not_there_has_the_declared_columns_and_no_rows(tmp_path):
    lake = reading.take(str(tmp_path), schemas.MODELS, schemas.IMAGE_FEATURES)
    assert database.rows(lake, query("select * from models")).columns == schemas.MODELS.columns
    assert database.rows(lake, query("select count(*) from image_features")).item() == 0


def test_files_that_are_gone_are_said_to_be(two_versions):
    lake = reading.take(two_versions, schemas.GENERATORS)
    for file in Path(two_versions, "generators").glob("*.parquet"):
        file.unlink()
    with pytest.raises(VersionGone, match="vacuumed"):
        database.rows(lake, query("select * from generators"))


@pytest.mark.parametrize("text", HOSTILE)
def test_words_of_a_filter_are_taken_literally_and_shown_so(two_versions, text):
    lake = reading.take(two_versions, schemas.GENERATORS)
    asked = query("select generator_id from generators {where}", [holds(("generator_id", "name"), text)])
    assert database.rows(lake, asked).is_empty()
    if "\x00" not in text:
        again = query(asked.shown)
        assert database.rows(lake, again).is_empty()


def test_words_that_are_there_are_found_whatever_they_hold(tmp_path):
    texts = [text for text in HOSTILE if "\x00" not in text]
    snapshot.append(str(tmp_path), schemas.GENERATORS, [row(text) for text in texts])
    lake = reading.take(str(tmp_path), schemas.GENERATORS)
    for text in texts:
        asked = query("select name from generators {where}", [equals("name", text)])
        assert database.rows(lake, asked)["name"].to_list() == [text]
        assert database.rows(lake, query(asked.shown))["name"].to_list() == [text]


def test_conditions_that_ask_for_nothing_leave_no_trace():
    assert query("select 1 {where}", [equals("a", None), among("b", []), holds(("c",), "")]).shown == "select 1"
    shown = query("select * from x {where}", [among("f", ["a'b"]), at_least("n", 3)]).shown
    assert shown == "select * from x where list_contains(['a''b'], f) and n >= 3"


@pytest.mark.parametrize("sql", ["from read_text('/etc/hostname')", "from '/etc/hosts.csv'", "from glob('/*')"])
def test_the_locked_database_reads_no_other_file(two_versions, sql):
    connection = database.locked(reading.take(two_versions, schemas.GENERATORS))
    assert connection.execute("select count(*) from generators").fetchall() == [(2,)]
    with pytest.raises(Exception, match="disabled by configuration"):
        connection.execute(sql).fetchall()


@pytest.mark.parametrize(
    ("as_of", "pin"),
    [
        ("yesterday", None),
        ("9999-99-99", None),
        (None, "images"),
        (None, "../x@1"),
        (None, "images@-1"),
        (None, "images@99999999999"),
        ("x" * 10_000, "x" * 10_000),
    ],
)
def test_an_address_with_a_version_that_cannot_be_read_is_refused_in_words(as_of, pin):
    choice, refused = picker.read(as_of, pin)
    assert choice == picker.Choice() and refused


def test_a_time_and_versions_are_read_from_the_address():
    choice, refused = picker.read("2026-03-01T12:00:00", "images@3,generators@1")
    assert choice.as_of == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert choice.pins == (("images", 3), ("generators", 1)) and not refused


def test_a_csv_holds_lists_as_text_no_bytes_and_no_formula():
    rows = pl.DataFrame({"a": ["=1+1", "b"], "n": [[1], [2]], "x": [b"1", b"2"]})
    assert downloads.csv(rows) == b"a,n\n'=1+1,[1]\nb,[2]\n"


def a_page_with_filters() -> None:
    import streamlit as st

    from explorer import filters

    filters.choice("Family", ["SDXL", "Flux | 100%", "<b>"], "family")
    filters.several("Formats", ["PNG", "JPEG"], "formats")
    filters.one_of("Show", {"All": None, "Fake": 1}, "show")
    filters.words("Prompt", "prompt")
    filters.switch("NSFW", "nsfw")
    filters.number("Width", 1, 4096, "width")
    filters.turn(100, 10)
    st.text(str(filters.named("id")))


def with_address(**address: str) -> AppTest:
    app = AppTest.from_function(a_page_with_filters)
    for key, value in address.items():
        app.query_params[key] = value
    return app.run()


def test_filters_take_their_values_from_the_address():
    app = with_address(
        family="Flux | 100%",
        formats="PNG|JPEG",
        show="Fake",
        prompt="a cat",
        nsfw="true",
        width="512",
        page="3",
        id="x",
    )
    assert not app.exception and not app.warning
    assert app.selectbox[0].value == "Flux | 100%"
    assert app.multiselect[0].value == ["PNG", "JPEG"]
    assert app.text_input[0].value == "a cat"
    assert app.toggle[0].value is True
    assert app.number_input[0].value == 512
    assert app.query_params["page"] == "3"


def test_filters_write_their_values_to_the_address_and_take_defaults_out():
    app = with_address()
    app.selectbox[0].select("<b>").run()
    app.text_input[0].input("100% of 'x'").run()
    assert app.query_params == {"family": "<b>", "prompt": "100% of 'x'"}
    app.text_input[0].input("").run()
    assert app.query_params == {"family": "<b>"}


@pytest.mark.parametrize("text", [*HOSTILE, "-1", "1e9", "1000000000", "0", "²", " "])
def test_an_address_that_asks_for_what_is_not_there_is_refused_in_words(text):
    keys = ["family", "formats", "show", "nsfw", "width", "page"]
    app = with_address(**dict.fromkeys(keys, text))
    assert not app.exception
    assert len(app.warning) == len(keys)
    assert all("was not followed" in warning.value and len(warning.value) < 400 for warning in app.warning)
    assert not set(keys) & set(app.query_params)
