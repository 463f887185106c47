"""How one image is sampled: configuration before the model's hints before its class's defaults. Pure.

Figures may also be drawn for each image from declared ranges, as a detector should not learn one setting. A draw
follows from the image's seed alone, so it is the same in every run.
"""

import random
from dataclasses import dataclass

from generation.defaults import Defaults, side
from generation.hints import Hints
from generation.settings import GenerateSettings


@dataclass(frozen=True)
class Figures:
    """Steps, guidance, side in pixels, scheduler and file format of one image; None as in `Request`."""

    steps: int
    guidance: float | None
    px: int | None
    scheduler: str | None
    format: str | None
    quality: int | None
    subsampling: str | None


def figures(defaults: Defaults, hints: Hints, settings: GenerateSettings, seed: int) -> Figures:
    """Return how to sample the image with this seed.

    What the settings fix holds for every model, and what they vary for every one but the distilled: these have
    steps, guidance and scheduler of their own, and only their size is drawn. A class without guidance, with a size
    of its own or with its own kind of scheduler keeps it.
    """
    distilled = hints.steps is not None
    steps, guidance, scheduler = hints.steps or defaults.steps, defaults.guidance, hints.scheduler
    if distilled:
        guidance = hints.guidance
    else:
        if settings.vary_steps:
            steps = _draw("steps", seed).randint(*settings.vary_steps)
        if settings.vary_guidance:
            guidance = round(_draw("guidance", seed).uniform(*settings.vary_guidance), 2)
        if settings.vary_schedulers:
            scheduler = _draw("scheduler", seed).choice(settings.vary_schedulers)
    px = _draw("size", seed).choice(settings.vary_size) if settings.vary_size else hints.px or defaults.px
    if settings.guidance is not None:
        guidance = settings.guidance
    format_ = _draw("format", seed).choice(settings.formats)
    return Figures(
        steps=settings.steps or steps,
        guidance=None if defaults.guidance is None else guidance,
        px=side(settings.size or px, defaults) if defaults.px and px else None,
        scheduler=scheduler if defaults.swappable else None,
        format=None if format_ == "PNG" else format_,
        quality=None if format_ == "PNG" else _draw("quality", seed).randint(*settings.quality),
        subsampling=_draw("subsampling", seed).choice(settings.subsampling) if format_ == "JPEG" else None,
    )


def _draw(figure: str, seed: int) -> random.Random:
    """One generator a figure, so that to vary one more leaves the others as they were."""
    return random.Random(f"{figure}/{seed}")
