"""Starting several processes that train one detector: by torchrun on this machine, or as tasks of Spark."""

import os
import subprocess
import sys
from pathlib import Path

from etl.config import as_dict
from training.errors import ProcessesFailed
from training.settings import TrainSettings

JOB = Path(__file__).parent / "jobs" / "train.py"


def is_launched() -> bool:
    """Whether this process is one of those that `launch` starts."""
    return "RANK" in os.environ


def launch(settings: TrainSettings) -> None:
    """Run the job of the same settings in --processes processes, and wait for them.

    On Spark every task runs the job's file: the lake must lie where all nodes see it, and the session must have a
    slot a process. Raises ProcessesFailed; each process says its own error.
    """
    words = [f"--{key}={_word(value)}" for key, value in as_dict(settings).items() if value is not None]
    if settings.launcher == "spark":
        _by_spark(settings, words)
        return
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", str(settings.processes), str(JOB), *words]
    if subprocess.run(command, env=_environment(), check=False).returncode:
        raise ProcessesFailed(
            f"one of {settings.processes} processes failed, and says above why; the others were ended"
        )


def _by_spark(settings: TrainSettings, words: list[str]) -> None:
    import torch
    from pyspark.ml.torch.distributor import TorchDistributor

    from etl.lake.session import session

    with session("train", f"local[{settings.processes}]", settings.root):
        on_cuda = settings.device != "cpu" and torch.cuda.is_available()
        distributor = TorchDistributor(settings.processes, local_mode=False, use_gpu=on_cuda)
        os.environ.update(_environment())
        try:
            distributor.run(str(JOB), *words)
        except Exception as error:  # Spark's, whatever a task died of
            cause = " ".join(str(error).split())[:300]
            raise ProcessesFailed(f"one of {settings.processes} tasks failed ({cause})") from None


def _environment() -> dict[str, str]:
    """Return the environment in which a process finds the project from its job's file."""
    paths = [str(JOB.parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    threads = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    return {**os.environ, **threads, "PYTHONPATH": os.pathsep.join(paths)}


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
