"""Every page in a real browser while the lake under its server is exchanged or lacks tables, rows or files."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from explorer.pages import places
from tests.explorer.conftest import Served, serving
from tests.explorer.test_explorer_in_a_browser import BOXES, IDLE, browser, tab, visit  # noqa: F401
from tests.explorer.test_page_states import lake_without_rows, other_lake  # noqa: F401

pytestmark = pytest.mark.browser
ERRORS = '[data-testid="stException"], [data-testid="stAlertContentError"]'
LACKING = ("gold_images", "generators", "predictions", "gold_models", "image_features", "experiment_units")


def lay(root: Path, lake: str | Path, but: tuple[str, ...] = ()) -> None:
    """Let the served lake be another one."""
    for table in root.iterdir():
        table.unlink()
    for table in Path(lake).iterdir():
        if table.name not in but and not table.name.startswith("."):
            os.symlink(table, root / table.name)


@pytest.fixture(scope="module")
def changing(complete_lake: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Path]]:
    """A server, and the folder of its lake, whose tables can be exchanged under it."""
    folder = tmp_path_factory.mktemp("changing")
    root = folder / "lake"
    root.mkdir()
    lay(root, complete_lake)
    with serving(str(root), folder) as served:
        yield served, root


def every_page(tab: Page, served: Served) -> Iterator[str]:  # noqa: F811
    """Go to each page in turn, as a person does who looks around; give its title once it is drawn."""
    visit(tab, served.url)
    for place in places():
        tab.get_by_test_id("stSidebarNav").get_by_role("link", name=place.title, exact=True).click()
        title = "Forensics Lake" if place.name == "overview" else place.title
        tab.get_by_role("heading", name=title, exact=True).wait_for()
        tab.wait_for_selector(IDLE)
        yield place.title


def broken(tab: Page, boxes: str = BOXES) -> int:  # noqa: F811
    return tab.locator(boxes).count()


def test_a_whole_lake_breaks_no_page(changing, complete_lake, tab):  # noqa: F811
    served, root = changing
    lay(root, complete_lake)
    assert [title for title in every_page(tab, served) if broken(tab)] == []


def test_missing_tables_break_no_page(changing, complete_lake, tab):  # noqa: F811
    served, root = changing
    lay(root, complete_lake, but=LACKING)
    assert [title for title in every_page(tab, served) if broken(tab)] == []


def test_tables_that_are_replaced_while_a_page_is_open_break_none(
    changing,
    complete_lake,
    other_lake,  # noqa: F811
    tab,  # noqa: F811
):
    served, root = changing
    lay(root, complete_lake)
    wrong = []
    for number, title in enumerate(every_page(tab, served)):
        lay(root, other_lake if number % 2 == 0 else complete_lake)
        tab.keyboard.press("r")
        tab.wait_for_timeout(150)
        tab.wait_for_selector(IDLE)
        if broken(tab):
            wrong.append(title)
    assert wrong == []


def test_vacuumed_tables_break_no_page_and_the_overview_says_so(changing, complete_lake, tab, tmp_path):  # noqa: F811
    served, root = changing
    gone = tmp_path / "gone"
    shutil.copytree(complete_lake, gone)
    for file in gone.rglob("*.parquet"):
        if "_delta_log" not in file.parts:
            file.unlink()
    for commit in gone.rglob("*.json"):  # or it would be the lake of before, of which answers are kept
        commit.touch()
    lay(root, gone)
    assert [title for title in every_page(tab, served) if broken(tab, ERRORS)] == []
    tab.get_by_test_id("stSidebarNav").get_by_role("link", name="Overview", exact=True).click()
    tab.get_by_text("vacuumed meanwhile").wait_for()


def test_tables_without_rows_break_no_page(changing, lake_without_rows, tab):  # noqa: F811
    served, root = changing
    lay(root, lake_without_rows)
    assert [title for title in every_page(tab, served) if broken(tab)] == []
