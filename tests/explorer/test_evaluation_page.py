"""The page Evaluation: its questions against tables whose rows are known, and what it shows."""

import math
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from etl.lake import schemas, snapshot
from explorer import database, evaluation_charts, evaluations, page
from explorer.evaluations import Judged
from explorer.query import Query
from explorer.reading import Snapshot, take
from explorer.settings import ROOT_VARIABLE

APP = str(Path(page.__file__).with_name("app.py"))
KEY = Judged("r", "c", "none", "all")
SCORES = [  # label, generator, source, logit
    (0, None, "photos", -2.0),
    (0, None, "photos", 1.5),
    (0, None, "phone", -1.0),
    (0, None, "phone", -0.5),
    (1, "a/a", None, 3.0),
    (1, "a/a", None, -0.7),
    (1, "b/b", None, 0.2),
    (1, "b/b", None, 2.0),
]


def opened(monkeypatch: pytest.MonkeyPatch, root: str, **query: str) -> AppTest:
    monkeypatch.setenv(ROOT_VARIABLE, root)
    app = AppTest.from_file(APP, default_timeout=60)
    for key, value in query.items():
        app.query_params[key] = value
    return app.switch_page("views/evaluation.py").run()


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    root = str(tmp_path_factory.mktemp("scored"))
    keys = {"run_id": "r", "collection": "c", "transform": "none"}
    rows = [
        keys | {"image_id": f"i{n}", "label": label, "generator_id": maker, "real_source": source, "logit": logit}
        for n, (label, maker, source, logit) in enumerate([*SCORES, (1, "b/b", None, float("nan"))])
    ]
    snapshot.append(root, schemas.PREDICTIONS, rows)
    return take(root, schemas.PREDICTIONS, schemas.EVALUATIONS, schemas.GENERATORS, schemas.THUMBNAILS)


def ask(lake: Snapshot, asked: Query) -> pl.DataFrame:
    return database.rows(lake, asked)


def test_the_weakest_generator_comes_first_and_an_undefined_one_last_with_its_reason(full_lake):
    lake = take(full_lake, *schemas.TABLES)
    key = Judged(*ask(lake, evaluations.judged()).row(0)[:4])
    rows = ask(lake, evaluations.by_generator(key))
    assert rows.height == 11
    assert rows["average_precision"].drop_nulls().is_sorted()
    last = rows.row(-1, named=True)
    assert (last["generator_id"], last["average_precision"], last["reason"]) == (
        "community/tiny-gan",
        None,
        "ONE_CLASS",
    )


def test_detectors_come_before_baselines_and_stand_in_one_table(full_lake):
    lake = take(full_lake, *schemas.TABLES)
    judged = ask(lake, evaluations.judged())
    assert judged["run_id"].to_list()[-1] == "baseline:chance"
    rows = ask(lake, evaluations.runs(*judged.row(0)[1:4]))
    assert rows.select("average_precision", "ci_low").rows() == [(0.81, 0.74), (0.31, None)]


def test_the_heat_map_holds_the_hardest_generators_of_every_run(full_lake):
    lake = take(full_lake, *schemas.TABLES)
    cells = ask(lake, evaluations.heat_map("demo@1/test", "none", "all", "average_precision", 3))
    weakest = ask(lake, evaluations.by_generator(Judged(cells["run_id"][0], "demo@1/test", "none", "all")))
    assert cells["generator_id"].to_list() == weakest["generator_id"].to_list()[:3]
    assert list(evaluation_charts.heat_map(cells, "AP").data[1].customdata[0])[:2] == [
        cells["generator_id"][0],
        cells["run_id"][0],
    ]


def test_verdicts_at_a_threshold_count_only_finite_scores(scored):
    assert ask(scored, evaluations.verdicts(KEY, 0.0)).rows() == [(4, 4, 1, 3)]


def test_the_curve_passes_through_the_rates_of_every_threshold(scored):
    points = evaluations.curve(ask(scored, evaluations.score_bins(KEY)))
    drawn = {(round(x, 9), round(y, 9)) for x, y in points.select("fpr", "tpr").rows()}
    for threshold in (-3.0, -1.5, -0.9, -0.6, 0.0, 1.0, 1.8, 2.5, 4.0):
        reals, fakes = ([logit for label, _, _, logit in SCORES if label == wanted] for wanted in (0, 1))
        rates = tuple(sum(x > threshold for x in logits) / len(logits) for logits in (reals, fakes))
        assert rates in drawn


def test_scores_are_counted_in_bins_with_shares_of_their_class(scored):
    bins = evaluations.histogram(ask(scored, evaluations.score_bins(KEY)))
    assert [bins.filter(label=label)["n"].sum() for label in (0, 1)] == [4, 4]
    assert math.isclose(bins.filter(label=0)["share"].sum(), 1.0)


def test_one_class_alone_has_no_curve(scored):
    bins = ask(scored, evaluations.score_bins(KEY)).filter(label=1)
    assert evaluations.curve(bins).is_empty()


def test_false_positives_are_counted_by_source_with_an_interval_that_holds_the_rate(scored):
    rates = evaluations.with_interval(ask(scored, evaluations.false_positives(KEY, 0.0)), "false_positives", "n")
    assert rates.select("real_source", "n", "false_positives", "rate").rows() == [
        ("photos", 2, 1, 0.5),
        ("phone", 2, 0, 0.0),
    ]
    assert rates["low"].to_list()[1] == 0.0
    assert math.isclose(rates["high"].to_list()[1], 1 - 0.025**0.5, rel_tol=1e-9)


def test_the_images_behind_a_figure_are_the_wrong_ones_the_most_wrong_first(scored):
    wrong = ask(scored, evaluations.behind(KEY, None, 0, -0.6, 0, 24))
    assert wrong["image_id"].to_list() == ["i1", "i3"]
    missed = ask(scored, evaluations.behind(KEY, ("generator", "a/a"), 1, 0.0, 0, 24))
    assert missed["image_id"].to_list() == ["i5"]
    assert ask(scored, evaluations.count_behind(KEY, ("source", "phone"), 0, 0.0)).item() == 0


@pytest.mark.parametrize("text", ["' OR 1=1 --", "generator:", "real_source:x", "%", "x" * 10_000, None])
def test_a_part_that_an_address_does_not_name_rightly_is_none(text):
    assert evaluations.slice_of(text) is None


def test_a_part_is_named_by_its_kind_and_may_hold_colons():
    assert evaluations.slice_of("generator:a:b/c") == ("generator", "a:b/c")


def test_the_page_shows_the_numbers_that_the_tables_hold(monkeypatch, full_lake):
    app = opened(monkeypatch, full_lake)
    assert not app.exception and not app.warning
    assert any("95 % interval 0.740 to 0.880" in caption.value for caption in app.caption)
    assert any(
        "ONE_CLASS" in frame.value["reason"].to_list() for frame in app.dataframe if "reason" in frame.value
    )
    rows = ask(take(full_lake, schemas.PREDICTIONS), Query("select * from predictions"))
    false, missed = (
        rows.filter((pl.col("label") == label) & ((pl.col("logit") > 0) != bool(label))).height for label in (0, 1)
    )
    told = f"Of 36 real images {false} are called fake, of 44 fakes {missed} are missed"
    assert any(told in caption.value for caption in app.caption)
    assert any(f"{false} images, the most wrong first" in caption.value for caption in app.caption)


def test_the_page_says_what_is_missing(monkeypatch, full_lake, tmp_path):
    assert "`forensics evaluate` writes it" in opened(monkeypatch, str(tmp_path)).info[0].value
    root = tmp_path / "lake"
    shutil.copytree(full_lake, root, ignore=shutil.ignore_patterns("predictions"))
    app = opened(monkeypatch, str(root))
    assert not app.exception
    assert any("no table `predictions`" in info.value for info in app.info)


@pytest.mark.parametrize("name", ["run", "collection", "transform", "pool", "slice", "metric", "errors", "point"])
def test_an_address_that_cannot_be_followed_is_refused_and_the_page_stands(monkeypatch, full_lake, name):
    app = opened(monkeypatch, full_lake, **{name: "<script>' OR 1=1 -- %"})
    assert not app.exception
    assert f"not followed in {name}" in app.warning[0].value


def test_a_run_leads_to_mlflow_by_its_name_and_one_that_was_not_judged_says_so(
    monkeypatch, complete_lake, tmp_path
):
    root = tmp_path / "lake"
    shutil.copytree(complete_lake, root)
    with closing(sqlite3.connect(root / "mlflow.db")) as database, database:
        database.execute("create table runs (run_uuid text, name text)")
        database.execute("insert into runs values ('5f1c2e7ab04d4d6c9a3e8b7f60d1c2e3', 'tiny <b>vit</b>')")
    app = opened(monkeypatch, str(root), run="5f1c2e7ab04d4d6c9a3e8b7f60d1c2e3")
    assert not app.exception and not app.warning
    assert "tiny <b>vit</b> · 5f1c2e7a" in app.selectbox[0].options
    link = app.get("link_button")[0].proto
    assert link.url == "http://127.0.0.1:5000/#/runs/5f1c2e7ab04d4d6c9a3e8b7f60d1c2e3"
    app = opened(monkeypatch, str(root), run="0" * 32)
    assert not app.exception and any("not judged yet" in info.value for info in app.info)
