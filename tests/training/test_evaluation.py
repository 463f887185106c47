"""Scoring and judging a trained detector: complete, repeatable, and null where undefined."""

from pathlib import Path

import polars as pl
import pytest

from etl.errors import ConfigError, NothingUsable
from etl.lake import snapshot
from etl.lake.schemas import EVALUATIONS, PREDICTIONS
from training import evaluation, runs, scoring, sets
from training.jobs import evaluate as job
from training.settings import EvaluateSettings, TrainSettings
from training.tracking import Tracker


def train(root: Path) -> str:
    return runs.train(TrainSettings(root=str(root), detector="test_vit", epochs=1, batch_size=8)).run_id


def versions(root: Path) -> tuple[int, int]:
    return snapshot.current_version(str(root), PREDICTIONS), snapshot.current_version(str(root), EVALUATIONS)


def test_evaluating_scores_every_test_image_once_and_again_changes_nothing(lake_root, capsys, monkeypatch):
    run_id = train(lake_root)
    assert job.main(["--root", str(lake_root)]) == 0
    printed = capsys.readouterr().out
    assert "evaluate: 12 images = 12 new + 0 rejected + 0 already there" in printed
    assert "gen/0" in printed and "accuracy" in printed
    scores = snapshot.read(str(lake_root), PREDICTIONS)
    assert scores.height == scores["image_id"].n_unique() == 12
    assert set(scores["run_id"]) == {run_id} and set(scores["collection"]) == {"demo@1/test"}
    assert scores.filter(pl.col("label") == 1)["generator_id"].null_count() == 0
    assert scores.filter(pl.col("label") == 0)["real_source"].to_list() == ["photos"] * 6

    before = versions(lake_root)
    monkeypatch.setattr(scoring, "load_detector", lambda *_: pytest.fail("nothing is left to score"))
    assert job.main(["--root", str(lake_root)]) == 0
    assert "= 0 new + 0 rejected + 12 already there" in capsys.readouterr().out
    assert versions(lake_root) == before


def test_only_the_images_that_were_not_scored_are_scored(lake_root):
    train(lake_root)
    job.main(["--root", str(lake_root)])
    scores = snapshot.read(str(lake_root), PREDICTIONS)
    tracker, training_set = Tracker(str(lake_root)), sets.find(str(lake_root), "demo")
    run = tracker.newest_finished("demo", 1)
    (lake_root / "predictions").rename(lake_root / "all")
    snapshot.append(str(lake_root), PREDICTIONS, scores.head(5).to_dicts())
    assert scoring.score(EvaluateSettings(root=str(lake_root)), training_set, tracker, run) == (12, 7)
    again = scoring.predictions(str(lake_root), training_set, run)
    assert again["logit"].to_list() == pytest.approx(scores.sort("image_id")["logit"].to_list(), abs=1e-5)


def test_evaluations_can_be_recomputed_from_predictions(lake_root):
    train(lake_root)
    job.main(["--root", str(lake_root)])
    rows = snapshot.read(str(lake_root), EVALUATIONS)
    assert sorted(rows["slice"].unique()) == ["all", "gen/0", "gen/1", "mean"]
    by_hand = snapshot.read(str(lake_root), PREDICTIONS)
    right = ((by_hand["logit"] > 0) == (by_hand["label"] == 1)).mean()
    stored = rows.filter((pl.col("slice") == "all") & (pl.col("metric") == "accuracy"))
    assert stored["value"].item() == pytest.approx(right)
    per_generator = rows.filter((pl.col("slice_kind") == "generator") & (pl.col("metric") == "average_precision"))
    mean = rows.filter((pl.col("slice_kind") == "mean") & (pl.col("metric") == "average_precision"))
    assert mean["value"].item() == pytest.approx(per_generator["value"].mean())
    assert (mean["n_real"].item(), mean["n_fake"].item()) == (6, 6)


def test_metrics_that_changed_replace_those_of_their_run_and_no_others(tmp_path):
    rows = pl.DataFrame(
        {"image_id": ["a", "b"], "label": [0, 1], "logit": [-1.0, 1.0], "generator_id": [None, "g"]}
    )
    groups = evaluation.evaluate(rows, seed=0, draws=10)
    assert evaluation.store(str(tmp_path), groups, "run1", "demo@1/test")
    assert evaluation.store(str(tmp_path), groups, "run2", "demo@1/test")
    assert not evaluation.store(str(tmp_path), groups, "run1", "demo@1/test")
    changed = evaluation.evaluate(rows.with_columns(logit=pl.Series([1.0, -1.0])), seed=0, draws=10)
    assert evaluation.store(str(tmp_path), changed, "run1", "demo@1/test")
    stored = snapshot.read(str(tmp_path), EVALUATIONS).filter(
        pl.col("slice") == "all", pl.col("metric") == "accuracy"
    )
    assert dict(zip(stored["run_id"], stored["value"], strict=True)) == {"run1": 0.0, "run2": 1.0}


def test_a_generator_without_reals_to_compare_gives_null_and_says_one_class(tmp_path):
    rows = pl.DataFrame(
        {"image_id": ["a", "b"], "label": [1, 1], "logit": [-1.0, 1.0], "generator_id": ["g", "g"]}
    )
    groups = evaluation.evaluate(rows, seed=0, draws=10)
    evaluation.store(str(tmp_path), groups, "run", "demo@1/test")
    stored = snapshot.read(str(tmp_path), EVALUATIONS).filter(pl.col("metric") == "average_precision")
    assert stored["value"].to_list() == [None] * 3
    assert set(stored["reason"]) == {"ONE_CLASS"}
    assert "ONE_CLASS" in evaluation.table(groups)


def test_runs_that_are_missing_unfinished_or_of_another_set_are_refused(lake_root, register):
    tracker, training_set = Tracker(str(lake_root)), sets.find(str(lake_root), "demo")
    with pytest.raises(NothingUsable, match="forensics train"):
        scoring.choose_run(tracker, training_set, None)
    with pytest.raises(NothingUsable, match="no run 'nowhere'"):
        scoring.choose_run(tracker, training_set, "nowhere")
    unfinished = tracker.start("detectors", "x", {"training_set": "demo", "training_set_version": "1"}, {})
    with pytest.raises(NothingUsable, match="RUNNING"):
        scoring.choose_run(tracker, training_set, unfinished.run_id)
    run_id = train(lake_root)
    assert scoring.choose_run(tracker, training_set, None).run_id == run_id
    register(lake_root, training_set.rows_version, version=2)
    with pytest.raises(ConfigError, match="trained on demo@1"):
        scoring.choose_run(tracker, sets.find(str(lake_root), "demo"), run_id)
