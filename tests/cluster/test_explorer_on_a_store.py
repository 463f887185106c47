"""The explorer over a lake in an object store shows what it shows over the same lake in a folder."""

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from etl.lake import snapshot, storage
from etl.lake.schemas import IMAGES
from explorer import database, reading
from tests.cluster.servers import BUCKET
from tests.explorer.conftest import full_lake
from tests.explorer.test_explorer_pages import PAGES, opened, shown

__all__ = ["full_lake"]


@pytest.fixture(scope="module")
def uploaded(full_lake, store) -> str:
    """The same lake in the object store."""
    with pytest.MonkeyPatch.context() as patch:
        for key, value in store[1].items():
            patch.setenv(key, value)
        for file in Path(full_lake).rglob("*"):
            if file.is_file():
                name = str(file.relative_to(full_lake))
                storage.client().upload_file(str(file), BUCKET, f"explored/{name}")
    return f"s3a://{BUCKET}/explored"


@pytest.fixture
def remote(uploaded, store, monkeypatch) -> str:
    for key, value in store[1].items():
        monkeypatch.setenv(key, value)
    return uploaded


def figures(app: AppTest) -> list[Any]:
    """Everything that a page says in words, numbers and tables."""
    tables = [frame.value.to_dict("list") for frame in app.dataframe]
    return [*shown(app), *[(metric.label, metric.value) for metric in app.metric], *map(str, tables)]


def without(root: str, figure: Any) -> str:
    return str(figure).replace("\\", "").replace(root, "LAKE")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_shows_the_same_over_a_store_as_over_a_folder(name, remote, full_lake, monkeypatch):
    here, there = opened(monkeypatch, full_lake, name), opened(monkeypatch, remote, name)
    assert not there.exception and not there.error
    over = [without(remote, figure) for figure in figures(there)]
    assert over == [without(full_lake, figure) for figure in figures(here)]
    assert over


def test_a_locked_database_reads_the_lake_s_files_of_the_store_and_no_other(remote):
    connection = database.locked(reading.take(remote, IMAGES))
    count = connection.execute("select count(*) from images").fetchone()
    assert count == (snapshot.read(remote, IMAGES, columns=["image_id"]).height,)
    for other in ("models/*.parquet", "images/_delta_log/*.json"):
        with pytest.raises(Exception, match="disabled by configuration"):
            connection.execute(f"select * from read_text('{remote.replace('s3a', 's3')}/{other}')").fetchall()


def test_a_table_that_was_made_anew_begins_at_its_own_version(remote):
    assert reading.newest_commit(remote, IMAGES)[0] == snapshot.current_version(remote, IMAGES)
    reading._newest[remote, IMAGES.name] = 40  # as seen before the table was deleted and made anew
    assert reading.newest_commit(remote, IMAGES)[0] == snapshot.current_version(remote, IMAGES)
