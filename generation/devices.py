"""What models run on: the GPUs that are visible, or the cores."""

import os
import platform
from itertools import takewhile
from pathlib import Path
from typing import Literal

from etl.errors import ConfigError

Device = Literal["cpu", "cuda"]


def places(device: str, asked: int | None) -> tuple[Device, int]:
    """Return what models run on, and how many at a time: one a GPU, or one a core, unless `asked` says.

    `device` is cpu, cuda or auto. Raises ConfigError where cuda is asked for and there is no GPU.
    """
    gpus = len(visible_gpus()) if device != "cpu" else 0
    if gpus:
        return "cuda", min(asked or gpus, gpus)
    if device == "cuda":
        raise ConfigError("--device cuda: there is no GPU here; use --device cpu or auto")
    return "cpu", asked or len(os.sched_getaffinity(0))


def visible_gpus() -> list[str]:
    """Return the names of the GPUs for CUDA_VISIBLE_DEVICES, without importing torch.

    CUDA numbers the devices that a process may open from 0, whatever theirs are, and reads a list up to the first
    negative number.
    """
    if (chosen := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        names = [name.strip() for name in chosen.split(",")]
        return list(takewhile(lambda name: name and not name.startswith("-"), names))
    return [str(number) for number, _ in enumerate(Path("/dev").glob("nvidia[0-9]*"))]


def processor(device: str) -> str:
    """Return the name of the GPU, or of the CPU, that this process samples on, as its maker calls it."""
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name()
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())
