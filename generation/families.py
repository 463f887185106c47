"""How each supported pipeline class is sampled by default: one table, keyed by class.

Steps, guidance and size are the defaults of the class's own `__call__` in diffusers 0.42 (steps and guidance as
its signature has them; size as its `height` default, else the training resolution that its documentation names).
A class that is not here is not sampled.
"""

from dataclasses import dataclass
from typing import Literal

from etl.models.families import PIPELINES

Conditioning = Literal["prompt", "class", "none"]


@dataclass(frozen=True)
class Defaults:
    """What a request of this class holds unless the settings say otherwise."""

    conditioning: Conditioning
    steps: int
    guidance: float | None
    """None where the class has no guidance."""
    px: int | None
    """Side of the square image; None where the model alone decides it."""
    negative: bool = False
    """Whether a negative prompt is understood."""
    guidance_argument: str = "guidance_scale"
    neutral_negative: str | None = None
    """A negative prompt that the class needs for its guidance to act at all."""


def _prompt(steps: int, guidance: float, px: int, negative: bool = True) -> Defaults:
    return Defaults("prompt", steps, guidance, px, negative)


DEFAULTS: dict[str, Defaults] = {
    "StableDiffusionPipeline": _prompt(50, 7.5, 512),
    "StableDiffusionXLPipeline": _prompt(50, 5.0, 1024),
    "StableDiffusion3Pipeline": _prompt(28, 7.0, 1024),
    "LatentConsistencyModelPipeline": _prompt(4, 8.5, 512, negative=False),
    # Flux's guidance is an input of the distilled model; a negative prompt acts only with true_cfg_scale > 1.
    "FluxPipeline": _prompt(28, 3.5, 1024, negative=False),
    "ChromaPipeline": _prompt(35, 5.0, 1024),
    "PixArtAlphaPipeline": _prompt(20, 4.5, 1024),
    "PixArtSigmaPipeline": _prompt(20, 4.5, 1024),
    "SanaPipeline": _prompt(20, 4.5, 1024),
    "Lumina2Pipeline": _prompt(30, 4.0, 1024),
    "AuraFlowPipeline": _prompt(50, 3.5, 1024),
    "HunyuanDiTPipeline": _prompt(50, 5.0, 1024),
    "CogView4Pipeline": _prompt(50, 5.0, 1024),
    "ZImagePipeline": _prompt(50, 5.0, 1024),
    "KolorsPipeline": _prompt(50, 5.0, 1024),
    # Classifier-free guidance is called true_cfg_scale here and is off without a negative prompt.
    "QwenImagePipeline": Defaults("prompt", 50, 4.0, 1024, True, "true_cfg_scale", " "),
    "DiTPipeline": Defaults("class", 50, 4.0, None),
    "DDPMPipeline": Defaults("none", 1000, None, None),
    "DDIMPipeline": Defaults("none", 50, None, None),
    "LDMPipeline": Defaults("none", 50, None, None),
}

SUPPORTED: frozenset[str] = frozenset(DEFAULTS)

CLASSES = 1000
"""ImageNet's classes: DiTPipeline takes the label after the last of them for "no class"."""


def family_of(pipeline_class: str) -> str:
    """Return the family's name, as the catalogue writes it."""
    return PIPELINES[pipeline_class].family
