"""What models run on: the GPUs that are visible, or the cores."""

import os
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
    """Return the names of the GPUs for CUDA_VISIBLE_DEVICES, without importing torch."""
    if (chosen := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in chosen.split(",") if name.strip()]
    devices = [path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*")]
    return sorted(devices, key=int)
