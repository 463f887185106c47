"""Real servers on this machine: an object store, a standalone Spark cluster, MLflow on PostgreSQL."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster.servers import (
    BUCKET,
    Server,
    SparkCluster,
    mlflow_server,
    object_store,
    postgresql,
    spark_cluster,
)
from tests.flow.commands import BIN, ROOT, clean_environment
from tests.flow.conftest import bare_environment, demo_hub, demo_lake, wheel

__all__ = ["bare_environment", "demo_hub", "demo_lake", "wheel"]

Store = tuple[Server, dict[str, str]]
LAKE = f"s3a://{BUCKET}/demo"
"""The lake that the whole demo fills."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.cluster)
        item.add_marker(pytest.mark.timeout(1200))


@pytest.fixture(scope="session")
def store(tmp_path_factory) -> Iterator[Store]:
    """The object store, and the environment of whoever uses it."""
    with object_store(tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture
def root(store, monkeypatch, request) -> str:
    """A lake of the test's own in the object store, which this process may use too."""
    for key, value in store[1].items():
        monkeypatch.setenv(key, value)
    return f"s3a://{BUCKET}/{request.node.name.partition('[')[0][:40]}"


@pytest.fixture(scope="session")
def database() -> Iterator[str]:
    """The address of MLflow's database, with its password."""
    with postgresql() as address:
        yield address


@pytest.fixture(scope="session")
def mlflow(store, database, tmp_path_factory) -> Iterator[Server]:
    """MLflow's server: its runs in PostgreSQL, their files in the object store."""
    environment = store[1] | {"MLFLOW_BACKEND_STORE_URI": database}
    with mlflow_server(tmp_path_factory.mktemp("mlflow"), LAKE, environment) as running:
        yield running


@dataclass
class Cluster:
    """A standalone cluster whose executors have the pinned packages, and of the project what is submitted."""

    spark: SparkCluster
    environment: dict[str, str]
    project: str
    folder: Path

    def submit(self, job: str, *words: str) -> "Submitted":
        """Begin a job file by spark-submit, as docs/operations.md says it."""
        command = [BIN / "spark-submit", "--master", self.spark.address, "--py-files", self.project]
        command += ["--properties-file", ROOT / "conf" / "cluster" / "standalone.conf"]
        command += ["--conf", "spark.driver.host=127.0.0.1", "--conf", "spark.driver.bindAddress=127.0.0.1"]
        command += ["--conf", "spark.driver.memory=2g", "--conf", "spark.sql.shuffle.partitions=2"]
        log = self.folder / f"{len(list(self.folder.glob('*.log')))}-{Path(job).stem}.log"
        with open(log, "w") as output:
            process = subprocess.Popen(
                [*command, ROOT / job, *words],
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Submitted(process, log)


@dataclass
class Submitted:
    """A job that runs, and what it says."""

    process: subprocess.Popen
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text()

    def kill(self) -> None:
        """End the driver, its JVM and what they started, without a word."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def wait(self, seconds: float = 900) -> int:
        try:
            return self.process.wait(seconds)
        finally:
            self.kill()

    def succeed(self) -> "Submitted":
        """Wait for the job and require that it ended well, rejects allowed."""
        code = self.wait()
        assert code in (0, 3), self.said[-6000:]
        return self


def until(holds: Callable[[], bool], running: Submitted, seconds: float = 240) -> None:
    """Wait until something holds while a job runs."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert running.process.poll() is None, running.said[-6000:]
        assert time.monotonic() < deadline, running.said[-6000:]
        time.sleep(0.1)


@pytest.fixture(scope="session")
def cluster(store, mlflow, wheel, bare_environment, tmp_path_factory) -> Iterator[Cluster]:
    """A standalone cluster of two workers; its executors find the store's keys in the workers' environment."""
    folder = tmp_path_factory.mktemp("cluster")
    with spark_cluster(folder / "spark", store[1]) as running:
        environment = clean_environment(
            PATH=f"{BIN}{os.pathsep}{os.environ['PATH']}",
            PYSPARK_PYTHON=str(bare_environment / "python"),
            PYSPARK_DRIVER_PYTHON=str(BIN / "python"),
            MLFLOW_TRACKING_URI=f"http://127.0.0.1:{mlflow.port}",
            **store[1],
        )
        yield Cluster(running, environment, shutil.copy(wheel, folder / "forensics.zip"), folder)


@pytest.fixture(scope="session")
def demo(cluster) -> Submitted:
    """The whole demo of the smallest size, submitted to the cluster."""
    words = ["--photos", "24", "--images_per_generator", "3", "--epochs", "1"]
    return cluster.submit("etl/jobs/demo.py", "--root", LAKE, "--driver", "spark", *words)


@pytest.fixture
def lake(demo, store, monkeypatch) -> str:
    """The root of the lake that the demo filled, which this process may read."""
    demo.succeed()
    for key, value in store[1].items():
        monkeypatch.setenv(key, value)
    return LAKE
