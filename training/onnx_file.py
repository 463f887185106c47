"""A detector as an ONNX file, for programs without torch: uint8 pixels in, logits out, compared with torch's.

Normalisation is part of the file. What is not: decoding, the resize of the shorter edge (bilinear, antialiased, as
Pillow's) and the crop of the centre; the configuration beside it says their sizes.
"""

import contextlib
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from PIL import Image

from etl.errors import ConfigError
from training.augmentations import shorter_edge, to_input
from training.errors import NotTheSameLogits
from training.serving import CONFIG
from training.trained import Trained

FILE = "model.onnx"
TOLERANCE = 1e-4
"""Largest difference of logits, absolute up to 1 and relative above: that to which published ones are compared."""
_CHECKSUM, _DIFFERENCE = "weights_sha256", "largest_difference_of_logits"
_IMAGES = 16
_COARSEST = 5
"""Images of the comparison go from noise of single pixels to blocks of 2 to the power of this less one."""


class Exported(NamedTuple):
    """An ONNX file, by which name its detector is known, and the largest difference of logits that was found."""

    name: str
    file: Path
    difference: float
    written: bool
    """Whether it was made now, not there before"""


def export(detector: Trained, folder: Path) -> Exported:
    """Write model.onnx and config.json into `folder`, unless they are there, of the same weights.

    Raises ConfigError for a folder with another detector, NotTheSameLogits, and as `Trained.load`.
    """
    file, config = folder / FILE, folder / CONFIG
    if config.exists():  # it comes last
        try:
            told = json.loads(config.read_text(encoding="utf-8"))
            if file.exists() and told[_CHECKSUM] == detector.checksum:
                return Exported(detector.name, file, float(told[_DIFFERENCE]), False)
        except (OSError, ValueError, KeyError, TypeError):
            pass  # not of ours
        raise ConfigError(f"--to: {folder} holds another detector; name a new folder")
    model, size = detector.load("cpu")
    found = write(model, size, file)
    partial = config.with_suffix(".partial")
    partial.write_text(_described(detector, size, found), encoding="utf-8")
    partial.replace(config)
    return Exported(detector.name, file, found, True)


class _OfPixels(torch.nn.Module):
    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.model = model

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(to_input(pixels, pixels.device))
        return logits.squeeze(1)


def write(model: torch.nn.Module, size: int, path: Path) -> float:
    """Write a detector for batches of any number; return the largest difference of logits that was found.

    Input `pixels` uint8 [batch, size, size, 3] (RGB), output `logits` float32 [batch], above 0 for fake. Raises
    NotTheSameLogits, and leaves no file then.
    """
    wrapped = _OfPixels(model).eval()
    pixels = _images(size)
    partial = path.with_suffix(".partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    with _quiet(), torch.inference_mode(False), torch.no_grad():
        program = torch.onnx.export(
            wrapped,
            (torch.from_numpy(pixels[:3]),),
            dynamo=True,
            input_names=["pixels"],
            output_names=["logits"],
            dynamic_shapes={"pixels": {0: torch.export.Dim("batch")}},
            external_data=False,
            verbose=False,
        )
        assert program is not None
        program.save(str(partial), external_data=False)
    try:
        found = difference(wrapped, partial, pixels)
    except NotTheSameLogits:
        partial.unlink()
        raise
    partial.replace(path)
    return found


def difference(model: torch.nn.Module, path: Path, pixels: NDArray[np.uint8]) -> float:
    """Return how far apart the file's logits of these pixels and the model's are at most, in one batch and alone.

    Raises NotTheSameLogits above the tolerance.
    """
    with torch.no_grad():
        wanted = model(torch.from_numpy(pixels)).numpy()
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    alone = session.run(["logits"], {"pixels": pixels[-1:]})[0]
    found = np.concatenate([session.run(["logits"], {"pixels": pixels})[0][:-1], alone])
    apart = np.abs(found - wanted) / np.maximum(1, np.abs(wanted))
    if not np.isfinite(found).all() or apart.max() > TOLERANCE:
        raise NotTheSameLogits(
            f"the exported detector's logits differ from the detector's by {apart.max():.2g}, more than "
            f"{TOLERANCE:g}; nothing was kept"
        )
    return float(np.abs(found - wanted).max())


def _described(detector: Trained, size: int, found: float) -> str:
    """Return the configuration that belongs beside the file: the detector's own, and how to feed the file."""
    told = json.loads(detector.config.read_text(encoding="utf-8"))
    told |= {
        "model": detector.name,
        _CHECKSUM: detector.checksum,
        "resize_shorter_edge": shorter_edge(size),
        "input": f"pixels: uint8 [batch, {size}, {size}, 3], RGB, the centre of the resized image",
        "output": "logits: float32 [batch], above 0 for fake",
        _DIFFERENCE: found,
    }
    return json.dumps(told, indent=2) + "\n"


def _images(size: int) -> NDArray[np.uint8]:
    """Return images to compare on, [N, size, size, 3]: from noise to large smooth blocks."""
    random, found = np.random.default_rng(0), []
    for number in range(_IMAGES):
        edge = max(2, size // 2 ** (number % _COARSEST))
        drawn = Image.fromarray(random.integers(0, 256, (edge, edge, 3), dtype=np.uint8))
        found.append(np.asarray(drawn.resize((size, size), Image.Resampling.BICUBIC)))
    return np.stack(found)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's notes on operators that detectors do not use to itself."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
