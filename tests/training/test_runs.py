"""Training a detector on a table, logged to MLflow: complete, found again, gone on with."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from mlflow import MlflowClient, pyfunc
from safetensors.torch import load_file, save_file

from etl.errors import ConfigError, LakeMissing, LockHeld, NothingUsable
from etl.lake.lock import table_lock
from training import artifacts, checkpoint, detectors, evaluation, runs, sets
from training.errors import NonFiniteLoss, TrackingUnavailable
from training.jobs import train as job
from training.mlflow_server import DATABASE, database_uri
from training.settings import TrainSettings
from training.tracking import Tracker


def settings(root: Path) -> TrainSettings:
    return TrainSettings(root=str(root), detector="test_vit", epochs=2, batch_size=8)


def client(root: Path) -> MlflowClient:
    return MlflowClient(tracking_uri=database_uri(root / DATABASE))


def all_runs(root: Path) -> list:
    found = client(root)
    return found.search_runs([e.experiment_id for e in found.search_experiments()])


def command(root: Path) -> list[str]:
    words = [sys.executable, "-m", "training.jobs.train", "--root", str(root), "--detector", "test_vit"]
    return [*words, "--epochs", "2", "--batch_size", "8"]


def test_a_run_holds_curves_settings_origins_and_the_detector(lake_root):
    trained = runs.train(settings(lake_root))
    run = client(lake_root).get_run(trained.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["detector"] == "test_vit" and run.data.params["epochs"] == "2"
    assert run.data.tags["training_set"] == "demo" and run.data.tags["training_set_version"] == "1"
    assert json.loads(run.data.tags["table_versions"]) == {"images": 3}
    assert {"run_key", "rows_version", "config_hash", "training_set_id_checksum"} <= run.data.tags.keys()
    assert {"python", "torch", "petastorm"} <= json.loads(run.data.tags["versions"]).keys()
    page = f"http://127.0.0.1:8501/evaluation?run={trained.run_id}"
    assert run.data.tags["explorer"] == page and f"({page})" in run.data.tags["mlflow.note.content"]
    steps = client(lake_root).get_metric_history(trained.run_id, "train_loss")
    assert [point.step for point in steps] == [1, 2, 3, 4, 5, 6]
    for curve in ("val_loss", "val_accuracy", "val_average_precision"):
        assert [point.step for point in client(lake_root).get_metric_history(trained.run_id, curve)] == [1, 2]
    tracker = Tracker(str(lake_root))
    found = tracker.run(trained.run_id)
    assert json.loads(tracker.artifact(found, artifacts.MODEL_CONFIG).read_text())["input_size"] == 32
    assert tracker.artifact(found, artifacts.MODEL).is_relative_to(lake_root / "mlartifacts")
    assert "torch==" in tracker.artifact(found, "requirements.txt").read_text()
    assert not list((lake_root / ".training").iterdir())


def test_a_run_that_somebody_described_keeps_their_words(lake_root):
    tracker = Tracker(str(lake_root))
    started = tracker.start("detectors", "described", {"mlflow.note.content": "the good one"}, {})
    tracker.link(started, "http://127.0.0.1:8501/evaluation")
    assert tracker.run(started.run_id).tags["mlflow.note.content"] == "the good one"


def test_the_detector_is_registered_with_a_signature_and_served_without_pickle(lake_root, rows):
    trained = runs.train(settings(lake_root))
    version = client(lake_root).get_latest_versions("demo-test_vit")[0]
    assert version.run_id == trained.run_id
    folder = lake_root / "mlartifacts"
    assert not [path for path in folder.rglob("*") if path.suffix in (".pkl", ".pt", ".pth", ".bin")]
    model = pyfunc.load_model(str(next(folder.rglob("MLmodel")).parent))
    assert model.metadata.signature.inputs.input_names() == ["image"]
    served = model.predict(pd.DataFrame({"image": [row["bytes"] for row in rows("test", 3)]}))
    assert served.shape == (3,) and np.isfinite(served).all()
    card = next(folder.rglob("model_card.md")).read_text()
    assert "test_vit trained on demo@1" in card and "24 images to train on, 8 to validate on" in card


def test_training_goes_on_while_mlflow_takes_nothing_and_is_logged_by_the_same_command(
    lake_root, capsys, monkeypatch
):
    with sqlite3.connect(lake_root / DATABASE) as database:  # a lock would do the same after 20 seconds
        database.execute("CREATE TRIGGER shut BEFORE INSERT ON runs BEGIN SELECT RAISE(ABORT, 'shut'); END")
    with pytest.raises(TrackingUnavailable, match="run the same command again"):
        runs.train(settings(lake_root))
    assert "MLflow does not answer" in capsys.readouterr().err
    with sqlite3.connect(lake_root / DATABASE) as database:
        database.execute("DROP TRIGGER shut")
    monkeypatch.setattr("training.loop.train_epoch", None)  # nothing is trained again
    trained = runs.train(settings(lake_root))
    steps = client(lake_root).get_metric_history(trained.run_id, "train_loss")
    assert [point.step for point in steps] == [1, 2, 3, 4, 5, 6]
    assert client(lake_root).get_run(trained.run_id).info.status == "FINISHED"


@pytest.mark.timeout(900)  # six processes that load torch: on a machine that does much else, minutes
@pytest.mark.parametrize("launcher", ["torchrun", "spark"])
def test_two_processes_train_on_disjoint_shards_and_learn_as_one_with_twice_the_batch(
    lake_root, launcher, rows, write_rows, register
):
    # Four row groups of six images to train on: each process takes one of the two that one would in a step.
    everything = [*rows("train", 24), *rows("val", 8, first=100)]
    register(lake_root, write_rows(lake_root, everything, rows_a_group=6, mode="overwrite"), version=2)
    words = [*command(lake_root), "--epochs", "4", "--device", "cpu"]
    done = subprocess.run(
        [*words, "--batch_size", "6", "--processes", "2", "--launcher", launcher], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    together = all_runs(lake_root)[0]
    alone = runs.train(replace(settings(lake_root), epochs=4, batch_size=12))
    for curve, points in (("train_loss", 8), ("val_loss", 4)):
        both, one = (
            [point.value for point in client(lake_root).get_metric_history(run, curve)]
            for run in (together.info.run_id, alone.run_id)
        )
        assert len(both) == points and both == pytest.approx(one, abs=1e-4), curve
        assert max(one) - min(one) > 0.01


@pytest.mark.timeout(600)
def test_the_processes_of_a_killed_training_end_too(lake_root, wait_for):
    words = [*command(lake_root), "--epochs", "3000", "--processes", "2", "--batch_size", "4", "--device", "cpu"]
    main = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: len(of_lake(lake_root)) >= 4 and all_runs(lake_root), 300)  # with torchrun and two processes
    main.kill()
    main.wait()
    wait_for(lambda: not of_lake(lake_root), 60)


def of_lake(root: Path) -> list[str]:
    """Return the processes whose command names the lake."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(root).encode() in file.read_bytes():
                found.append(file.parent.name)
    return found


def test_a_finished_training_is_found_again_and_adds_nothing(lake_root, capsys):
    words = command(lake_root)[3:]
    assert job.main(words) == 0
    assert "train: 1 detectors = 1 new + 0 rejected + 0 already there" in capsys.readouterr().out
    assert job.main(words) == 0
    assert "= 0 new + 0 rejected + 1 already there; already trained as run" in capsys.readouterr().out
    assert len(all_runs(lake_root)) == 1


def test_a_training_ends_with_its_run_judged_on_validation_images_and_plotted(lake_root):
    assert job.main(command(lake_root)[3:]) == 0
    tracker, run = Tracker(str(lake_root)), all_runs(lake_root)[0]
    place, found = "evaluations/demo-1-val-all", tracker.run(run.info.run_id)
    for plot in ("roc", "det", "calibration", "generators"):
        assert tracker.artifact(found, f"{place}/{plot}.png").stat().st_size > 1000
    table = json.loads(tracker.artifact(found, f"{place}/by_generator.json").read_text())
    assert [row[:3] for row in table["data"]] == [["gen/0", 2, 4], ["gen/1", 2, 4]]
    assert tracker.has_table(found, f"{place}/by_generator.json")
    assert "balanced" in evaluation.points_of(str(lake_root), found.run_id)
    shutil.rmtree(lake_root / "evaluations")  # as where a kill came before
    assert job.main(command(lake_root)[3:]) == 0
    assert "balanced" in evaluation.points_of(str(lake_root), found.run_id)


def test_other_settings_or_other_rows_are_another_run(lake_root):
    first = sets.find(str(lake_root), "demo")
    own = settings(lake_root)
    keys = {
        runs.run_key(own, first),
        runs.run_key(replace(own, seed=1), first),
        runs.run_key(own, replace(first, version=2)),
        runs.run_key(own, replace(first, id_checksum="other")),
    }
    assert len(keys) == 4
    assert runs.run_key(replace(own, root="elsewhere", version=1), first) == runs.run_key(own, first)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("every", [0, 2])
def test_a_killed_training_goes_on_under_its_id_and_ends_as_an_uninterrupted_one(lake_root, tmp_path, every):
    reached = tmp_path / "reached"
    words = [*command(lake_root), "--checkpoint_steps", str(every)]  # 2 lies within the first epoch of three steps
    fault = {"FORENSICS_FAULT": "train:after-checkpoint", "FORENSICS_FAULT_FILE": str(reached)}
    process = subprocess.Popen(words, env={**os.environ, **fault}, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 400
        while not reached.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        assert reached.exists()
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert [run.info.status for run in all_runs(lake_root)] == ["RUNNING"]
    trained = runs.train(settings(lake_root))
    assert [(run.info.run_id, run.info.status) for run in all_runs(lake_root)] == [(trained.run_id, "FINISHED")]
    steps = client(lake_root).get_metric_history(trained.run_id, "train_loss")
    assert [point.step for point in steps] == [1, 2, 3, 4, 5, 6]
    again = runs.train(replace(settings(lake_root), warmup_fraction=0.2000000001))  # another key, the same numbers
    tracker = Tracker(str(lake_root))
    resumed, whole = (
        load_file(tracker.artifact(tracker.run(run_id), artifacts.MODEL))
        for run_id in (trained.run_id, again.run_id)
    )
    assert max(float((resumed[key] - whole[key]).abs().max()) for key in whole) < 1e-6


def test_curves_that_a_killed_run_had_logged_are_not_doubled(lake_root):
    tracker = Tracker(str(lake_root))
    run = tracker.start("detectors", "x", {"run_key": "k"}, {})
    history = [checkpoint.Measurement("train_loss", 0.5 / step, step, 1000 + step) for step in range(1, 1502)]
    tracker.log(run, history[:700])
    tracker.log(run, history)
    assert len(client(lake_root).get_metric_history(run.run_id, "train_loss")) == 1501


def test_released_weights_become_a_run_as_they_are_without_an_epoch(lake_root, tmp_path):
    tensors = detectors.build("test_vit", seed=7).state_dict()
    save_file({f"vit.{key}": tensor.contiguous() for key, tensor in tensors.items()}, tmp_path / "x.safetensors")
    given = replace(settings(lake_root), epochs=0, weights=str(tmp_path / "x.safetensors"))
    assert TrainSettings(epochs=0).problems() == ["epochs must be 1 or more, or 0 with --weights"]
    tracker = Tracker(str(lake_root))
    found = load_file(tracker.artifact(tracker.run(runs.train(given).run_id), artifacts.MODEL))
    assert all(torch.equal(found[key], tensor) for key, tensor in tensors.items())


def test_patience_without_images_to_validate_on_is_refused(tmp_path, rows, write_rows, register, mlflow_database):
    shutil.copy(mlflow_database, tmp_path / DATABASE)
    register(tmp_path, write_rows(tmp_path, rows("train", 8)))
    with pytest.raises(ConfigError, match="--patience needs a validation split"):
        runs.train(replace(settings(tmp_path), patience=1))
    trained = runs.train(settings(tmp_path))  # all epochs, without a curve of validation
    assert set(trained.figures) == {"train_loss", "images_per_second", "share_waiting_for_data"}


def test_a_training_that_diverges_is_marked_as_failed(lake_root, monkeypatch):
    monkeypatch.setattr("training.loop.learning_rate", lambda *_: float("nan"))
    with pytest.raises(NonFiniteLoss):
        runs.train(settings(lake_root))
    assert [run.info.status for run in all_runs(lake_root)] == ["FAILED"]


def test_a_training_that_another_process_does_stops_at_its_start(lake_root):
    key = runs.run_key(settings(lake_root), sets.find(str(lake_root), "demo"))
    holder = f"""
import sys, time
from etl.lake.lock import table_lock
with table_lock({str(lake_root)!r}, "training/{key[:16]}"):
    print("held", flush=True)
    time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", holder], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout and process.stdout.readline() == "held\n"
        with pytest.raises(LockHeld):
            runs.train(settings(lake_root))
    finally:
        process.kill()
        process.wait()


def test_a_store_that_a_killed_process_left_half_made_is_made_anew(mlflow_database):
    assert [path.name for path in mlflow_database.parent.glob("mlflow.db*")] == ["mlflow.db"]


def test_a_training_set_of_one_class_is_not_trained_on(tmp_path, rows, write_rows, register, mlflow_database):
    shutil.copy(mlflow_database, tmp_path / DATABASE)
    fakes = [row for row in rows("train", 8) if row["label"]]
    register(tmp_path, write_rows(tmp_path, fakes))
    with pytest.raises(NothingUsable, match="two classes"):
        runs.train(settings(tmp_path))


def test_the_newest_version_of_a_training_set_is_chosen_and_a_missing_one_named(tmp_path, register):
    with pytest.raises(LakeMissing):
        sets.find(str(tmp_path), "demo")
    for version in (2, 10, 9):
        register(tmp_path, rows_version=version, version=version)
    assert sets.find(str(tmp_path), "demo").version == 10
    assert sets.find(str(tmp_path), "demo", 2).rows_version == 2
    for name, version in (("demo", 3), ("other", None)):
        with pytest.raises(NothingUsable, match="build-training-set"):
            sets.find(str(tmp_path), name, version)


def test_the_lock_of_a_training_is_free_after_it(lake_root):
    runs.train(settings(lake_root))
    key = runs.run_key(settings(lake_root), sets.find(str(lake_root), "demo"))
    with table_lock(str(lake_root), f"training/{key[:16]}"):
        pass
