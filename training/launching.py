"""Starting several processes that train one detector: by torchrun on this machine, or as tasks of Spark."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from etl.config import as_dict
from training import mlflow_server
from training.errors import ProcessesFailed
from training.settings import TrainSettings

JOB = Path(__file__).parent / "jobs" / "train.py"


def is_launched() -> bool:
    """Whether this process is one of those that `launch` starts."""
    return "RANK" in os.environ


def launch(settings: TrainSettings) -> None:
    """Run the job of the same settings in --processes processes, and wait for them.

    On Spark every task does what the job does: the lake must lie where all nodes see it, and the session must have
    a slot a process. Raises ProcessesFailed; each process says its own error.
    """
    words = [f"--{key}={_word(value)}" for key, value in as_dict(settings).items() if value is not None]
    if settings.launcher == "spark":
        _by_spark(settings, words)
        return
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", str(settings.processes), str(JOB), *words]
    if subprocess.run(command, env=_environment(), check=False, preexec_fn=_end_with_parent).returncode:
        raise ProcessesFailed(
            f"one of {settings.processes} processes failed, and says above why; the others were ended"
        )


def _end_with_parent() -> None:
    """Have torchrun, which then ends its processes, told to end when this command is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM, 0, 0, 0)  # PR_SET_PDEATHSIG of linux/prctl.h


def _by_spark(settings: TrainSettings, words: list[str]) -> None:
    import torch
    from pyspark.ml.torch.distributor import TorchDistributor

    from etl.lake.session import session

    with session("train", f"local[{settings.processes}]", settings.root) as spark:
        archives = [Path(file).name for file in spark.conf.get("spark.submit.pyFiles", "").split(",") if file]
        on_cuda = settings.device != "cpu" and torch.cuda.is_available()
        distributor = TorchDistributor(settings.processes, local_mode=False, use_gpu=on_cuda)
        os.environ.update(_environment())
        try:
            distributor.run(_task(), archives, words, mlflow_server.server())
        except Exception as error:  # Spark's, whatever a task died of
            raise ProcessesFailed(
                f"one of {settings.processes} tasks failed {_cause(str(error))}; the same command goes on from "
                "the last checkpoint"
            ) from None


def _task() -> Callable[[list[str], list[str], str | None], None]:
    """Return what each task runs: a function within one, which travels whole to nodes without the project."""

    def train(archives: list[str], words: list[str], mlflow: str | None) -> None:
        import os
        import sys

        # torchrun's process is a new one: unlike Spark's it does not know what --py-files brought.
        here = [os.path.abspath(archive) for archive in archives if os.path.exists(archive)]
        sys.path[:0] = here
        os.environ["PYTHONPATH"] = os.pathsep.join([*here, os.environ.get("PYTHONPATH", "")])
        if mlflow:
            os.environ["MLFLOW_TRACKING_URI"] = mlflow
        from etl.cli import job
        from etl.command import run

        if code := run(job("train"), words):
            sys.exit(code)

    return train


def _cause(text: str) -> str:
    """Say what Spark says, but for a task's own failure, of which it knows less than the task has said."""
    said_above = "PythonException" in text
    return "and says above why" if said_above else f"({' '.join(text.split())[:300]})"


def _environment() -> dict[str, str]:
    """Return the environment in which a process finds the project from its job's file."""
    paths = [str(JOB.parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    threads = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    return {**os.environ, **threads, "PYTHONPATH": os.pathsep.join(paths)}


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
