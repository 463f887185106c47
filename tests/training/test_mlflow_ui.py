"""MLflow's interface: it starts on the loopback over a lake's runs, and says why when it cannot."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from etl.errors import LakeMissing, PortInUse
from training import mlflow_server


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_without_a_store_the_lake_counts_as_missing(tmp_path: Path):
    with pytest.raises(LakeMissing, match="forensics train"):
        mlflow_server.command(str(tmp_path), 5000)


def test_a_taken_port_is_named(tmp_path: Path, mlflow_database):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(PortInUse, match=str(port)):
            mlflow_server.command(str(mlflow_database.parent), port)


def test_the_interface_answers_on_the_loopback(mlflow_database):
    port = free_port()
    words = [sys.executable, "-m", "training.jobs.mlflow_ui", "--root", str(mlflow_database.parent)]
    process = subprocess.Popen(
        [*words, "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert _answer(f"http://127.0.0.1:{port}/health", process) == b"OK"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def _answer(url: str, process: subprocess.Popen) -> bytes:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as reply:
                return bytes(reply.read())
        except OSError:
            time.sleep(0.3)
    raise AssertionError(f"no answer; exit code {process.poll()}")
