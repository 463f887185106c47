"""Scoring an image for content that is not for all audiences, by any image classifier in a local folder.

The classifier is a repository of transformers with safetensors, such as one of the Hub's NSFW detectors; it runs
in the model's own process, and nothing of its repository is executed.
"""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors import SafetensorError, safe_open

from etl.errors import ConfigError
from generation.failures import Code, GenerationFailure

_TELLING = "nsfw|porn|hentai|sexy|explicit|unsafe|nud"
LABELS = re.compile(f"(?i){_TELLING}")
"""Classes whose probabilities are added up, by their names in the classifier's configuration."""
_SAFE = re.compile(rf"(?i)(?<![a-z])(?:no[tn](?={_TELLING}|[^a-z]|$)|(?:neutral|safe|sfw)(?![a-z]))")
"""Names that deny it, in whatever spelling: `not_nsfw`, `non-nsfw`, `notnsfw`, `sfw`."""


def check(folder: str | None) -> None:
    """Raise ConfigError unless the folder, where one is named, holds a classifier with a telling class."""
    if folder is None:
        return
    option, files = f"--nsfw_scorer {folder}", Path(folder)
    if not (files / "config.json").is_file() or not list(files.glob("*.safetensors")):
        raise ConfigError(f"{option}: a folder with config.json and safetensors is wanted")
    names = _read(files / "config.json", option).get("id2label")
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise ConfigError(f"{option}: config.json names no classes (id2label); give it those of the classifier")
    if not telling(names):
        raise ConfigError(
            f"{option}: no class has a telling name among {sorted(names.values())[:10]}; rename the one that is "
            "not for all audiences to nsfw, in config.json (id2label)"
        )
    _read(files / "preprocessor_config.json", option)
    for weights in files.glob("*.safetensors"):
        try:
            with safe_open(weights, "np"):
                pass
        except (SafetensorError, OSError) as error:
            raise ConfigError(f"{option}: {weights.name} cannot be read ({error}); download it again") from error


def telling(names: Mapping[Any, str]) -> list[Any]:
    """Return the keys of the classes whose probabilities add up to the score."""
    return [key for key, name in names.items() if LABELS.search(name) and not _SAFE.search(name)]


def _read(path: Path, option: str) -> dict[str, Any]:
    try:
        said = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        why = f"{type(error).__name__}: {error}"
        raise ConfigError(
            f"{option}: {path.name} cannot be read ({why}); download the classifier again"
        ) from error
    if not isinstance(said, dict):
        raise ConfigError(f"{option}: {path.name} is no JSON object; download the classifier again")
    return said


class Scorer:
    """A loaded classifier; call it with pixels (height × width × 3, or height × width) for a score in 0 … 1."""

    def __init__(self, folder: Path, device: str):
        from transformers import AutoImageProcessor, AutoModelForImageClassification

        local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        self._model = AutoModelForImageClassification.from_pretrained(folder, use_safetensors=True, **local)
        self._model.eval().to(device)
        self._processor = AutoImageProcessor.from_pretrained(folder, **local)
        names = self._model.config.id2label
        self._classes = telling(names)
        if not self._classes:
            raise ValueError(f"no class of the NSFW scorer has a telling name: {sorted(names.values())[:10]}")

    def __call__(self, pixels: np.ndarray) -> float:
        import torch

        given = self._processor(images=Image.fromarray(pixels).convert("RGB"), return_tensors="pt")
        with torch.inference_mode():
            logits = self._model(**given.to(self._model.device)).logits[0]
        return float(logits.softmax(-1)[self._classes].sum())


class Judge:
    """What is done with images not for all audiences: scored by `scorer`, refused from `threshold` if `refuse`."""

    def __init__(self, scorer: Callable[[np.ndarray], float], threshold: float, refuse: bool):
        self._scorer, self._threshold, self._refuse = scorer, threshold, refuse

    def __call__(self, pixels: np.ndarray) -> bool:
        """Return whether the image is to be marked. Raises GenerationFailure: NSFW_IMAGE, and CRASH for the
        scorer's own.

        What the scorer cannot do is no fault of the model, and so nothing that is final.
        """
        try:
            score = self._scorer(pixels)
        except Exception as error:
            raise GenerationFailure(Code.CRASH, f"the NSFW scorer: {type(error).__name__}: {error}") from error
        if score >= self._threshold and self._refuse:
            raise GenerationFailure(Code.NSFW_IMAGE, f"scored {score:.3f}, withheld from {self._threshold:g} on")
        return score >= self._threshold
