"""A named plan's inputs, kept from its first run on: the generators as they were then, the prompts, the settings.

A plan may take weeks. What a later crawl says of a model, or the captions that a later ingest brings, would change
what is asked for in the middle of it, and its images would be of two kinds. A plan without a name needs nothing
kept: its name is the hash of all that it asks for.
"""

import gzip
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from etl.errors import ConfigError
from etl.lake.folder import Folder, folder
from generation.hints import Hints
from generation.inputs import wanted_generators
from generation.plan import Generator, Plan, make_plan, takes_prompts
from generation.prompts import Prompt, read_prompts, record_prompts
from generation.repository import RepoFile, Repository
from generation.settings import GenerateSettings

FILE = "plan.json.gz"
DECIDING = (
    *("prompts", "prompt_assignment", "images_per_prompt", "seed", "negative_prompt", "steps", "guidance", "size"),
    *("vary_steps", "vary_guidance", "vary_schedulers", "vary_size", "formats", "quality", "subsampling"),
)
"""Settings that decide what is asked of a generator. Not how many images: more of them ask for the same first
ones, but where three and more share a prompt."""
_NUMBER = "images_per_generator"


@dataclass(frozen=True)
class Pinned:
    """What a plan was begun with; generators that joined it later are here from then on."""

    settings: dict[str, Any]
    generators: dict[str, Generator] = field(default_factory=dict)
    prompts: tuple[Prompt, ...] = ()


def pinned_plan(settings: GenerateSettings, now: datetime) -> Plan:
    """Return the plan that the settings ask for, as it was begun where it was; keep its inputs and its prompts.

    The caller holds the lock of `generation_attempts`. Raises ConfigError where the settings are not those that
    the plan was begun with, and as `wanted_generators`, `read_prompts` and `make_plan`.
    """
    before = read(settings.root, settings.plan) if settings.plan else None
    if before:
        _require_same(before, settings)
    found = [_held(one, before) for one in wanted_generators(settings)]
    if settings.plan and before is None and all(one.images is None for one in found):
        print(
            f"generate: `forensics plan` wrote no plan '{settings.plan}': it begins with {len(found)} eligible "
            f"generators, {settings.images_per_generator} images each",
            file=sys.stderr,
        )
    wanted = {one.generator_id for one in found}
    generators = _dealt_to(found, before, settings)
    prompts: Sequence[Prompt] = before.prompts if before else ()
    if any(map(takes_prompts, generators)):
        if prompts:
            print(f"generate: plan {settings.plan} goes on with its {len(prompts)} prompts", file=sys.stderr)
        prompts = prompts or read_prompts(settings.root, settings.prompts, settings.endpoint)
    whole = make_plan(generators, [prompt.text for prompt in prompts], settings)
    plan = replace(whole, tasks=tuple(t for t in whole.tasks if t.generator.generator_id in wanted))
    record_prompts(settings.root, prompts, plan, now)
    if settings.plan:
        known = {**(before.generators if before else {}), **{g.generator_id: g for g in generators}}
        pinned = Pinned(_deciding(settings), known, tuple(prompts))
        if pinned != before:
            _write(settings.root, settings.plan, pinned)
    return plan


def read(root: str, plan: str) -> Pinned | None:
    """Return what a plan was begun with; None for one that was not. Raises ConfigError for a damaged file."""
    place = _place(root, plan)
    try:
        content = place.read(FILE)
        if content is None:
            return None
        said = json.loads(gzip.decompress(content))
        generators = [generator_of(one) for one in said["generators"]]
        prompts = tuple(Prompt(*one) for one in said["prompts"])
    except (OSError, EOFError, ValueError, LookupError, TypeError) as error:
        raise ConfigError(
            f"{place.address(FILE)} cannot be read ({type(error).__name__}), and with it the inputs of the plan's "
            "begin: give --plan another name, or remove that file to go on with the inputs of today"
        ) from None
    return Pinned(said["settings"], {one.generator_id: one for one in generators}, prompts)


def generator_of(said: Mapping[str, Any]) -> Generator:
    """Return the generator that `asdict` made into JSON."""
    base = said["base"]
    parts = {
        "repository": _repository(said["repository"]),
        "base": _repository(base) if base else None,
        "hints": Hints(**said["hints"]),
    }
    return Generator(**{**said, **parts})


def _repository(said: Mapping[str, Any]) -> Repository:
    return Repository(**{**said, "files": tuple(RepoFile(**file) for file in said["files"])})


def _held(found: Generator, before: Pinned | None) -> Generator:
    """Return a generator as the plan was begun with it; whether it may be sampled is what the lake says today."""
    pinned = before.generators.get(found.generator_id) if before else None
    if pinned is None:
        return found
    refused = found.refused
    if pinned.base is not None and found.base is None:
        refused = refused or f"BASE_MISSING: {pinned.base.model_id} may not be sampled any more"
    return replace(pinned, images=found.images, refused=refused, licence=found.licence, nsfw=found.nsfw)


def _dealt_to(found: list[Generator], before: Pinned | None, settings: GenerateSettings) -> list[Generator]:
    """Return whom prompts are assigned to. Raises ConfigError for a generator that joins where they are dealt out.

    Disjoint prompts depend on all the generators among which they are dealt: those that the plan was begun with.
    """
    if settings.prompt_assignment != "disjoint" or before is None:
        return found
    here = {one.generator_id: one for one in found}
    if joining := sorted(set(here) - set(before.generators)):
        raise ConfigError(
            f"the disjoint prompts of plan '{settings.plan}' are dealt out already: {', '.join(joining[:5])} "
            "cannot join it; give them a plan of their own"
        )
    return [here.get(key, pinned) for key, pinned in before.generators.items()]


def _require_same(before: Pinned, settings: GenerateSettings) -> None:
    then, now = before.settings, _deciding(settings)
    names = [*DECIDING, *([_NUMBER] if settings.images_per_prompt > 2 else [])]
    if changed := [name for name in names if name in then and then[name] != now[name]]:
        differ = "; ".join(f"--{name} was {json.dumps(then[name])}" for name in changed)
        raise ConfigError(
            f"the plan '{settings.plan}' was begun otherwise ({differ}): give the same, or another --plan"
        )


def _deciding(settings: GenerateSettings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in (*DECIDING, _NUMBER)}


def _write(root: str, plan: str, pinned: Pinned) -> None:
    said = {
        "settings": pinned.settings,
        "generators": [asdict(generator) for generator in pinned.generators.values()],
        "prompts": pinned.prompts,
    }
    _place(root, plan).write(FILE, gzip.compress(json.dumps(said).encode(), mtime=0))


def _place(root: str, plan: str) -> Folder:
    return folder(root, "landing", "images", plan)
