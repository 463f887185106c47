"""Whatever page shows tiles: what is marked not safe for work is hidden until it is asked for."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from etl.lake import schemas, snapshot
from explorer import gallery, page
from explorer.reading import take
from explorer.settings import ROOT_VARIABLE
from tests.explorer.conftest import COLLECTION, NOON, RUN

EXPLORER = Path(page.__file__).parent


@pytest.fixture(scope="module")
def wrong_lake(full_lake, tmp_path_factory) -> tuple[str, str]:
    """A lake whose one image not safe for work is the worst error of its detector, and that image's id."""
    root = tmp_path_factory.mktemp("nsfw") / "lake"
    shutil.copytree(full_lake, root)
    row = snapshot.read(str(root), schemas.GOLD_IMAGES).filter(nsfw=True, label=0).row(0, named=True)
    worst = {key: row[key] for key in ("image_id", "label", "generator_id", "real_source")} | {"logit": 99.0}
    run = {"run_id": RUN, "collection": COLLECTION, "transform": "none", "scored_at": NOON}
    kept = snapshot.read(str(root), schemas.PREDICTIONS).filter(pl.col("image_id") != row["image_id"]).to_dicts()
    shutil.rmtree(root / "predictions")
    snapshot.append(str(root), schemas.PREDICTIONS, [*kept, run | worst])
    return str(root), str(row["image_id"])


def opened(monkeypatch: pytest.MonkeyPatch, root: str, place: str, **query: str) -> AppTest:
    monkeypatch.setenv(ROOT_VARIABLE, root)
    app = AppTest.from_file(str(EXPLORER / "app.py"), default_timeout=120)
    for key, value in query.items():
        app.query_params[key] = value
    return app.switch_page(f"views/{place}.py").run()


def tiles_of(app: AppTest) -> dict[str, dict[str, str]]:
    """The tiles that the browser is given, by image."""
    found = {}
    for component in app.get("bidi_component"):
        found |= {tile["id"]: tile for tile in json.loads(component.proto.json)["tiles"]}
    return found


@pytest.mark.parametrize(("place", "key"), [("evaluation", "behind"), ("try_it", "choice")])
def test_a_picture_not_safe_for_work_is_not_sent_to_the_browser_unasked(monkeypatch, wrong_lake, place, key):
    root, image_id = wrong_lake
    app = opened(monkeypatch, root, place)
    assert not app.exception
    shown = tiles_of(app)
    assert (shown[image_id]["src"], shown[image_id]["hidden"]) == ("", gallery.HIDDEN)
    assert all(tile["src"] for other, tile in shown.items() if other != image_id and not tile["hidden"])
    app.toggle(f"nsfw-{key}").set_value(True).run()
    assert tiles_of(app)[image_id]["src"].startswith("data:image/jpeg")


def test_training_images_not_safe_for_work_are_hidden_on_the_page_of_an_image(monkeypatch, full_lake):
    listed = snapshot.read(full_lake, schemas.GOLD_IMAGES)
    marked = set(listed.filter(nsfw=True)["image_id"])
    one = snapshot.read(full_lake, schemas.IMAGES).filter(seed=1)["image_id"].item()  # most like seed 0, marked
    shown = tiles_of(opened(monkeypatch, full_lake, "image", id=one))
    assert marked & set(shown)
    assert {shown[image_id]["src"] for image_id in marked & set(shown)} == {""}


def test_what_no_table_marks_is_hidden_and_what_only_the_images_know_follows_them(full_lake, tmp_path):
    root = tmp_path / "lake"
    shutil.copytree(full_lake, root, ignore=shutil.ignore_patterns("gold_images"))
    listed = snapshot.read(full_lake, schemas.GOLD_IMAGES).select(
        "image_id", "label", "generator_id", "real_source", "nsfw"
    )
    stray = listed.head(1).with_columns(image_id=pl.lit("f" * 64))
    rows = gallery.with_pictures(take(str(root), *gallery.TABLES), listed.vstack(stray).drop("nsfw"))
    assert rows["nsfw"].to_list() == [*listed["nsfw"], True]


def test_no_other_module_shows_tiles():
    callers = {file.name for file in EXPLORER.rglob("*.py") if "tiles.show(" in file.read_text()}
    assert callers == {"gallery.py"}
