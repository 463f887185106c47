"""Scoring an image for content that is not for all audiences, by any image classifier in a local folder.

The classifier is a repository of transformers with safetensors, such as one of the Hub's NSFW detectors; it runs
in the model's own process, and nothing of its repository is executed.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from etl.errors import ConfigError
from generation.failures import Code, GenerationFailure

LABELS = re.compile(r"(?i)nsfw|porn|hentai|sexy|explicit|unsafe|nud")
"""Classes whose probabilities are added up, by their names in the classifier's configuration."""
_SAFE = re.compile(r"(?i)\b(?:not|non|neutral|safe|sfw)\b")


def check(folder: str | None) -> None:
    """Raise ConfigError unless the folder, where one is named, looks like a classifier."""
    if folder is None:
        return
    if not (Path(folder) / "config.json").is_file() or not list(Path(folder).glob("*.safetensors")):
        raise ConfigError(f"--nsfw_scorer {folder}: a folder with config.json and safetensors is wanted")


class Scorer:
    """A loaded classifier; call it with pixels (height × width × 3, or height × width) for a score in 0 … 1."""

    def __init__(self, folder: Path, device: str):
        from transformers import AutoImageProcessor, AutoModelForImageClassification

        local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        self._model = AutoModelForImageClassification.from_pretrained(folder, use_safetensors=True, **local)
        self._model.eval().to(device)
        self._processor = AutoImageProcessor.from_pretrained(folder, **local)
        names = self._model.config.id2label
        self._classes = [n for n, name in names.items() if LABELS.search(name) and not _SAFE.search(name)]
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
        """Return whether the image is to be marked. Raises GenerationFailure(NSFW_IMAGE)."""
        score = self._scorer(pixels)
        if score >= self._threshold and self._refuse:
            raise GenerationFailure(Code.NSFW_IMAGE, f"scored {score:.3f}, withheld from {self._threshold:g} on")
        return score >= self._threshold
