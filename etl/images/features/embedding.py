"""Running a backbone: squares of pixels in, one vector an image out. The only part of etl that imports torch."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from etl.errors import ConfigError
from etl.images.features.backbone import EFFICIENTNET, TIMM, Backbone

_BATCH = 16
"""Images that go through the net together: more gains nothing on one core and takes memory (measured 8 to 32)."""


@dataclass(frozen=True)
class Embedder:
    """A loaded backbone: `side` of its square input in pixels, mean and spread of its channels in 0 … 1."""

    side: int
    mean: tuple[float, ...]
    spread: tuple[float, ...]
    net: Callable[[torch.Tensor], torch.Tensor]

    def embed(self, squares: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return [n, d], not normalised, for n squares [side, side, 3]."""
        parts = [self._embed(squares[at : at + _BATCH]) for at in range(0, len(squares), _BATCH)]
        return np.concatenate(parts)

    @torch.inference_mode()
    def _embed(self, squares: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        pixels = torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).float()  # channels last in memory
        mean, spread = (torch.tensor(values).view(1, 3, 1, 1) * 255 for values in (self.mean, self.spread))
        return self.net((pixels - mean) / spread).float().numpy()


@cache
def load(backbone: Backbone) -> Embedder:
    """Load a backbone once a process, for one thread: Spark runs a process a core.

    Raises ConfigError where name and weights do not fit.
    """
    torch.set_num_threads(1)
    try:
        if backbone.kind == EFFICIENTNET:
            return _efficientnet(backbone.weights)
        return _timm(backbone) if backbone.kind == TIMM else _clip(backbone.weights)
    # Of torch, timm, safetensors and transformers; the files are the user's choice.
    except (SafetensorError, RuntimeError, ValueError, KeyError, OSError) as error:
        raise ConfigError(
            f"--backbone: {backbone.name} cannot be loaded from {backbone.weights}: {error}"
        ) from None


def _efficientnet(weights: str) -> Embedder:
    """The features before the classifier, averaged over places: 1,280 numbers.

    Input as in TensorFlow's efficientnet_lite_builder.py, where the weights come from: (value - 127) / 128.
    """
    from efficientnet_lite_pytorch import EfficientNet  # type: ignore[import-untyped]

    net = EfficientNet.from_name(EFFICIENTNET)
    net.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    net.eval()

    class Features(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return self.net.extract_features(pixels).mean((2, 3))

    # Frozen, batch norms are folded into convolutions: half the time (measured), equal to 1e-5.
    with torch.no_grad():
        frozen = torch.jit.freeze(torch.jit.trace(Features().eval(), torch.zeros(1, 3, 224, 224)))
    return Embedder(224, (127 / 255,) * 3, (128 / 255,) * 3, frozen)


def _timm(backbone: Backbone) -> Embedder:
    """The pooled features of a timm model; its own input size, mean and spread."""
    import timm

    net = timm.create_model(backbone.name, pretrained=False, num_classes=0)
    lost, _ = net.load_state_dict(load_file(backbone.weights), strict=False)  # left over: the classifier
    if lost:
        raise ValueError(f"the weights lack {', '.join(lost[:3])}")
    data = timm.data.resolve_model_data_config(net)
    return Embedder(data["input_size"][-1], tuple(data["mean"]), tuple(data["std"]), net.eval())


def _clip(folder: str) -> Embedder:
    """The projected image embedding of a CLIP model by transformers, from a folder with config and weights."""
    from transformers import CLIPVisionModelWithProjection
    from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

    net = CLIPVisionModelWithProjection.from_pretrained(folder, use_safetensors=True, local_files_only=True).eval()
    described = Path(folder) / "preprocessor_config.json"
    said = json.loads(described.read_text(encoding="utf-8")) if described.is_file() else {}
    mean, spread = said.get("image_mean", OPENAI_CLIP_MEAN), said.get("image_std", OPENAI_CLIP_STD)

    def embedded(pixels: torch.Tensor) -> torch.Tensor:
        return net(pixel_values=pixels).image_embeds

    return Embedder(net.config.image_size, tuple(mean), tuple(spread), embedded)
