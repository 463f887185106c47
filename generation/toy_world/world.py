"""The models of the toy world: 14 families of a base and nine fine-tunes, by name, settings and course.

A family has one architecture. Its base learns from all training photographs; a fine-tune goes on from the base
with photographs, loss, rate and noise of its own and, where it can, in a third with a discriminator.
"""

import random
import zlib
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from etl.models.families import TOY
from generation.toy_world.training import LOSSES, Course

FINE_TUNES = 9
PHOTOS_OF_A_FINE_TUNE = 15
LAB, COMMUNITY = "toy-lab", "toy-community"
_FIRST, _LAST = date(2022, 8, 1), date(2026, 6, 1)
_UNJUDGED = ("row-by-row", "pixel-diffusion", "latent-diffusion")
"""Kinds whose training makes no whole image for a discriminator to look at."""

SETTINGS: dict[str, dict[str, Any]] = {
    "transposed-even": {"variant": 4},
    "transposed-odd": {"variant": 3},
    "nearest": {},
    "bilinear": {},
    "pixel-shuffle": {},
    "filtered": {},
    "carafe": {"width": 16},
    "wavelet": {},
    "patches": {"width": 48, "kept": 14},
    "quantised": {"block": 2, "kept": 6},
    "coordinates": {},
    "row-by-row": {},
    "pixel-diffusion": {"width": 16, "strength": 0.12},
    "latent-diffusion": {"strength": 0.25},
}
"""By kind, what is not as in _SHARED: one architecture a family."""
_SHARED = {"block": 4, "kept": 30, "width": 24}


@dataclass(frozen=True)
class ToyModel:
    """One repository of the toy world."""

    id: str
    kind: str
    settings: tuple[tuple[str, Any], ...]
    """Of ToyGenerator"""
    course: Course
    photos: int | None
    """How many training photographs it learns from; None for all"""
    base: str | None
    released: date

    @property
    def pipeline_class(self) -> str:
        return pipeline_class(self.kind)


def pipeline_class(kind: str) -> str:
    """Return the name of a kind's pipeline class, as it stands in `etl.models.families`."""
    return f"Toy{''.join(word.capitalize() for word in kind.split('-'))}Pipeline"


def models(kinds: tuple[str, ...] = tuple(SETTINGS)) -> list[ToyModel]:
    """Return the models of these kinds, each base before its fine-tunes."""
    return [model for kind in kinds for model in _family(kind)]


def _family(kind: str) -> list[ToyModel]:
    assert pipeline_class(kind) in TOY
    settings = _SHARED | SETTINGS[kind]
    born = _FIRST + timedelta(days=80 * list(SETTINGS).index(kind))
    base = ToyModel(
        f"{LAB}/{kind}", kind, _frozen(settings), Course(200, 5e-3, seed=_seed(kind)), None, None, born
    )
    return [base, *(_fine_tune(base, settings, number) for number in range(1, FINE_TUNES + 1))]


def _fine_tune(base: ToyModel, settings: dict[str, Any], number: int) -> ToyModel:
    dice = random.Random(_seed(f"{base.kind} {number}"))
    judged = base.kind not in _UNJUDGED and number % 3 == 0
    changed = dict(settings)
    if base.kind in ("pixel-diffusion", "latent-diffusion"):
        changed["strength"] = round(settings["strength"] * dice.uniform(0.8, 1.25), 3)
    else:
        changed["noise"] = dice.choice([0.0, 0.05, 0.1])
    course = Course(
        steps=dice.randrange(30, 71),
        rate=dice.choice([1e-3, 2e-3, 4e-3]),
        loss=dice.choice(LOSSES),
        adversarial=0.02 if judged else 0.0,
        batch=8,
        seed=_seed(f"{base.kind} {number} course"),
    )
    released = base.released + timedelta(days=dice.randrange(20, max(21, (_LAST - base.released).days)))
    name = f"{COMMUNITY}/{base.kind}-{number}"
    return ToyModel(name, base.kind, _frozen(changed), course, PHOTOS_OF_A_FINE_TUNE, base.id, released)


def _frozen(settings: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(settings.items()))


def _seed(words: str) -> int:
    return zlib.crc32(f"toy world/{words}".encode())
