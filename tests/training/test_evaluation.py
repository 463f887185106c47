"""Scoring and judging a trained detector: complete, repeatable, recomputable, and null where undefined."""

import io
import json
import sqlite3
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from etl.demo.chain import results
from etl.errors import ConfigError, NothingUsable, TableOutdated
from etl.lake import snapshot
from etl.lake.schemas import COLLECTIONS, EVALUATIONS, IMAGES, PREDICTIONS
from training import evaluation, reporting, runs, scoring, sets, targets
from training.evaluation import Judging
from training.jobs import compare as compare_job
from training.jobs import evaluate as job
from training.jobs import score as score_job
from training.judging_settings import EvaluateSettings
from training.settings import TrainSettings
from training.tracking import Tracker


def train(root: Path, seed: int = 42) -> str:
    settings = TrainSettings(root=str(root), detector="test_vit", epochs=1, batch_size=8, seed=seed)
    return runs.train(settings).run_id


def versions(root: Path) -> tuple[int, int]:
    return snapshot.current_version(str(root), PREDICTIONS), snapshot.current_version(str(root), EVALUATIONS)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory, rows, write_rows, register, mlflow_database) -> tuple[Path, str, str]:
    """A lake with two runs that are evaluated on their test images, the first under two degradations too."""
    root = tmp_path_factory.mktemp("evaluated") / "lake"
    root.mkdir()
    everything = [*rows("train", 24), *rows("val", 48, first=100), *rows("test", 12, first=200)]
    register(root, write_rows(root, everything, rows_a_group=5))
    (root / "mlflow.db").write_bytes(mlflow_database.read_bytes())
    first, second = train(root), train(root, seed=1)
    degraded = ["--transforms", "[jpeg-50, blur-1]"]
    assert job.main(["--root", str(root), "--run", first, "--bootstrap_draws", "100", *degraded]) == 0
    assert job.main(["--root", str(root), "--run", second, "--bootstrap_draws", "100"]) == 0
    return root, first, second


def of(root: Path, run_id: str, **keys: str) -> pl.DataFrame:
    rows = snapshot.read(str(root), EVALUATIONS).filter(pl.col("run_id") == run_id)
    return rows.filter([pl.col(name) == value for name, value in {"transform": "none", **keys}.items()])


def test_evaluating_scores_every_test_image_once_and_again_changes_nothing(lake_root, capsys, monkeypatch):
    run_id = train(lake_root)
    assert job.main(["--root", str(lake_root)]) == 0
    printed = capsys.readouterr().out
    assert "evaluate: 12 images = 12 new + 0 rejected + 0 already there" in printed
    assert "gen/0" in printed and "accuracy" in printed
    assert "baseline:chance" in printed and "baseline:metadata:demo@1" in printed
    everything = snapshot.read(str(lake_root), PREDICTIONS)
    scores = everything.filter(pl.col("run_id") == run_id, pl.col("collection") == "demo@1/test")
    assert scores.height == scores["image_id"].n_unique() == 12
    assert set(scores["format"]) == {"PNG"}
    assert scores.filter(pl.col("label") == 1)["generator_id"].null_count() == 0
    assert scores.filter(pl.col("label") == 0)["real_source"].to_list() == ["photos"] * 6

    before = versions(lake_root)
    monkeypatch.setattr("training.trained.Trained.load", lambda *_: pytest.fail("nothing is left to score"))
    assert job.main(["--root", str(lake_root)]) == 0
    assert "= 0 new + 0 rejected + 12 already there" in capsys.readouterr().out
    assert versions(lake_root) == before


def test_only_the_images_that_were_not_scored_are_scored(evaluated):
    root, run_id, _ = evaluated
    target = targets.of_split(str(root), sets.find(str(root), "demo"), "test")
    scores = scoring.predictions(str(root), target, run_id)
    folder = root / "predictions"
    folder.rename(root / "all")
    try:
        snapshot.append(str(root), PREDICTIONS, scores.head(5).to_dicts())
        tracker = Tracker(str(root))
        settings = EvaluateSettings(root=str(root))
        assert scoring.score(settings, target, tracker, tracker.run(run_id)) == (12, 7)
        again = scoring.predictions(str(root), target, run_id)
        assert again["logit"].to_list() == pytest.approx(scores["logit"].to_list(), abs=1e-5)
    finally:
        folder.rename(root / "some")
        (root / "all").rename(folder)


def test_the_run_in_mlflow_has_the_same_figures_by_generator_as_a_table_and_plots(evaluated):
    root, run_id, _ = evaluated
    tracker = Tracker(str(root))
    place = "evaluations/demo-1-test-all"
    table = json.loads(tracker.artifact(tracker.run(run_id), f"{place}/by_generator.json").read_text())
    for row in table["data"]:
        told = dict(zip(table["columns"], row, strict=True))
        stored = of(root, run_id, slice_kind="generator", slice=told["generator"], pool="all")
        assert {metric: told[metric] for metric in stored["metric"]} == dict(
            zip(stored["metric"], stored["value"], strict=True)
        )
    for plot in ("roc", "det", "calibration", "generators"):
        assert tracker.artifact(tracker.run(run_id), f"{place}/{plot}.png").stat().st_size > 1000


def test_what_mlflow_did_not_take_of_an_evaluation_is_logged_by_the_same_command(lake_root, capsys):
    root, run_id = lake_root, train(lake_root)
    assert job.main(["--root", str(root), "--bootstrap_draws", "20"]) == 0
    words = ["--root", str(root), "--run", run_id, "--bootstrap_draws", "20", "--balanced"]
    path = "evaluations/demo-1-test-all-balanced/by_generator.json"
    with sqlite3.connect(root / "mlflow.db") as database:  # a lock would do the same after 20 seconds
        database.execute("CREATE TRIGGER shut BEFORE INSERT ON tags BEGIN SELECT RAISE(ABORT, 'shut'); END")
        database.execute("CREATE TRIGGER shut2 BEFORE UPDATE ON tags BEGIN SELECT RAISE(ABORT, 'shut'); END")
    assert job.main(words) == 0
    assert "MLflow does not take the plots" in capsys.readouterr().err
    tracker = Tracker(str(root))
    assert not tracker.has_table(tracker.run(run_id), path)
    with sqlite3.connect(root / "mlflow.db") as database:
        database.execute("DROP TRIGGER shut")
        database.execute("DROP TRIGGER shut2")
    assert job.main(words) == 0
    assert "metrics unchanged" in capsys.readouterr().out
    tables = [tracker.has_table(tracker.run(run_id), table) for table in (path, path.replace("-balanced", ""))]
    assert tables == [True, True]


def test_the_mean_over_generators_and_the_slices_are_there(evaluated):
    root, run_id, _ = evaluated
    rows = of(root, run_id, metric="average_precision", collection="demo@1/test")
    kinds = {"all", "generator", "family", "architecture", "real_source", "format", "mean", "mean_of_architecture"}
    assert set(rows["slice_kind"]) == kinds
    per_generator = rows.filter(pl.col("slice_kind") == "generator")
    mean = rows.filter(pl.col("slice_kind") == "mean").row(0, named=True)
    assert mean["value"] == pytest.approx(per_generator["value"].mean())
    assert (mean["n_real"], mean["n_fake"], mean["interval_over"]) == (6, 6, "generators")
    assert set(per_generator["interval_over"]) == {"images"}


def test_the_threshold_is_fixed_on_validation_images_and_stored_with_its_error_rates(evaluated):
    root, run_id, _ = evaluated
    point = evaluation.points_of(str(root), run_id)["balanced"]
    scores = snapshot.read(str(root), PREDICTIONS).filter(pl.col("run_id") == run_id)
    validation = scores.filter(pl.col("collection") == "demo@1/val", pl.col("label") == 0)
    assert (point.n_real, point.fpr) == (24, (validation["logit"] > point.threshold).mean())
    judged = of(root, run_id, metric="accuracy_at_threshold", slice_kind="all").row(0, named=True)
    test = scores.filter(pl.col("collection") == "demo@1/test", pl.col("transform") == "none")
    right = ((test["logit"] > point.threshold) == (test["label"] == 1)).mean()
    assert (judged["threshold"], judged["value"]) == (point.threshold, pytest.approx(right))


def test_a_degradation_has_metrics_of_its_own_and_the_share_of_verdicts_that_it_flips(evaluated):
    root, run_id, _ = evaluated
    found = of(root, run_id, transform="jpeg-50", metric="flip_rate", slice_kind="all").row(0, named=True)
    scores = snapshot.read(str(root), PREDICTIONS).filter(pl.col("run_id") == run_id)
    of_test = scores.filter(pl.col("collection") == "demo@1/test")
    wide = of_test.pivot(on="transform", index="image_id", values="logit")
    flipped = (wide["none"] > found["threshold"]) != (wide["jpeg-50"] > found["threshold"])
    assert found["value"] == pytest.approx(flipped.mean())
    assert wide.width == 4 and wide.null_count().sum_horizontal().item() == 0
    assert not np.allclose(wide["none"], wide["jpeg-50"])


def test_baselines_are_judged_on_the_same_images_and_their_predictions_are_kept(evaluated):
    root, _, _ = evaluated
    for name in ("baseline:chance", "baseline:metadata:demo@1"):
        assert of(root, name, slice_kind="mean", metric="average_precision").height == 1
        scores = snapshot.read(str(root), PREDICTIONS).filter(pl.col("run_id") == name)
        assert (scores.height, scores["logit"].is_finite().all()) == (12, True)


def test_the_demos_table_shows_generators_their_mean_and_the_baselines(evaluated):
    root, _, second = evaluated
    rows = snapshot.read(str(root), EVALUATIONS).filter(pl.col("run_id") != second)
    alone = root.parent / "alone"
    snapshot.append(str(alone), EVALUATIONS, rows.to_dicts())
    names = [line[:44].strip() for line in results(str(alone))]
    means = ["mean over generators", "baseline:chance", "baseline:metadata:demo@1"]
    assert names == ["generator", "gen/0", "gen/1", *means]
    names = [line[:44].strip() for line in results(str(root))]
    assert len(names) == 7 and names[3] == "mean over generators" and names[4].startswith("mean of run ")


def test_an_unknown_degradation_is_refused_by_name(evaluated):
    with pytest.raises(ConfigError, match="no transform 'jpeg-7'"):
        job.main(["--root", str(evaluated[0]), "--run", evaluated[1], "--transforms", "[webp-50, jpeg-7]"])
    assert "webp-50" not in snapshot.read(str(evaluated[0]), PREDICTIONS)["transform"].to_list()


def test_a_baseline_on_metadata_finds_what_a_forest_can_see(tmp_path, rows, write_rows, register):
    from training import baselines

    made = [*rows("train", 24), *rows("test", 12, first=200)]
    for row in made:
        if row["label"]:  # fakes as JPEG: the format tells
            buffer = io.BytesIO()
            Image.open(io.BytesIO(row["bytes"])).save(buffer, "JPEG")
            row["bytes"] = buffer.getvalue()
    register(tmp_path, write_rows(tmp_path, made))
    training_set = sets.find(str(tmp_path), "demo")
    target = targets.of_split(str(tmp_path), training_set, "test")
    baselines.score(str(tmp_path), target, training_set, seed=0)
    scores = scoring.all_predictions(str(tmp_path), target, "baseline:metadata:demo@1")
    assert ((scores["logit"] > 0) == (scores["label"] == 1)).all()


def test_images_of_a_collection_are_judged_without_those_that_the_run_has_learnt(evaluated, rows, capsys):
    root, run_id, _ = evaluated
    everything = [*rows("train", 4), *rows("test", 8, first=300)]
    columns = set(IMAGES.columns)
    snapshot.append(str(root), IMAGES, [{k: v for k, v in row.items() if k in columns} for row in everything])
    members = [{"collection": "bench", "image_id": row["image_id"]} for row in everything]
    members += [row | {"paired_generator_id": "gen/0"} for row in members if row["image_id"] in _reals(everything)]
    snapshot.append(str(root), COLLECTIONS, [*members, {"collection": "bench", "image_id": "gone"}])
    words = ["--root", str(root), "--run", run_id, "--collection", "bench", "--pool", "paired", "--balanced"]
    assert job.main([*words, "--bootstrap_draws", "20"]) == 0
    said = capsys.readouterr().out
    assert "8 images = 8 new" in said and "4 images left out" in said and "1 images of the collection" in said
    stored = of(root, run_id, collection="bench", slice_kind="generator", metric="accuracy")
    assert set(stored["pool"]) == {"paired, balanced"}
    reasons = dict(zip(stored["slice"], stored["reason"], strict=True))
    assert reasons == {"gen/0": None, "gen/1": "NO_PAIRED_REALS"}
    with pytest.raises(NothingUsable, match="has learnt"):
        job.main(["--root", str(root), "--run", run_id, "--collection", "demo@1/train"])


def _reals(rows) -> set[str]:
    return {row["image_id"] for row in rows if not row["label"]}


def test_two_runs_are_compared_on_the_same_images_with_paired_intervals(evaluated, capsys):
    root, first, second = evaluated
    words = ["--root", str(root), "--runs", f"[{first}, {second}]", "--collection", "demo@1/test"]
    assert compare_job.main([*words, "--bootstrap_draws", "50", "--format", "json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    mean = next(row for row in rows if (row["slice_kind"], row["metric"]) == ("mean", "roc_auc"))
    keys = {"slice_kind": "mean", "metric": "roc_auc", "collection": "demo@1/test"}
    values = [of(root, run, **keys)["value"].item() for run in (first, second)]
    assert [mean["a"], mean["b"], mean["difference"]] == pytest.approx([*values, values[1] - values[0]])
    assert compare_job.main([*words, "--flipped", "--format", "csv"]) == 0
    head, *flipped = capsys.readouterr().out.splitlines()
    assert head.startswith("image_id,label,generator_id") and len(flipped) <= 12
    words[3] = f"[{first}, nobody]"
    with pytest.raises(NothingUsable, match="no run 'nobody'"):
        compare_job.main(words)
    words[3] = f"[{first}, {Tracker(str(root)).registered_name(Tracker(str(root)).run(second))}]"
    assert compare_job.main([*words, "--flipped", "--format", "csv"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == flipped


def test_files_are_scored_and_bad_ones_reported_with_ingests_codes(evaluated, rows, tmp_path, capsys):
    root, run_id, _ = evaluated
    good, cut = rows("test", 2, first=200)
    (tmp_path / "good.png").write_bytes(good["bytes"])
    (tmp_path / "cut.png").write_bytes(cut["bytes"][:-30])
    (tmp_path / "note.txt").write_text("no image, and not looked at")
    words = [str(tmp_path), "--root", str(root), "--model", run_id, "--format", "json"]
    assert score_job.main(words) == 3
    told = capsys.readouterr()
    found = {Path(row["source"]).name: row for row in map(json.loads, told.out.splitlines())}
    assert set(found) == {"good.png", "cut.png"}
    assert (found["cut.png"]["code"], found["cut.png"]["verdict"]) == ("TRUNCATED", None)
    scores = snapshot.read(str(root), PREDICTIONS).filter(pl.col("image_id") == good["image_id"])
    stored = scores.filter(pl.col("run_id") == run_id, pl.col("transform") == "none")["logit"].item()
    assert found["good.png"]["logit"] == pytest.approx(stored, abs=1e-5)
    point = evaluation.points_of(str(root), run_id)["balanced"]
    assert (found["good.png"]["stated_fpr"], found["good.png"]["threshold"]) == (point.fpr, point.threshold)
    assert "score: 2 images = 1 new + 1 rejected" in told.err


def test_the_lake_is_scored_too_with_a_band_of_abstention(evaluated, capsys):
    root, run_id, _ = evaluated
    words = ["--root", str(root), "--model", run_id, "--paths", "[lake:demo@1/test]", "--format", "csv"]
    assert score_job.main([*words, "--operating_point", "fpr_0.05", "--abstain", "fnr_0.05"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.startswith("source,verdict,probability,logit") and len(lines) == 12
    points = evaluation.points_of(str(root), run_id)
    low, high = points["fnr_0.05"].threshold, points["fpr_0.05"].threshold
    for verdict, logit in (line.split(",")[1:4:2] for line in lines):
        band = "abstain" if low < float(logit) <= high else "real"
        assert verdict == ("fake" if float(logit) > high else band)
    with pytest.raises(ConfigError, match=r"no operating point fpr_0\.01"):
        score_job.main([*words, "--operating_point", "fpr_0.01"])


def test_metrics_that_changed_replace_those_of_their_run_and_no_others(tmp_path):
    rows = pl.DataFrame({
        "image_id": ["a", "b"], "label": [0, 1], "logit": [-1.0, 1.0], "generator_id": [None, "g"],
        "real_source": ["photos", None], "format": ["PNG", "PNG"],
    })  # fmt: skip
    how = Judging(draws=10)

    def store(rows: pl.DataFrame, run_id: str) -> bool:
        told = evaluation.rows(evaluation.evaluate(str(tmp_path), rows, how), how)
        return evaluation.store(str(tmp_path), told, run_id, "demo@1/test", "none", "all")

    assert store(rows, "run1") and store(rows, "run2")
    assert not store(rows, "run1")
    assert store(rows.with_columns(logit=pl.Series([1.0, -1.0])), "run1")
    stored = snapshot.read(str(tmp_path), EVALUATIONS).filter(
        pl.col("slice") == "all", pl.col("metric") == "accuracy"
    )
    assert dict(zip(stored["run_id"], stored["value"], strict=True)) == {"run1": 0.0, "run2": 1.0}


def test_a_generator_without_reals_to_compare_gives_null_and_says_one_class(tmp_path):
    rows = pl.DataFrame({
        "image_id": ["a", "b"], "label": [1, 1], "logit": [-1.0, 1.0], "generator_id": ["g", "g"],
        "real_source": [None, None], "format": ["PNG", "PNG"],
    }, schema_overrides={"real_source": pl.String})  # fmt: skip
    how = Judging(draws=10)
    told = evaluation.rows(evaluation.evaluate(str(tmp_path), rows, how), how)
    evaluation.store(str(tmp_path), told, "run", "demo@1/test", "none", "all")
    stored = snapshot.read(str(tmp_path), EVALUATIONS).filter(pl.col("metric") == "average_precision")
    assert set(stored["value"]) == {None}
    assert set(stored["reason"]) == {"ONE_CLASS"}
    assert "ONE_CLASS" in "\n".join(reporting.table(told, {}))
    with pytest.raises(ConfigError, match="no real image beside"):
        evaluation.evaluate(str(tmp_path), rows, Judging(pool="paired"))


def test_a_table_of_an_older_version_is_refused_with_a_remedy(tmp_path):
    import deltalake

    (tmp_path / "evaluations").mkdir()
    old = pl.DataFrame({"run_id": ["r"], "metric": ["accuracy"]}).to_arrow()
    deltalake.write_deltalake(str(tmp_path / "evaluations"), old)
    with pytest.raises(TableOutdated, match="move it away"):
        evaluation.store(str(tmp_path), [], "run", "demo@1/test", "none", "all")


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
