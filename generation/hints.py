"""What a model itself says of how it is sampled, where its class's defaults would not do. Pure.

Distilled models give noise or burnt colours with their class's steps and guidance. Their authors say so in names,
tags, the index, or the scheduler; each rule below names where its figures come from.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

SD, SDXL, SD3 = "StableDiffusionPipeline", "StableDiffusionXLPipeline", "StableDiffusion3Pipeline"


@dataclass(frozen=True)
class Hints:
    """Figures that replace the class's; None: nothing is said. A model with `steps` is distilled to them."""

    steps: int | None = None
    guidance: float | None = None
    px: int | None = None
    scheduler: str | None = None
    """A class that must replace the scheduler in the repository: an adapter comes without one."""
    source: str = ""
    """What the figures rest on, in words."""


NO_HINTS = Hints()


@dataclass(frozen=True)
class _Rule:
    """What follows from words in a name or tag: `pattern` is looked for between hyphens."""

    pattern: str
    steps: int
    guidance: float
    source: str
    classes: tuple[str, ...] = ()
    """Those that it holds for; empty: all."""
    px: int | None = None
    scheduler: str | None = None
    adapter: bool = False
    """Whether the words say it of an adapter too, even without a number of steps."""


_RULES: tuple[_Rule, ...] = (
    _Rule("schnell", 4, 0.0, "card of FLUX.1-schnell", ("FluxPipeline",)),
    _Rule("turbo", 9, 0.0, "card of Z-Image-Turbo", ("ZImagePipeline",)),
    _Rule("turbo", 4, 0.0, "card of stable-diffusion-3.5-large-turbo", (SD3,)),
    _Rule("turbo", 8, 0.0, "example of Krea2Pipeline", ("Krea2Pipeline",)),
    _Rule("turbo", 8, 2.5, "card of FLUX.2-dev-Turbo", ("Flux2Pipeline",), adapter=True),
    _Rule("(?:sdxl|sd)-turbo", 4, 0.0, "diffusers' guide to SDXL Turbo", (SD, SDXL), px=512),
    _Rule("sdxl-flash", 7, 3.0, "card of sdxl-flash", (SDXL,)),
    _Rule("lcm", 4, 1.0, "diffusers' guide to LCM distillation", scheduler="LCMScheduler", adapter=True),
    _Rule("tcd", 4, 0.0, "card of TCD-SDXL-LoRA", (SD, SDXL), scheduler="TCDScheduler", adapter=True),
    _Rule("dmd2?", 4, 0.0, "card of DMD2", (SDXL,), scheduler="LCMScheduler", adapter=True),
    _Rule("flash-(?:sd|sdxl|sd3|pixart)", 4, 0.0, "card of flash-sdxl", scheduler="LCMScheduler", adapter=True),
    _Rule("lightning", 8, 1.0, "card of Qwen-Image-Lightning", ("QwenImagePipeline",), adapter=True),
    _Rule(
        "(?:sdxl|sd)-lightning", 4, 0.0, "card of SDXL-Lightning", (SD, SDXL), scheduler="EulerDiscreteScheduler"
    ),
    _Rule("hyper-flux", 8, 3.5, "card of Hyper-SD", ("FluxPipeline",), adapter=True),
    _Rule("hyper-sd(?:xl|15)?", 8, 0.0, "card of Hyper-SD", (SD, SDXL), scheduler="DDIMScheduler", adapter=True),
    _Rule("lightning", 4, 2.0, "card of dreamshaper-xl-lightning", (SD, SDXL)),
    _Rule("turbo", 6, 2.0, "card of dreamshaper-xl-v2-turbo", (SD, SDXL)),
    _Rule("hyper", 8, 1.0, "card of Hyper-SD: made for 8 steps without guidance", (SD, SDXL)),
    _Rule("distilled", 25, 5.0, "card of HunyuanDiT-v1.1-Diffusers-Distilled", ("HunyuanDiTPipeline",)),
    _Rule("distilled", 8, 3.25, "card of HunyuanImage-2.1-Distilled", ("HunyuanImagePipeline",)),
)
_OF_INDEX = {
    "Flux2KleinPipeline": (4, 1.0, "card of FLUX.2-klein-4B"),
    "Krea2Pipeline": (8, 0.0, "example of Krea2Pipeline"),
}
"""Steps and guidance of classes whose index says `is_distilled`."""
_FEW_STEP_SCHEDULERS = {"LCMScheduler": "lcm", "TCDScheduler": "tcd"}
_SIZED = {
    *("PixArtAlphaPipeline", "PixArtSigmaPipeline", "PixArtSigmaPAGPipeline", "SanaPipeline", "SanaPAGPipeline"),
    *("SanaSprintPipeline", "AmusedPipeline"),
}
"""Classes released in several sizes, with the size in the name."""
_SIZE = re.compile(r"(?:^|-)(256|512|1024|2048)(?:px|x\1)?(?=-|$)")
_STEPS = re.compile(r"(?:^|-)(\d{1,2})-?steps?(?=-|$)")
_FEWEST, _MOST = 1, 16
"""Numbers of steps that a name may plausibly give a distilled model."""


def hints(
    pipeline_class: str,
    model_id: str,
    tags: Sequence[str] = (),
    model_index: str | None = None,
    scheduler_config: str | None = None,
    is_adapter: bool = False,
) -> Hints:
    """Return what the model says; of several that speak of steps the first in `_words`' order is taken.

    `model_index` and `scheduler_config` are the files as received; those of an adapter are its base's, and what an
    adapter says goes before what its base does: call this for each, and `merged`.
    """
    index, scheduler = _parsed(model_index), _parsed(scheduler_config)
    found = _distilled(pipeline_class, model_id, tags, index, scheduler, is_adapter)
    if found.px is not None or is_adapter:
        return found
    px, source = _size(pipeline_class, model_id, scheduler)
    return Hints(found.steps, found.guidance, px, found.scheduler, "; ".join(filter(None, [found.source, source])))


def merged(first: Hints, second: Hints) -> Hints:
    """Return `first` completed by `second`; steps, guidance and scheduler belong together."""
    speaker = second if first.steps is None else first
    px = second.px if first.px is None else first.px
    sources = dict.fromkeys(filter(None, [first.source, second.source]))
    return Hints(speaker.steps, speaker.guidance, px, speaker.scheduler, "; ".join(sources))


def _distilled(
    pipeline_class: str,
    model_id: str,
    tags: Sequence[str],
    index: dict[str, Any],
    scheduler: dict[str, Any],
    is_adapter: bool,
) -> Hints:
    if pipeline_class == "LatentConsistencyModelPipeline":  # its defaults are those of its distillation
        return NO_HINTS
    if index.get("is_distilled") is True and pipeline_class in _OF_INDEX and not is_adapter:
        few, guidance, source = _OF_INDEX[pipeline_class]
        return Hints(few, guidance, source=f"is_distilled in the index: {source}")
    for where, words in _words(model_id, tags, index, scheduler, is_adapter):
        given = _STEPS.search(words)
        steps = int(given[1]) if given and _FEWEST <= int(given[1]) <= _MOST else None
        for rule in _RULES:
            if rule.classes and pipeline_class not in rule.classes:
                continue
            if is_adapter and not (rule.adapter or (steps and where == "name")):
                continue
            if said := re.search(rf"(?:^|-)({rule.pattern})(?=-|$)", words):
                swap = rule.scheduler if is_adapter else None
                source = f"'{said[1]}' in the {where}: {rule.source}"
                return Hints(steps or rule.steps, rule.guidance, rule.px, swap, source)
    if pipeline_class == "FluxPipeline" and not is_adapter and _is_schnell(scheduler):
        return Hints(4, 0.0, source="the scheduler's shift of 1: card of FLUX.1-schnell")
    return NO_HINTS


def _words(
    model_id: str, tags: Sequence[str], index: dict[str, Any], scheduler: dict[str, Any], is_adapter: bool
) -> Iterator[tuple[str, str]]:
    """Yield (where, words) in the order in which they are believed."""
    yield "name", _hyphened(model_id.split("/")[-1])
    if not is_adapter:
        if isinstance(origin := index.get("_name_or_path"), str):
            yield "origin in the index", _hyphened(origin.rstrip("/").split("/")[-1])
        declared = index.get("scheduler")
        names = [declared[-1] if isinstance(declared, list) and declared else None, scheduler.get("_class_name")]
        for name in names:
            if isinstance(name, str) and name in _FEW_STEP_SCHEDULERS:
                yield "scheduler", _FEW_STEP_SCHEDULERS[name]
        for tag in tags:
            if base := re.fullmatch(r"base_model:(?:finetune:|quantized:)?[^:/]+/([^:/]+)", tag):
                yield "name of its base", _hyphened(base[1])
    for tag in tags:
        if ":" not in tag:
            yield "tags", _hyphened(tag)


def _hyphened(text: str) -> str:
    """Return lower-case words between hyphens: `DreamShaperXLTurbo` gives `dream-shaper-xl-turbo`."""
    split = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", text)
    return re.sub(r"[^a-z0-9]+", "-", split.lower()).strip("-")


def _is_schnell(scheduler: dict[str, Any]) -> bool:
    return scheduler.get("shift") == 1.0 and scheduler.get("use_dynamic_shifting") is False


def _size(pipeline_class: str, model_id: str, scheduler: dict[str, Any]) -> tuple[int | None, str]:
    """Return the side that a model of several sizes was trained at, and what says so."""
    if pipeline_class == SD and scheduler.get("prediction_type") == "v_prediction":
        return 768, "v_prediction in the scheduler: card of stable-diffusion-2-1"
    sizes = _SIZE.findall(_hyphened(model_id.split("/")[-1])) if pipeline_class in _SIZED else []
    return (int(sizes[-1]), "size in the name") if sizes else (None, "")


def _parsed(text: str | None) -> dict[str, Any]:
    """Return a configuration; what is none says nothing."""
    try:
        found = json.loads(text or "")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
