"""A trained detector by its name: one registered in MLflow, a run, a folder, or a released one.

A folder holds `model.safetensors` and `config.json`: a run's own, as `forensics train` leaves it in MLflow, or one
of PyTorchModelHubMixin's layout, as the paper's detectors were released; these load from the Hub too.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from etl.errors import ConfigError, NothingUsable
from training import detectors, weights
from training.artifacts import MODEL, MODEL_CONFIG
from training.loop import leave_a_core_to_the_loader
from training.serving import CONFIG, WEIGHTS
from training.tracking import Run, Tracker

_LARGEST = 4096
"""Pixels of a side that a detector may ask for"""
_RELEASED = {("small", 16): "vit_small_224", ("tiny", 16): "vit_tiny"}
"""The paper's model_size and patch_size, and the detector that they are; its input_size says the side."""


@dataclass(frozen=True)
class Trained:
    """A detector's two files, and what it is called."""

    name: str
    """NAME@VERSION of a registered one, else the run, the folder, or the repository"""
    config: Path
    weights: Path
    run_id: str | None = None

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of the weights."""
        return hashlib.sha256(self.weights.read_bytes()).hexdigest()

    def kind(self) -> tuple[str, int]:
        """Return the detector's name in the registry and the side of its input. Raises NothingUsable."""
        try:
            told = json.loads(self.config.read_text(encoding="utf-8"))
            size = int(told["input_size"])
            if not 0 < size <= _LARGEST:
                raise ValueError(f"an input_size of {size}")
            released = "detector" not in told
            name = _RELEASED[told["model_size"], told["patch_size"]] if released else told["detector"]
            return str(name), size
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise NothingUsable(f"{self.config} is no configuration of a detector: {error!r}") from None

    def load(self, device: str) -> tuple[torch.nn.Module, int]:
        """Return the detector on the device, and the side of its input.

        Raises NothingUsable, ConfigError, WeightsMismatch.
        """
        name, size = self.kind()
        model = detectors.build(name, weights=str(self.weights), size=size, whole=True)
        chosen = detectors.device(device)
        leave_a_core_to_the_loader(chosen)
        return model.to(chosen), size


def find(root: str, model: str) -> Trained:
    """Return the detector called `model`: a folder, NAME[@VERSION] as registered (the newest), a run, or
    owner/name[@revision] of the Hub.

    Raises NothingUsable, LakeMissing, ConfigError for a repository without the two files, HubUnreachable.
    """
    folder = Path(model)
    if folder.is_dir():
        return Trained(model, folder / CONFIG, weights.located(model))
    if folder.is_file():
        raise ConfigError(f"--model: {model} is a file; name the folder that holds {WEIGHTS} and {CONFIG}")
    if weights.is_of_the_hub(model):
        return Trained(model, weights.fetched(model, CONFIG), weights.fetched(model, WEIGHTS))
    tracker = Tracker(root)
    return of_run(tracker, tracker.finished_run(model))


def of_run(tracker: Tracker, run: Run) -> Trained:
    """Return a finished run's detector. Raises NothingUsable where its files are gone."""
    name = tracker.registered_name(run) or run.run_id
    return Trained(name, tracker.artifact(run, MODEL_CONFIG), tracker.artifact(run, MODEL), run.run_id)
