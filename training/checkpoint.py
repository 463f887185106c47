"""Checkpoints of a training: one safetensors file, written atomically, that holds all that going on needs.

Weights, AdamW's moments, the loss scale, torch's random state, the place in the data, the best weights so far and
the measurements. No pickle. Which images come next, and how each is augmented, follows from (seed, epoch, image
id); the learning rate is a function of progress.
"""

import json
import math
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from training.errors import CheckpointDamaged


@dataclass(frozen=True)
class Measurement:
    """One point of a curve; `timestamp` (ms) is kept, so that MLflow takes a second logging for the same point."""

    key: str
    value: float
    step: int
    timestamp: int


@dataclass
class Trainee:
    """A detector in training: what a step changes."""

    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    """Scales the loss where gradients are computed in fp16; off elsewhere"""
    epoch: int = 0
    """Finished epochs"""
    step: int = 0
    """Optimiser steps taken"""
    batch: int = 0
    """Batches taken of the epoch that is not finished, by each process"""
    seen: int = 0
    """Images of those, in all processes"""
    history: list[Measurement] = field(default_factory=list)
    best_loss: float = math.inf
    best_epoch: int = 0
    """Lowest loss in validation, and the epoch after which it was"""
    best: dict[str, torch.Tensor] = field(default_factory=dict)
    """The weights of then, where they are kept"""
    random: dict[str, torch.Tensor] = field(default_factory=dict)
    """Random state in the middle of an epoch"""


_COUNTS = ("epoch", "step", "batch", "seen", "best_loss", "best_epoch")


def save(path: Path, trainee: Trainee) -> None:
    """Write the checkpoint; a kill leaves either the previous file or this one."""
    tensors = {f"model.{key}": tensor for key, tensor in trainee.model.state_dict().items()}
    tensors |= {f"best.{key}": tensor for key, tensor in trainee.best.items()}
    tensors |= {f"random.{key}": tensor for key, tensor in trainee.random.items()}
    for index, moments in trainee.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": tensor for key, tensor in moments.items()}
    state = {name: getattr(trainee, name) for name in _COUNTS}
    state |= {"scaler": trainee.scaler.state_dict(), "history": [asdict(point) for point in trainee.history]}
    write_tensors(path, tensors, {"state": json.dumps(state)})


def restore(path: Path, trainee: Trainee) -> bool:
    """Put the checkpoint's state into `trainee`; return False when there is none. Raises CheckpointDamaged."""
    if not path.exists():
        return False
    try:
        with safe_open(path, framework="pt") as file:
            state = json.loads(file.metadata()["state"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  (no mapping)
        trainee.model.load_state_dict(_under("model.", tensors))
        _restore_optimizer(trainee.optimizer, _under("optimizer.", tensors))
        trainee.scaler.load_state_dict(state["scaler"])
        for name in _COUNTS:
            setattr(trainee, name, state[name])
        trainee.best, trainee.random = _under("best.", tensors), _under("random.", tensors)
        trainee.history = [Measurement(**point) for point in state["history"]]
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        cause = " ".join(str(error).split())[:300]
        raise CheckpointDamaged(
            f"the checkpoint {path} cannot be used ({cause}); delete it to start anew"
        ) from None
    return True


def write_tensors(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file by way of a temporary one beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file({key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}, partial, metadata)
    descriptor = os.open(partial, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    partial.replace(path)


def _under(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
