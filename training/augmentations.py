"""From a decoded image to a detector's square input: the random transform of training, the fixed one of tests.

Sizes follow the paper: the shorter edge is resized to 256 for a 224-pixel crop and to 440 for 384; other crops
keep the ratio 256 / 224, rounded, so 64 takes 73. Random numbers come from (seed, epoch, image id): an image is
augmented alike whatever the batch, the order or the number of workers. Pixels stay uint8 until they are on the
device, since a float batch costs four times as much to hand over.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from PIL import Image

from training.augmentation import geometry
from training.augmentation.codecs import Pixels
from training.augmentation.drawing import generator
from training.augmentation.extras import EXTRAS
from training.augmentation.operations import Operation, paper
from training.augmentation.random_state import augment

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""ImageNet's mean and standard deviation of RGB in [0, 1]."""

_PAPER_EDGES = {224: 256, 384: 440}


def shorter_edge(size: int) -> int:
    """Return the length that the shorter edge is resized to before a crop of `size` pixels."""
    return _PAPER_EDGES.get(size, round(size * 256 / 224))


@dataclass(frozen=True)
class TestTransform:
    """Resize the shorter edge (bilinear), then crop the centre.

    By Pillow itself, not by a kernel that differs by a grey level here and there: published detectors were judged
    by it, and their logits are compared to the fourth digit.
    """

    __test__ = False  # not a test, whatever pytest thinks of the name
    size: int

    @property
    def edge(self) -> int:
        return shorter_edge(self.size)

    def __call__(self, image: Image.Image | Pixels, image_id: str) -> Pixels:
        pixels = np.asarray(image)
        height, width = geometry.shorter_edge_to(*geometry.size_of(pixels), self.edge)
        if pixels.shape[:2] != (height, width):
            pixels = np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))
        return geometry.centre(pixels, self.size)


@dataclass(frozen=True)
class TrainTransform:
    """Resize the shorter edge, apply the paper's RandomStateAugmentation, crop at random.

    `extras` names further operations, each drawn like the paper's own. Raises KeyError for an unknown one.
    """

    size: int
    seed: int
    epoch: int
    extras: tuple[str, ...] = ()

    @property
    def edge(self) -> int:
        return shorter_edge(self.size)

    @cached_property
    def operations(self) -> tuple[Operation, ...]:
        return paper(self.size) + tuple(EXTRAS[name] for name in self.extras)

    def __call__(self, image: Image.Image | Pixels, image_id: str) -> Pixels:
        random = generator(image_id, self.seed, self.epoch)
        pixels = geometry.resize_shorter(np.asarray(image), self.edge, Image.Resampling.BILINEAR)
        pixels = augment(pixels, self.operations, random)
        height, width = pixels.shape[:2]
        top, left = random.integers(height - self.size + 1), random.integers(width - self.size + 1)
        return np.ascontiguousarray(geometry.crop(pixels, int(top), int(left), self.size, self.size))


def to_input(images: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Move uint8 [B, S, S, 3] to the device as normalised float [B, 3, S, S]."""
    pixels = images.to(device, non_blocking=True).permute(0, 3, 1, 2).float().div_(255)
    mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (MEAN, STD))
    return pixels.sub_(mean).div_(std)
