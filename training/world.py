"""The processes that train one detector together: how many, which one this is, what they tell each other.

`forensics train --processes N` starts them by torchrun, or as tasks of Spark by TorchDistributor; both give each
process its rank in the environment. One process alone needs none of it.
"""

import os
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed


@dataclass(frozen=True)
class World:
    """This process's number among those that train together, and its number on its machine."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def leads(self) -> bool:
        """Whether this is the process that logs and writes."""
        return self.rank == 0

    def sums(self, *values: float) -> list[float]:
        """Return the sums of each process's values."""
        if self.size == 1:
            return list(values)
        device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
        total = torch.tensor(values, dtype=torch.float64, device=device)
        distributed.all_reduce(total)
        return [float(value) for value in total.tolist()]

    def gathered(self, value: Any) -> list[Any]:
        """Return every process's value, in the order of their numbers; all processes get the same list."""
        if self.size == 1:
            return [value]
        found: list[Any] = [None] * self.size
        distributed.all_gather_object(found, value)
        return found

    def parallel(self, model: torch.nn.Module, device: torch.device) -> torch.nn.Module:
        """Return the model with gradients that are averaged over the processes."""
        if self.size == 1:
            return model
        return torch.nn.parallel.DistributedDataParallel(model, [device] if device.type == "cuda" else None)


ALONE = World()


def join(device: str) -> World:
    """Return this process's place, by the environment that torchrun sets; with others, wait until all are there.

    They talk by NCCL where they compute on CUDA, else by Gloo.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return ALONE
    if not distributed.is_initialized():
        on_cuda = device != "cpu" and torch.cuda.is_available()
        distributed.init_process_group("nccl" if on_cuda else "gloo")
    return World(int(os.environ["RANK"]), size, int(os.environ.get("LOCAL_RANK", "0")))


def leave() -> None:
    """Take leave of the other processes."""
    if distributed.is_initialized():
        distributed.destroy_process_group()
