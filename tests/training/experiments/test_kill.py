"""A killed experiment goes on where it stopped: the real command, killed by SIGKILL."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import yaml

from etl.lake import snapshot
from etl.lake.schemas import EXPERIMENT_UNITS, EXPERIMENTS


def test_a_killed_experiment_goes_on_where_it_stopped(tiny_world, tmp_path, declare):
    root = tmp_path / "lake"
    shutil.copytree(tiny_world, root)
    config = tmp_path / "tiny.yaml"
    settings = declare(str(root))
    config.write_text(yaml.safe_dump({key: value for key, value in asdict(settings).items() if value is not None}))
    reached = tmp_path / "reached"
    command = [sys.executable, "-m", "training.jobs.experiment", "--config", str(config)]
    faults = {"FORENSICS_FAULT": "experiment:after-write", "FORENSICS_FAULT_FILE": str(reached)}
    faults["FORENSICS_FLUSH_SECONDS"] = "0"
    with subprocess.Popen(command, env=os.environ | faults, cwd=Path(__file__).parents[3]) as process:
        while not reached.exists() and process.poll() is None:
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
    before = snapshot.read(str(root), EXPERIMENTS)
    assert 0 < before.height < 30
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert done.returncode == 0, done.stderr
    assert f"30 cells = {30 - before.height} new + 0 rejected + {before.height} already there" in done.stdout
    after = snapshot.read(str(root), EXPERIMENTS)
    assert after.height == after["cell"].n_unique() == 30
    keys = snapshot.read(str(root), EXPERIMENT_UNITS).select(EXPERIMENT_UNITS.key)
    assert keys.unique().height == keys.height


KILLED = """
import os, signal
from training.experiments.running import _executor

with _executor(2) as submit:
    print(submit(os.getpid).result(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_no_process_outlives_an_experiment_that_was_killed():
    with subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        worker = Path("/proc") / process.stdout.readline().strip()
        assert process.wait() == -signal.SIGKILL
    deadline = time.monotonic() + 10
    while worker.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not worker.exists()
