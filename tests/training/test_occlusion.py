"""Maps of what drove a score."""

import base64
import io

import numpy as np
import torch
from PIL import Image

from training.occlusion import heat_map, seen_and_map


class Corner(torch.nn.Module):
    """Logit: how red the upper left quarter is."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(1.0))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        half = pixels.shape[-1] // 2
        return self.scale * pixels[:, :1, :half, :half].mean((2, 3))


def square() -> np.ndarray:
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:8, :8, 0] = 200
    return pixels


def test_only_the_cells_that_a_detector_looks_at_change_its_logit():
    found = heat_map(Corner(), square(), 4)
    assert (found[:2, :2] > 0.1).all()
    assert np.count_nonzero(found) == 4


def test_what_was_seen_comes_as_a_png_of_the_same_pixels():
    told = seen_and_map(Corner(), torch.from_numpy(square()), 2)
    with Image.open(io.BytesIO(base64.b64decode(told["seen"]))) as image:
        assert np.array_equal(np.asarray(image), square())
    assert np.shape(told["heat_map"]) == (2, 2)
