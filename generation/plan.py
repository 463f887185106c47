"""What to sample: generators × prompts × seeds, as requests whose ids follow from their content. Pure."""

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, fields, replace

from generation.assignment import assign_prompts, prompt_id
from generation.defaults import Defaults
from generation.families import CLASSES, DEFAULTS
from generation.hints import NO_HINTS, Hints
from generation.repository import Repository
from generation.settings import GenerateSettings
from generation.variation import figures


@dataclass(frozen=True)
class Generator:
    """An eligible generator with the repository it is sampled from, and its base's when it is an adapter."""

    generator_id: str
    repository: Repository
    pipeline_class: str
    licence: str | None = None
    nsfw: bool | None = None
    is_adapter: bool = False
    base: Repository | None = None
    hints: Hints = NO_HINTS
    images: int | None = None
    """As many as the planner asked for; None: as many as the settings say."""
    refused: str | None = None
    """Why a planned generator is not eligible any more; its requests count as refused."""


@dataclass(frozen=True)
class Request:
    """One image to make. None: not understood by the pipeline class, or left to the model."""

    request_id: str
    prompt_id: str
    prompt: str | None
    negative_prompt: str | None
    class_label: int | None
    seed: int
    steps: int
    guidance: float | None
    width: int | None
    height: int | None
    scheduler: str | None = None
    """The class that replaces the model's own scheduler; None: its own."""
    format: str | None = None
    """JPEG or WEBP; None: PNG."""
    quality: int | None = None
    """The encoder's, 1 … 100; None for PNG."""
    subsampling: str | None = None
    """Of a JPEG's colours, e.g. 4:2:0."""


_LATER = {field.name for field in fields(Request) if field.default is not MISSING}


@dataclass(frozen=True)
class ModelTask:
    """All requests to one generator."""

    generator: Generator
    requests: tuple[Request, ...]


@dataclass(frozen=True)
class Plan:
    """The tasks of one run; the same settings on the same lake give the same id."""

    plan_id: str
    tasks: tuple[ModelTask, ...]

    @property
    def images(self) -> int:
        """How many images are asked for."""
        return sum(len(task.requests) for task in self.tasks)


def make_plan(generators: Sequence[Generator], prompts: Sequence[str], settings: GenerateSettings) -> Plan:
    """Return the requests to every generator, in the order of their ids.

    Raises ConfigError when there are too few prompts for the settings' assignment.
    """
    ordered = sorted(generators, key=lambda generator: generator.generator_id)
    wanting = {g.generator_id: _images(g, settings) if takes_prompts(g) else 0 for g in ordered}
    assigned = assign_prompts(
        wanting, prompts, settings.prompt_assignment, settings.seed, settings.images_per_prompt
    )
    tasks = tuple(ModelTask(g, tuple(_requests(g, assigned.get(g.generator_id, []), settings))) for g in ordered)
    ids = [request.request_id for task in tasks for request in task.requests]
    return Plan(settings.plan or f"plan-{_digest([settings.seed, ids])[:16]}", tasks)


def takes_prompts(generator: Generator) -> bool:
    """Whether the generator is asked by prompts, not by classes or by nothing."""
    return _defaults(generator).conditioning == "prompt"


def image_seed(generator: Generator, prompt_id: str, k: int) -> int:
    """Return the seed of an image as a positive 63-bit integer, which torch and Delta's long both hold."""
    key = [generator.repository.model_id, generator.repository.revision, prompt_id, k]
    return int(_digest(key)[:16], 16) >> 1


def _images(generator: Generator, settings: GenerateSettings) -> int:
    return generator.images or settings.images_per_generator


def _requests(
    generator: Generator, prompts: Sequence[tuple[str, int]], settings: GenerateSettings
) -> list[Request]:
    defaults, count = _defaults(generator), _images(generator, settings)
    if defaults.conditioning == "prompt":
        return [_request(generator, defaults, settings, prompt_id(p), k, prompt=p) for p, k in prompts]
    if defaults.conditioning == "class":
        labels = random.Random(f"{settings.seed}/{generator.generator_id}").choices(range(CLASSES), k=count)
        return [
            _request(generator, defaults, settings, f"class-{label}", k, label=label)
            for k, label in enumerate(labels)
        ]
    return [_request(generator, defaults, settings, "none", k) for k in range(count)]


def _request(
    generator: Generator,
    defaults: Defaults,
    settings: GenerateSettings,
    prompt_id: str,
    k: int,
    prompt: str | None = None,
    label: int | None = None,
) -> Request:
    negative = (settings.negative_prompt or defaults.neutral_negative) if defaults.negative else None
    seed = image_seed(generator, prompt_id, k)
    how = figures(defaults, generator.hints, settings, seed)
    asked = Request(
        *("", prompt_id, prompt, negative, label, seed, how.steps, how.guidance, how.px, how.px),
        *(how.scheduler, how.format, how.quality, how.subsampling),
    )
    return replace(asked, request_id=request_id(asked, generator))


def request_id(asked: Request, generator: Generator) -> str:
    """Return the digest of all that a request says and of the models that it is made with.

    Fields that requests have not always had are left out where they are None, so that ids stay as they were.
    """
    origins = [generator.repository, *([generator.base] if generator.base else [])]
    said = {**asdict(asked), "request_id": ""}
    kept = {name: value for name, value in said.items() if value is not None or name not in _LATER}
    return _digest([[(origin.model_id, origin.revision) for origin in origins], kept])


def _defaults(generator: Generator) -> Defaults:
    """An unsupported class is planned too, so that its images count as rejected when it is refused."""
    return DEFAULTS.get(generator.pipeline_class, Defaults("none", 1, None, None))


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
