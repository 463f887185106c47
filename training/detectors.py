"""Detectors by name: networks of timm, a small one of our own, and linear ones on features that are not learnt.

All map normalised images [B, 3, S, S] to logits [B, 1], above 0 for fake. Nothing is downloaded unless --weights
names a repository of the Hub.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import timm
import torch

from etl.errors import ConfigError
from training import weights as weight_files
from training.fixed_features import EfficientNetStages, Pooled, RadialPower, ResidualStatistics, Spectrum
from training.small_cnn import SmallCnn


@dataclass(frozen=True)
class Detector:
    """A kind of detector, and the side of its square input in pixels."""

    make: Callable[[int], torch.nn.Module]
    """From the side of the input to the model, with random weights"""
    input_size: int
    about: str
    resizable: bool = True
    """Whether another side can be asked for"""
    backbone: str = ""
    """Prefix of a frozen backbone that needs pretrained weights"""


class Probe(torch.nn.Module):
    """A linear detector on fixed features, each standardised by its mean and spread in training."""

    def __init__(self, features: torch.nn.Module) -> None:
        super().__init__()
        width = int(features.width)  # type: ignore[arg-type]
        self.features = features.requires_grad_(False).eval()
        self.scale = torch.nn.BatchNorm1d(width, affine=False, momentum=None)
        self.head = torch.nn.Linear(width, 1)
        torch.nn.init.zeros_(self.head.weight)
        torch.nn.init.zeros_(self.head.bias)

    def train(self, mode: bool = True) -> "Probe":
        super().train(mode)
        self.features.eval()
        return self

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            features = self.features(images.float())
        logits: torch.Tensor = self.head(self.scale(features))
        return logits


def _timm(name: str, size: int, sized: bool = False) -> torch.nn.Module:
    keys = {"img_size": size} if sized else {}
    model: torch.nn.Module = timm.create_model(name, pretrained=False, num_classes=1, **keys)
    return model


def _clip(name: str, _size: int) -> torch.nn.Module:
    net = timm.create_model(name, pretrained=False, num_classes=0)
    return Probe(Pooled(net, net.num_features, timm.data.OPENAI_CLIP_MEAN, timm.data.OPENAI_CLIP_STD))


def _vit(name: str, size: int, about: str) -> Detector:
    # A ViT sizes its position embedding by its input.
    return Detector(partial(_timm, name, sized=True), size, about)


def _fixed(features: Callable[[], torch.nn.Module], size: int, about: str) -> Detector:
    return Detector(lambda _: Probe(features()), size, about)


DETECTORS: dict[str, Detector] = {
    "vit_small_224": _vit("vit_small_patch16_224", 224, "the paper's: ViT-S with patches of 16 pixels"),
    "vit_small_384": _vit("vit_small_patch16_384", 384, "the same at 384 pixels"),
    "vit_tiny": _vit("vit_tiny_patch16_224", 64, "ViT-Ti, for the CPU"),
    "resnet50": Detector(partial(_timm, "resnet50"), 224, "the baseline of Wang et al. 2020"),
    "resnet10t": Detector(partial(_timm, "resnet10t"), 64, "a small ResNet, for the CPU"),
    "convnext_tiny": Detector(partial(_timm, "convnext_tiny"), 224, "ConvNeXt-T"),
    "efficientnet_b0": Detector(partial(_timm, "efficientnet_b0"), 224, "EfficientNet-B0"),
    "small_cnn": Detector(lambda _: SmallCnn(), 64, "four convolutions on pixels and residuals, for the CPU"),
    "clip_vit_l14": Detector(
        partial(_clip, "vit_large_patch14_clip_224"), 224, "linear on CLIP's frozen ViT-L/14 (Ojha et al. 2023)",
        resizable=False, backbone="features.net.",
    ),
    "clip_vit_b16": Detector(
        partial(_clip, "vit_base_patch16_clip_224"), 224, "linear on CLIP's frozen ViT-B/16",
        resizable=False, backbone="features.net.",
    ),
    "linear_srm": _fixed(ResidualStatistics, 64, "linear on statistics of high-pass residuals"),
    "linear_spectrum": _fixed(Spectrum, 64, "linear on spectrum and DCT of the residual"),
    "linear_radial": _fixed(RadialPower, 64, "linear on radial power alone: a control, it sees blur only"),
    "linear_efficientnet": _fixed(EfficientNetStages, 64, "linear on a frozen EfficientNet-Lite0's first stages"),
    # timm's smallest models, to try things.
    "test_resnet": Detector(partial(_timm, "test_resnet"), 64, "tiny, to try things"),
    "test_vit": _vit("test_vit", 32, "tiny, to try things"),
}  # fmt: skip


def find(name: str) -> Detector:
    """Return the detector called `name`. Raises ConfigError naming those that exist."""
    if name not in DETECTORS:
        known = "; ".join(f"{name}: {detector.about}" for name, detector in DETECTORS.items())
        raise ConfigError(f"there is no detector '{name}' (known: {known})")
    return DETECTORS[name]


def input_size(name: str, asked: int | None = None) -> int:
    """Return the side of a detector's input, by default its own. Raises ConfigError where it takes no other."""
    detector = find(name)
    if asked is not None and asked != detector.input_size and not detector.resizable:
        raise ConfigError(f"--input_size: {name} takes images of {detector.input_size} pixels only")
    return asked or detector.input_size


def build(
    name: str,
    seed: int = 0,
    weights: str | None = None,
    size: int | None = None,
    frozen: bool = False,
    whole: bool = False,
) -> torch.nn.Module:
    """Return the model, its weights random by `seed` or from `weights` (see `weights.located`).

    With `frozen` all but the head stays as it is; with `whole` the weights must have a head too. Raises
    ConfigError for an unknown name, and for a pretrained backbone without weights; WeightsMismatch for weights
    that do not fit.
    """
    detector = find(name)
    if detector.backbone and weights is None:
        raise ConfigError(
            f"{name} rests on pretrained weights: name them with --weights, such as a folder with timm's "
            "model.safetensors, or the Hub's timm/vit_large_patch14_clip_224.openai"
        )
    torch.manual_seed(seed)
    model = detector.make(input_size(name, size))
    if weights is not None:
        weight_files.load(model, weights, detector.backbone, whole)
    if frozen:
        head = model.get_submodule("head" if hasattr(model, "head") else timm_head(model))
        model.requires_grad_(False)
        head.requires_grad_(True)
    return model


def timm_head(model: torch.nn.Module) -> str:
    """Return the name of a timm model's last layer."""
    return str(model.default_cfg["classifier"])  # type: ignore[index]


def device(name: str, number: int = 0) -> torch.device:
    """Return the device called `name`; `auto` is the CUDA device of this number where there is one.

    Raises ConfigError when it is not there.
    """
    if name == "auto" or (name == "cuda" and number):
        name = f"cuda:{number}" if torch.cuda.is_available() else "cpu"
    try:
        chosen = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"there is no device '{name}' (known: auto, cpu, cuda, cuda:0, …)") from None
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"the device '{name}' is not there; {torch.cuda.device_count()} CUDA devices are")
    return chosen
