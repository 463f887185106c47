"""What drove a score: how much the logit falls when a part of the image is covered.

After Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks" (2014): it asks the detector alone,
whatever it is made of, and a cell's number has the unit of the score.
"""

import base64
import io
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from training.augmentations import to_input

_BATCH = 32


@torch.inference_mode()
def heat_map(model: torch.nn.Module, square: NDArray[np.uint8], cells: int) -> NDArray[np.float64]:
    """Return [cells, cells]: the logit of the image less its logit with that cell in the image's mean colour.

    Above 0 the cell speaks for fake, below 0 for real. `square` is [side, side, 3].
    """
    side = square.shape[0]
    edges = np.linspace(0, side, cells + 1).round().astype(int)
    colour = square.reshape(-1, 3).mean(axis=0).round().astype(np.uint8)
    logits = [_logits(model, square[None])]
    places = [(row, column) for row in range(cells) for column in range(cells)]
    for at in range(0, len(places), _BATCH):
        part = places[at : at + _BATCH]
        covered = np.repeat(square[None], len(part), axis=0)
        for image, (row, column) in zip(covered, part, strict=True):
            image[edges[row] : edges[row + 1], edges[column] : edges[column + 1]] = colour
        logits.append(_logits(model, covered))
    found = np.concatenate(logits)
    return np.asarray(found[0] - found[1:]).reshape(cells, cells)


def seen_and_map(model: torch.nn.Module, square: torch.Tensor, cells: int) -> dict[str, Any]:
    """Return `seen`, the square as PNG in base64, and `heat_map` as rows of numbers."""
    pixels = square.cpu().numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    found = heat_map(model, pixels, cells).round(4).tolist()
    return {"seen": base64.b64encode(file.getvalue()).decode(), "heat_map": found}


def _logits(model: torch.nn.Module, squares: NDArray[np.uint8]) -> NDArray[np.float64]:
    model.eval()
    device = next(model.parameters()).device
    found: NDArray[np.float64] = (
        model(to_input(torch.from_numpy(squares), device)).double().flatten().cpu().numpy()
    )
    return found
