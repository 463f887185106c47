"""A trained detector as MLflow serves it: encoded images in, logits out.

MLflow finds this module by its name in a registered model (`loader_module`), so that nothing is pickled: the
model's data are the run's `detector` folder, weights in safetensors and a configuration in JSON.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from training import detectors
from training.augmentations import TestTransform, to_input
from training.decoding import decode

WEIGHTS, CONFIG = "model.safetensors", "config.json"
"""Names of the two files of a detector's folder."""


class Served:
    """What `mlflow.pyfunc.load_model` returns the `predict` of."""

    def __init__(self, model: torch.nn.Module, size: int):
        self._model, self._transform = model.eval(), TestTransform(size)

    @torch.inference_mode()
    def predict(self, images: pd.DataFrame) -> NDArray[np.float64]:
        """Return a logit for each value of the column `image` (the bytes of an image file); above 0 for fake."""
        squares = [self._transform(decode(data, str(row)), str(row)) for row, data in enumerate(images["image"])]
        batch = to_input(torch.from_numpy(np.stack(squares)), torch.device("cpu"))
        return self._model(batch).double().squeeze(1).numpy()


def _load_pyfunc(folder: str) -> Served:
    """Load a detector's folder; the name is MLflow's."""
    config = json.loads((Path(folder) / CONFIG).read_text(encoding="utf-8"))
    size = config["input_size"]
    return Served(
        detectors.build(config["detector"], weights=str(Path(folder) / WEIGHTS), size=size, whole=True), size
    )
