"""The demo end to end at its smallest size: what it leaves, that a rerun adds nothing, that kills cost nothing."""

import os
import re
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

import explorer
from etl.lake import snapshot
from etl.lake.schemas import (
    EVALUATIONS,
    GENERATION_ATTEMPTS,
    GENERATORS,
    GOLD_COUNTS,
    GOLD_DIVERSITY,
    GOLD_GENERATOR_CARDS,
    IMAGES,
    MODELS,
    PREDICTIONS,
    REJECTS,
    TABLES,
    training_rows,
)
from explorer.settings import ROOT_VARIABLE
from generation.demo_hub.table import DEMO_REPOSITORIES
from tests.explorer.conftest import serving
from tests.explorer.test_explorer_in_a_browser import BOXES, browser, tab, visit  # noqa: F401
from tests.flow.commands import BIN, SMALLEST, TINY_TABLES, clean_environment, forensics, new_lake

pytestmark = pytest.mark.timeout(900)
ROWS = training_rows("demo")


def ids(root: Path) -> set[str]:
    return set(snapshot.read(str(root), IMAGES, columns=["image_id"])["image_id"])


def test_every_table_that_the_explorer_shows_has_rows(demo_lake):
    for table in (IMAGES, ROWS, PREDICTIONS, EVALUATIONS, GOLD_COUNTS, GOLD_DIVERSITY, GOLD_GENERATOR_CARDS):
        assert snapshot.scan(str(demo_lake), table).select(pl.len()).collect().item() > 0, table.name


def test_every_good_generator_gave_its_images(demo_lake):
    fakes = snapshot.read(str(demo_lake), IMAGES, columns=["generator_id", "label"]).filter(pl.col("label") == 1)
    made = Counter(fakes["generator_id"])
    good = {r.id for r in DEMO_REPOSITORIES if r.expected is None}
    assert set(made) == good
    assert set(made.values()) == {3}


def test_every_hostile_repository_has_a_row_with_its_code(demo_lake):
    generators = snapshot.read(str(demo_lake), GENERATORS)
    attempts = snapshot.read(str(demo_lake), GENERATION_ATTEMPTS)
    codes = dict(generators.select("generator_id", "reason").iter_rows())
    codes |= dict(attempts.filter(pl.col("code") != "OK").select("generator_id", "code").iter_rows())
    codes |= dict(snapshot.read(str(demo_lake), REJECTS).select("key", "code").iter_rows())
    for repository in DEMO_REPOSITORIES:
        if repository.expected:
            assert codes.get(repository.id) == repository.expected, repository.id


def test_hostile_code_left_no_sentinel(demo_lake):
    assert not list(demo_lake.rglob("*SENTINEL*"))


def test_no_training_image_shares_a_generator_with_another_split(demo_lake):
    rows = snapshot.read(str(demo_lake), ROWS, columns=["generator_id", "split"]).drop_nulls()
    assert rows.unique().group_by("generator_id").len()["len"].max() == 1


@pytest.mark.browser
def test_a_false_positive_is_traced_to_its_source_and_its_nearest_training_images_in_three_clicks(
    demo_lake,
    tmp_path,
    tab,  # noqa: F811
):
    """Where the detector makes no false positive, the page lists the photographs that come nearest to one."""
    tab.set_default_timeout(180_000)
    with serving(str(demo_lake), tmp_path) as served:
        visit(tab, f"{served.url}/evaluation")
        tab.locator(".st-key-tiles-behind .tile.real").first.click()
        tab.wait_for_url(re.compile(r"/image\?id=[0-9a-f]{64}"))
        wrong = re.search("id=([0-9a-f]{64})", tab.url)[1]
        found = snapshot.read(str(demo_lake), IMAGES).filter(image_id=wrong).row(0, named=True)
        assert found["label"] == 0
        tab.get_by_text(found["real_source"], exact=True).first.wait_for()
        tab.get_by_role("tab", name="What is like it").click()
        tab.locator(".st-key-tiles-taught-by .tile").first.click()
        tab.wait_for_url(lambda url: "/image?id=" in url and wrong not in url)
        taught = re.search("id=([0-9a-f]{64})", tab.url)[1]
        rows = snapshot.read(str(demo_lake), ROWS, columns=["image_id", "split"])
        assert rows.filter(image_id=taught, split="train").height == 1
        assert tab.locator(BOXES).count() == 0


LONG = "x" * 10_000


def test_an_upload_is_judged_or_refused_in_words_whatever_its_name(demo_lake, monkeypatch):
    monkeypatch.setenv(ROOT_VARIABLE, str(demo_lake))
    app = AppTest.from_file(str(Path(explorer.__file__).with_name("app.py")), default_timeout=300)
    app.switch_page("views/try_it.py").run()
    photo = snapshot.read(str(demo_lake), IMAGES).filter(pl.col("label") == 0)["bytes"][0]
    for name in ("photo.jpg", "<img src=x onerror=alert(1)>.jpg", "../../etc/passwd.png", f"{LONG}.jpg"):
        app.file_uploader[0].set_value((name, photo, "image/jpeg")).run()
        assert not app.exception and not app.error and not app.warning, name
        assert "Probability of fake" in [metric.label for metric in app.metric], [i.value for i in app.info]
    app.file_uploader[0].set_value(("photo.jpg", b"<script>alert(1)</script>", "image/jpeg")).run()
    assert not app.exception and "Probability of fake" not in [metric.label for metric in app.metric]
    assert any("Not an image that can be judged" in info.value for info in app.info)


def test_a_second_demo_adds_no_row_and_says_so(demo_lake):
    before = {t.name: snapshot.read(str(demo_lake), t).height for t in (MODELS, IMAGES, ROWS, PREDICTIONS)}
    done = forensics("demo", "--root", str(demo_lake), *SMALLEST, **TINY_TABLES)
    assert done.returncode == 0, done.stderr
    after = {t.name: snapshot.read(str(demo_lake), t).height for t in (MODELS, IMAGES, ROWS, PREDICTIONS)}
    assert after == before
    assert done.stdout.count(", 0 added by this run") == 4


KILLS = ("generate:after-first-image", "train:after-checkpoint")
"""A killed ingest is finished in tests/etl/test_ingest_job.py."""


def test_kills_at_two_stages_leave_the_image_set_of_an_undisturbed_run(demo_hub, demo_lake, tmp_path):
    root = new_lake(demo_hub, tmp_path / "lake")
    for point in KILLS:
        kill_at(point, root, tmp_path / point.replace(":", "-"))
    done = forensics("demo", "--root", str(root), *SMALLEST, **TINY_TABLES)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ids(root) == ids(demo_lake)
    for table in (*TABLES, ROWS):
        if snapshot.exists(str(root), table):
            assert_keys_are_unique(root, table)
            assert_versions_are_contiguous(root / table.name)


def kill_at(point: str, root: Path, mark: Path) -> None:
    """Start the demo in a process group of its own and kill the whole group when it reaches `point`."""
    environment = clean_environment(FORENSICS_FAULT=point, FORENSICS_FAULT_FILE=str(mark), **TINY_TABLES)
    with (mark.parent / "killed.log").open("a") as log:
        command = [BIN / "forensics", "demo", "--root", root, *SMALLEST]
        demo = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
    deadline = time.monotonic() + 400
    while not mark.exists():
        assert demo.poll() is None and time.monotonic() < deadline, (mark.parent / "killed.log").read_text()
        time.sleep(0.1)
    os.killpg(demo.pid, signal.SIGKILL)
    demo.wait()


def assert_keys_are_unique(root: Path, table) -> None:
    keys = snapshot.read(str(root), table, columns=table.key)
    assert keys.n_unique() == keys.height, table.name


def assert_versions_are_contiguous(table: Path) -> None:
    versions = sorted(int(file.stem) for file in (table / "_delta_log").glob("*.json"))
    assert versions == list(range(versions[0], versions[-1] + 1)) and versions[0] == 0, table
