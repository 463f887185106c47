"""Two tasks of a cluster train one detector from a lake in an object store, as one process does from a folder."""

from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from etl.lake import storage
from tests.cluster.conftest import Cluster, until
from tests.cluster.servers import BUCKET, Server
from tests.training.conftest import lake_root, mlflow_database, one_thread, register, rows, write_rows
from tests.training.test_runs import client, settings
from training import runs

__all__ = ["lake_root", "mlflow_database", "one_thread", "register", "rows", "write_rows"]


def upload(folder: Path, prefix: str) -> None:
    """Bring a lake's tables into the object store: a Delta table names its files by their place in it."""
    for file in folder.rglob("*"):
        if file.is_file() and "training" in str(file.relative_to(folder)):
            storage.client().upload_file(str(file), BUCKET, f"{prefix}/{file.relative_to(folder)}")


def kept(store) -> list[Path]:
    return list(Path(store[1]["FORENSICS_WORK"]).glob("row-groups/*.arrow"))


def test_two_tasks_train_on_disjoint_shards_of_the_store_and_learn_as_one_process_from_a_folder(
    lake_root, rows, write_rows, register, cluster: Cluster, mlflow: Server, root, store
):
    everything = [*rows("train", 24), *rows("val", 8, first=100)]
    register(lake_root, write_rows(lake_root, everything, rows_a_group=6, mode="overwrite"), version=2)
    upload(lake_root, root.removeprefix(f"s3a://{BUCKET}/"))
    before = len(kept(store))
    words = ["--root", root, "--detector", "test_vit", "--epochs", "4", "--device", "cpu"]
    words += ["--batch_size", "6", "--processes", "2", "--launcher", "spark", "--experiment", "shards"]
    cluster.submit("training/jobs/train.py", *words).succeed()
    server = MlflowClient(tracking_uri=f"http://127.0.0.1:{mlflow.port}")
    experiment = server.get_experiment_by_name("shards")
    together = server.search_runs([experiment.experiment_id])[0]
    alone = runs.train(replace(settings(lake_root), epochs=4, batch_size=12, device="cpu"))
    for curve, points in (("train_loss", 8), ("val_loss", 4)):
        both = [point.value for point in server.get_metric_history(together.info.run_id, curve)]
        one = [point.value for point in client(lake_root).get_metric_history(alone.run_id, curve)]
        assert len(both) == points and both == pytest.approx(one, abs=1e-4), curve
    assert len(kept(store)) - before >= 5  # each row group was read from the store once, and then from this disk


def test_another_machine_goes_on_from_the_checkpoint_in_the_lake(
    lake_root, rows, write_rows, register, cluster: Cluster, root, store, tmp_path
):
    upload(lake_root, root.removeprefix(f"s3a://{BUCKET}/"))
    words = ["--root", root, "--detector", "test_vit", "--epochs", "2", "--batch_size", "8", "--device", "cpu"]
    reached = tmp_path / "reached"
    fault = {"FORENSICS_FAULT": "train:after-checkpoint", "FORENSICS_FAULT_FILE": str(reached)}
    killed = replace(cluster, environment=cluster.environment | fault).submit("training/jobs/train.py", *words)
    until(reached.exists, killed)
    killed.kill()
    elsewhere = cluster.environment | {"FORENSICS_WORK": str(tmp_path / "another")}
    again = replace(cluster, environment=elsewhere).submit("training/jobs/train.py", *words).succeed()
    assert "epoch 2/2" in again.said
    assert "epoch 1/2" not in again.said


def test_training_outlives_mlflow_and_logs_the_rest_later(
    lake_root, cluster: Cluster, mlflow: Server, root, store, tmp_path
):
    upload(lake_root, root.removeprefix(f"s3a://{BUCKET}/"))
    words = ["--root", root, "--detector", "test_vit", "--epochs", "40", "--batch_size", "8", "--device", "cpu"]
    running = cluster.submit("training/jobs/train.py", *words)
    until(lambda: "epoch 1/40" in running.said, running)
    mlflow.kill()
    code = running.wait()
    mlflow.start()
    assert code == 1, running.said[-3000:]
    assert "MLflow does not answer" in running.said
    assert "\nerror: the detector is trained, but MLflow does not take it" in running.said
    again = cluster.submit("training/jobs/train.py", *words).succeed()
    assert "train: 1 detectors = 1 new" in again.said
    assert "epoch 40/40" not in again.said  # nothing was trained again
    third = cluster.submit("training/jobs/train.py", *words).succeed()
    assert "already trained as run" in third.said
