"""The servers of the tests, processes of their own on the loopback: object store, Spark, PostgreSQL, MLflow."""

import contextlib
import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyspark
import pytest

from tests.flow.commands import BIN, clean_environment

BUCKET = "lake"
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def _end_with_parent() -> None:
    """Let a killed test run leave no server behind."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen, log: Path, seconds: float = 120) -> None:
    """Wait until a server listens; fail with its log where it ends before."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()[-3000:]
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.2)
    raise AssertionError(f"nothing listens at {port}: {log.read_text()[-3000:]}")


@dataclass
class Server:
    """A process that can be ended and begun again with the same command."""

    command: list[str]
    environment: dict[str, str]
    folder: Path
    name: str
    port: int = 0
    user: str | None = None
    process: subprocess.Popen = field(init=False)

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def start(self) -> "Server":
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                user=self.user,
                extra_groups=[] if self.user else None,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
        if self.port:
            wait_for(self.port, self.process, self.log)
        return self

    def kill(self) -> None:
        """End the server, and what it started, without a chance to say goodbye."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        self.kill()


@contextlib.contextmanager
def object_store(folder: Path) -> Iterator[tuple[Server, dict[str, str]]]:
    """Run MinIO with a bucket; yield it and the environment of its clients. Skips where MinIO is missing."""
    found = os.environ.get("FORENSICS_MINIO") or shutil.which("minio") or str(Path.home() / "go" / "bin" / "minio")
    if not Path(found).is_file():
        pytest.skip("there is no minio: `.ci/setup --cluster` builds it")
    (folder / "s3" / BUCKET).mkdir(parents=True)
    key, secret, port = f"key{secrets.token_hex(6)}", secrets.token_hex(16), free_port()
    own = clean_environment(MINIO_ROOT_USER=key, MINIO_ROOT_PASSWORD=secret, MINIO_BROWSER="off")
    command = [found, "server", str(folder / "s3"), "--address", f"127.0.0.1:{port}", "--quiet"]
    server = Server(command, own, folder, "minio", port).start()
    try:
        yield (
            server,
            {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "AWS_ACCESS_KEY_ID": key,
                "AWS_SECRET_ACCESS_KEY": secret,
                "AWS_REGION": "us-east-1",
                "FORENSICS_WORK": str(folder / "work"),
            },
        )
    finally:
        server.end()


@dataclass
class SparkCluster:
    """A standalone master and its workers, of one core each."""

    master: Server
    workers: list[Server]

    @property
    def address(self) -> str:
        return f"spark://127.0.0.1:{self.master.port}"


@contextlib.contextmanager
def spark_cluster(folder: Path, environment: dict[str, str], workers: int = 2) -> Iterator[SparkCluster]:
    """Run Spark from pyspark's own jars; `environment` is what the executors find, such as the store's keys."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    own = clean_environment(
        SPARK_HOME=str(Path(pyspark.__file__).parent),
        SPARK_LOCAL_IP="127.0.0.1",
        SPARK_NO_DAEMONIZE="1",
        SPARK_WORKER_DIR=str(folder / "work"),
        SPARK_LOCAL_DIRS=str(folder / "local"),
        SPARK_DAEMON_MEMORY="512m",
        **environment,
    )
    spark_class = str(BIN / "spark-class")
    package = "org.apache.spark.deploy"
    master = [spark_class, f"{package}.master.Master", "--host", "127.0.0.1", "--port", str(port)]
    cluster = SparkCluster(Server([*master, "--webui-port", "0"], own, folder, "master", port).start(), [])
    try:
        for number in range(workers):
            worker = [spark_class, f"{package}.worker.Worker", "--host", "127.0.0.1", "--webui-port", "0"]
            worker += ["--cores", "1", "--memory", "3g", cluster.address]
            cluster.workers.append(Server(worker, own, folder, f"worker{number}", free_port()))
            cluster.workers[-1].command[4:4] = ["--port", str(cluster.workers[-1].port)]
            cluster.workers[-1].start()
        yield cluster
    finally:
        for server in [*cluster.workers, cluster.master]:
            server.end()


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """Run Debian's PostgreSQL with a database of its own; yield its address. Skips where it is missing."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("there is no PostgreSQL: `.ci/setup --cluster` installs it")
    bin_, port, password = found[-1].parent, free_port(), secrets.token_hex(12)
    user = "postgres" if os.geteuid() == 0 else None  # it does not run as root, nor below a folder of root's alone
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        (folder / "password").write_text(password)
        if user:
            for path in (folder, folder / "password"):
                shutil.chown(path, user)
        as_user = {"user": user, "extra_groups": []} if user else {}
        make = [bin_ / "initdb", "-D", folder / "data", "-U", "mlflow", "-A", "scram-sha-256", "-N"]
        make.append(f"--pwfile={folder / 'password'}")
        subprocess.run(make, check=True, capture_output=True, cwd=folder, **as_user)
        options = [
            "-c",
            f"unix_socket_directories={folder}",
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "fsync=off",
        ]
        command = [str(bin_ / "postgres"), "-D", str(folder / "data"), "-p", str(port), *options]
        server = Server(command, clean_environment(), folder, "postgresql", port, user).start()
        try:
            yield f"postgresql://mlflow:{password}@127.0.0.1:{port}/postgres"
        finally:
            server.end()


@contextlib.contextmanager
def mlflow_server(folder: Path, root: str, environment: dict[str, str]) -> Iterator[Server]:
    """Run `forensics mlflow` over a lake, for clients that know its address alone."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [str(BIN / "forensics"), "mlflow", "--root", root, "--port", str(port)]
    server = Server(command, clean_environment(**environment), folder, "mlflow", port).start()
    try:
        yield server
    finally:
        server.end()
