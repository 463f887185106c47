"""From a decoded image to a detector's square input: the random transform of training, the fixed one of tests.

Sizes follow the paper: the shorter edge is resized to 256 for a 224-pixel crop and to 440 for 384; other crops
keep the ratio 256 / 224, rounded, so 64 takes 73. Random numbers come from (seed, epoch, image id): an image is
augmented alike whatever the batch, the order or the number of workers. Pixels stay uint8 until they are on the
device, since a float batch costs four times as much to hand over.
"""

import hashlib
import io
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""ImageNet's mean and standard deviation of RGB in [0, 1]."""

_PAPER_EDGES = {224: 256, 384: 440}


def shorter_edge(size: int) -> int:
    """Return the length that the shorter edge is resized to before a crop of `size` pixels."""
    return _PAPER_EDGES.get(size, round(size * 256 / 224))


@dataclass(frozen=True)
class TestTransform:
    """Resize the shorter edge (bilinear), then crop the centre."""

    __test__ = False  # not a test, whatever pytest thinks of the name
    size: int

    def __call__(self, image: Image.Image, image_id: str) -> NDArray[np.uint8]:
        image = resize(image, shorter_edge(self.size))
        # Rounded as torchvision's CenterCrop, by which the released detectors were judged.
        left, top = (round((edge - self.size) / 2) for edge in image.size)
        return crop(image, left, top, self.size)


@dataclass(frozen=True)
class TrainTransform:
    """Resize the shorter edge, crop at random, flip, and in two of three cases encode as JPEG and decode again.

    Flips (p = 0.5 each way), JPEG quality (75 to 100) and the one third of images without JPEG are the paper's.
    """

    size: int
    seed: int
    epoch: int

    def __call__(self, image: Image.Image, image_id: str) -> NDArray[np.uint8]:
        random = np.random.default_rng([self.seed, self.epoch, _number(image_id)])
        image = resize(image, shorter_edge(self.size))
        left = int(random.integers(image.width - self.size + 1))
        top = int(random.integers(image.height - self.size + 1))
        pixels = crop(image, left, top, self.size)
        if random.random() < 0.5:
            pixels = pixels[:, ::-1]
        if random.random() < 0.5:
            pixels = pixels[::-1]
        quality = int(random.integers(75, 101))
        return np.ascontiguousarray(pixels) if random.random() < 1 / 3 else jpeg(pixels, quality)


def resize(image: Image.Image, edge: int) -> Image.Image:
    """Return the image with its shorter edge at `edge` pixels, bilinear with antialiasing, proportions kept.

    The longer edge is rounded down, as in torchvision's Resize, by which the released detectors were judged.
    """
    size = tuple(int(edge * length / min(image.size)) for length in image.size)
    return image.resize((size[0], size[1]), Image.Resampling.BILINEAR)


def crop(image: Image.Image, left: int, top: int, size: int) -> NDArray[np.uint8]:
    """Return the [size, size, 3] square whose corner is at (left, top)."""
    return np.asarray(image.crop((left, top, left + size, top + size)))


def jpeg(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Return the pixels as they look after one JPEG encoding."""
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "JPEG", quality=quality)
    with Image.open(encoded) as image:
        return np.array(image)


def to_input(images: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Move uint8 [B, S, S, 3] to the device as normalised float [B, 3, S, S]."""
    pixels = images.to(device, non_blocking=True).permute(0, 3, 1, 2).float().div_(255)
    mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (MEAN, STD))
    return pixels.sub_(mean).div_(std)


def _number(image_id: str) -> int:
    return int.from_bytes(hashlib.sha256(image_id.encode()).digest()[:8], "big")
