"""What is known of sampling a pipeline class, with the source of each figure. The rows: `generation.families`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Conditioning = Literal["prompt", "class", "none"]
Precision = Literal["float32", "float16", "bfloat16"]

Source = Literal["signature", "class", "example", "checkpoint"]
"""signature: the default of the class's `__call__` in diffusers 0.42. class: a constant of its code. example: the
example in its documentation. checkpoint: what the released model that this example loads has in its configuration
and says on its card."""

SCHEDULERS: tuple[str, ...] = (
    *("DDIMScheduler", "DDPMScheduler", "PNDMScheduler", "DEISMultistepScheduler", "UniPCMultistepScheduler"),
    *("DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler"),
    *("EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler"),
    *("KDPM2DiscreteScheduler", "KDPM2AncestralDiscreteScheduler"),
)
"""Those of diffusers' KarrasDiffusionSchedulers that need no further package: any may stand for another."""


@dataclass(frozen=True)
class Defaults:
    """What a request of this class holds unless a hint of the model or the settings say otherwise.

    Steps and guidance are the signature's defaults, but for those that `sources` names.
    """

    conditioning: Conditioning
    steps: int
    guidance: float | None
    """None where the class has no guidance."""
    px: int | None
    """Side of the square image; None where the model alone decides it."""
    px_from: Source | None = None
    negative: bool = False
    """Whether a negative prompt is understood."""
    dtype: Precision = "float32"
    """On a GPU: what the class's example loads it in, float32 where that names none."""
    multiple: int = 8
    """Sides are a multiple of this: the autoencoder's factor times the patch, from the class's code."""
    batched: bool = True
    """Whether one call samples several prompts or labels, each with its own generator."""
    swappable: bool = False
    """Whether any of SCHEDULERS may replace its own: its `__init__` takes KarrasDiffusionSchedulers."""
    steps_argument: str = "num_inference_steps"
    guidance_argument: str = "guidance_scale"
    neutral_negative: str | None = None
    """A negative prompt that the class needs for its guidance to act at all."""
    sources: Mapping[str, Source] = field(default_factory=dict)
    """By name of the figure, where it is not the signature's default."""


def side(px: int, defaults: Defaults) -> int:
    """Return the nearest side that the class can make: `px` rounded down to its multiple, at least one of them."""
    return max(defaults.multiple, px // defaults.multiple * defaults.multiple)
