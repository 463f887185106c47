"""Every page in every state of the lake: whole, without one table, without rows, replaced, vacuumed."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from etl.lake import schemas, snapshot
from etl.lake.schemas import Table
from explorer import page, pages
from explorer.settings import ROOT_VARIABLE

PAGES = [place.name for place in pages.places()]
APP = str(Path(page.__file__).with_name("app.py"))
Open = Callable[..., AppTest]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Open:
    def open_page(root: str | Path, place: str, **query: str) -> AppTest:
        monkeypatch.setenv(ROOT_VARIABLE, str(root))
        app = AppTest.from_file(APP, default_timeout=120)
        for key, value in query.items():
            app.query_params[key] = value
        return app.run() if place == "overview" else app.switch_page(f"views/{place}.py").run()

    return open_page


def linked(lake: str, root: Path, but: tuple[str, ...] = ()) -> Path:
    """Lay the lake's tables under `root` by links, so that each can be exchanged without writing it."""
    root.mkdir(exist_ok=True)
    for table in Path(lake).iterdir():
        if table.name not in but and not table.name.startswith("."):
            os.symlink(table, root / table.name)
    return root


def named(place: str, lake: str) -> dict[str, str]:
    """Return what a page of one thing is opened with."""
    if place == "image":
        return {"id": snapshot.read(lake, schemas.IMAGES).filter(label=1)["image_id"].sort()[0]}
    return {"query": "select count(*) as n from images"} if place == "sql" else {}


def told(app: AppTest) -> list[object]:
    """Return the numbers and rows that a page shows."""
    figures = [(one.label, one.value) for one in app.metric]
    return [figures, [one.value.to_dict(as_series=False) for one in map(_polars, app.dataframe)]]


class _Rows:
    def __init__(self, value: pl.DataFrame):
        self.value = value.drop("seconds", strict=False)


def _polars(shown: object) -> _Rows:
    value = shown.value  # type: ignore[attr-defined]
    return _Rows(value if isinstance(value, pl.DataFrame) else pl.DataFrame(dict(value.items())))


@pytest.mark.parametrize("place", PAGES)
def test_a_page_of_a_whole_lake_has_neither_a_notice_nor_a_gap(opened, complete_lake, place):
    app = opened(complete_lake, place, **named(place, complete_lake))
    assert not app.exception and not app.error and not app.warning
    assert not any("There is nothing to show yet" in info.value for info in app.info)


@pytest.mark.parametrize("place", PAGES)
def test_a_page_bears_that_any_one_of_its_tables_is_missing(opened, monkeypatch, complete_lake, tmp_path, place):
    read: list[Table] = []
    look = page.look
    monkeypatch.setattr(page, "look", lambda *tables: (read.extend(tables), look(*tables))[1])
    opened(complete_lake, place, **named(place, complete_lake))
    there = [t for t in dict.fromkeys(read) if (Path(complete_lake) / t.name).exists()]
    for table in there[:: max(1, len(there) // 5)]:
        app = opened(
            linked(complete_lake, tmp_path / table.name, (table.name,)), place, **named(place, complete_lake)
        )
        assert not app.exception, table.name
        assert not app.error and not app.warning, (table.name, [one.value for one in app.warning])


@pytest.fixture(scope="session")
def lake_without_rows(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = str(tmp_path_factory.mktemp("rowless"))
    for table in schemas.TABLES:
        snapshot.create(root, table)
    return root


@pytest.mark.parametrize("place", PAGES)
def test_a_page_of_tables_without_rows_shows_no_error(opened, lake_without_rows, place):
    app = opened(lake_without_rows, place)
    assert not app.exception and not app.error and not app.warning


@pytest.fixture(scope="session")
def other_lake(complete_lake: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A lake of the same tables with fewer rows in each."""
    root = str(tmp_path_factory.mktemp("other"))
    for table in schemas.TABLES:
        if snapshot.exists(complete_lake, table):
            rows = snapshot.read(complete_lake, table)
            kept = rows.filter(pl.int_range(pl.len()) % 3 != 1) if rows.height > 12 else rows
            snapshot.append(root, table, kept.to_dicts())
    shutil.copytree(Path(complete_lake) / "training_rows", Path(root) / "training_rows")
    return root


@pytest.mark.parametrize("place", PAGES)
def test_a_page_whose_tables_are_replaced_while_it_is_open_shows_what_a_new_one_would(
    opened, complete_lake, other_lake, tmp_path, place
):
    root = linked(complete_lake, tmp_path / "lake")
    app = opened(root, place, **named(place, other_lake))
    for table in root.iterdir():
        table.unlink()
    linked(other_lake, root)
    app.run()
    assert not app.exception and not app.error
    fresh = opened(root, place, **named(place, other_lake))
    assert told(app) == told(fresh)


@pytest.mark.parametrize("place", PAGES)
def test_a_page_of_vacuumed_tables_says_so_and_shows_no_number_of_them(opened, complete_lake, tmp_path, place):
    root = tmp_path / "lake"
    shutil.copytree(complete_lake, root)
    for file in root.rglob("*.parquet"):
        if "_delta_log" not in file.parts:
            file.unlink()
    app = opened(root, place, **named(place, complete_lake))
    assert not app.exception and not app.error
    said = [one.value for one in (*app.warning, *app.info, *app.text)]
    assert any("vacuumed" in one or "The lake changed" in one or "No such file" in one for one in said)
    assert not app.metric
