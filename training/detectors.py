"""Detectors: timm models with one logit, by name. Nothing is downloaded; weights come from a safetensors file."""

from dataclasses import dataclass

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from etl.errors import ConfigError
from training.errors import WeightsMismatch


@dataclass(frozen=True)
class Detector:
    """A kind of detector: timm's name of the model, and the side of its square input in pixels."""

    timm_name: str
    input_size: int
    resizable: bool = False
    """The model takes its input size at construction (a ViT sizes its position embedding by it)"""


DETECTORS: dict[str, Detector] = {
    "resnet10t": Detector("resnet10t", 64),
    "vit_tiny": Detector("vit_tiny_patch16_224", 64, resizable=True),
    # The paper's two detectors: ViT-S with 16-pixel patches.
    "vit_small_224": Detector("vit_small_patch16_224", 224),
    "vit_small_384": Detector("vit_small_patch16_384", 384),
    # timm's smallest models, to try things.
    "test_resnet": Detector("test_resnet", 64),
    "test_vit": Detector("test_vit", 32, resizable=True),
}


def find(name: str) -> Detector:
    """Return the detector called `name`. Raises ConfigError naming those that exist."""
    if name not in DETECTORS:
        raise ConfigError(f"there is no detector '{name}' (known: {', '.join(DETECTORS)})")
    return DETECTORS[name]


def build(name: str, seed: int = 0, weights: str | None = None) -> torch.nn.Module:
    """Return the model that maps [B, 3, S, S] to [B, 1] logits, its weights from a file or random by `seed`.

    Raises ConfigError for an unknown name, WeightsMismatch for a file that does not fit.
    """
    detector = find(name)
    sized = {"img_size": detector.input_size} if detector.resizable else {}
    torch.manual_seed(seed)
    model: torch.nn.Module = timm.create_model(detector.timm_name, pretrained=False, num_classes=1, **sized)
    if weights is not None:
        load_weights(model, weights)
    return model


def load_weights(model: torch.nn.Module, path: str) -> None:
    """Load a safetensors file; the head may be missing or of other classes, as in a pretrained backbone.

    The paper's released detectors keep their tensors under the prefix `vit.`, which is taken off.
    """
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsMismatch(f"the weights file {path} cannot be read: {' '.join(str(error).split())}") from None
    tensors = {key.removeprefix("vit."): tensor for key, tensor in tensors.items()}
    own = model.state_dict()
    head = {key for key in own if key.startswith(("head.", "fc."))}
    fitting = {key: tensor for key, tensor in tensors.items() if key in own and tensor.shape == own[key].shape}
    unfit = (set(tensors) | set(own)) - set(fitting) - head
    if unfit:
        raise WeightsMismatch(
            f"the weights file {path} does not fit the detector at {', '.join(sorted(unfit)[:5])}"
        )
    model.load_state_dict({**own, **fitting})


def device(name: str) -> torch.device:
    """Return the device called `name`; `auto` is CUDA where there is one. Raises ConfigError when unavailable."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"there is no device '{name}' (known: auto, cpu, cuda, cuda:0, …)") from None
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"the device '{name}' is not there; {torch.cuda.device_count()} CUDA devices are")
    return chosen
