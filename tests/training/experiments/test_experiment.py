"""An experiment on a tiny world, from its file to its verdict."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from etl.lake import snapshot
from etl.lake.schemas import EXPERIMENT_SCORES, EXPERIMENT_UNITS, EXPERIMENTS
from training.experiments import outcome, planning, running


@pytest.fixture(scope="module")
def ran(tiny_world, tmp_path_factory, declare):
    root = tmp_path_factory.mktemp("ran") / "lake"
    shutil.copytree(tiny_world, root)
    plan = planning.plan(declare(str(root)))
    return plan, running.run(plan, None)


def test_every_cell_is_written_with_its_scores_and_metrics(ran):
    plan, came = ran
    rows = snapshot.read(plan.settings.root, EXPERIMENTS)
    assert (came.done, came.failed, rows.height) == (30, 0, 30)
    assert set(rows["cell"]) == set(plan.hashes)
    assert snapshot.read(plan.settings.root, EXPERIMENT_SCORES).height == 30
    assert snapshot.read(plan.settings.root, EXPERIMENT_UNITS)["unit"].n_unique() == 6


def test_a_finished_experiment_runs_nothing_again(ran):
    again = planning.plan(ran[0].settings)
    assert again.to_do == []
    assert running.run(again, None).done == 0


def test_the_oracle_beats_the_arms_that_never_saw_the_families(ran):
    came = outcome.outcome(ran[0])
    values = {(point.arm, point.x): point.value for point in came.points}
    assert values["oracle", 0] > values["families", 1]
    assert came.headline is not None and came.headline["units"] == 6
    assert came.headline["difference"] == pytest.approx(values["families", 4] - values["families", 1], abs=1e-9)


def test_a_conclusion_that_says_the_same_commits_nothing(ran):
    from etl.lake.schemas import EXPERIMENT_EFFECTS

    root = ran[0].settings.root
    outcome.conclude(outcome.outcome(ran[0]), datetime.now(UTC))
    version = snapshot.current_version(root, EXPERIMENT_EFFECTS)
    outcome.conclude(outcome.outcome(ran[0]), datetime.now(UTC))
    assert snapshot.current_version(root, EXPERIMENT_EFFECTS) == version


def test_a_cell_by_itself_gives_the_same_scores_after_its_features_are_lost(ran, tmp_path):
    plan, came = ran
    cell = came.results[-1]
    root = tmp_path / "lake"
    shutil.copytree(plan.settings.root, root)
    shutil.rmtree(Path(root) / ".experiments")
    alone = planning.plan(replace(plan.settings, root=str(root), cell=cell.cell.id))
    (again,) = running.run(alone, None).results
    assert again.scores["unseen"] == pytest.approx(cell.scores["unseen"], abs=1e-9)
    assert again.units == cell.units
    assert snapshot.read(str(root), EXPERIMENTS).height == 30  # not written twice


def test_metrics_follow_from_the_recorded_scores(ran):
    from etl.lake.schemas import EXPERIMENT_IMAGES, IMAGES
    from training.experiments import judging

    root = ran[0].settings.root
    row = snapshot.read(root, EXPERIMENT_SCORES).row(0, named=True)
    held = snapshot.read(root, EXPERIMENT_IMAGES).filter(pl.col("images") == row["images"])
    ids = held["image_ids"][0].to_list()
    known = snapshot.read(root, IMAGES, columns=["image_id", "generator_id"])
    family = {name: (generator or "").partition("/")[0] for name, generator in known.iter_rows()}
    units = [family[name] for name in ids if family[name]]
    logits = pl.Series(row["logits"]).to_numpy()
    rows = judging.by_unit(logits, units)
    recorded = snapshot.read(root, EXPERIMENTS).filter(pl.col("cell") == row["cell"])["metrics"][0]
    assert judging.means(rows) == pytest.approx(json.loads(recorded)["unseen"])


def test_the_report_is_one_file_with_verdict_figure_and_escaped_words(ran, tmp_path):
    from training.experiments import publishing, report
    from training.experiments.settings import ReportSettings

    settings = replace(ran[0].settings, question="Do <script>more</script> families help?")
    publishing.record(settings)
    page = report.write(ReportSettings(settings.root, settings.name, str(tmp_path / "tiny.html"))).read_text()
    assert "&lt;script&gt;more" in page and "<script>" not in page
    assert (
        "data:image/svg+xml;base64," in page and "http" not in page.replace("http-equiv", "").split("base64,")[0]
    )
    assert any(verdict in page for verdict in ("Shown", "Not shown", "Contrary"))
    assert "--cell families/x1/s1/f0/d0/linear_srm" in page
