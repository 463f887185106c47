"""The grid of an experiment: every training set that is chosen, and every detector that learns it."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from etl.errors import ConfigError, NothingUsable
from training.experiments import selection
from training.experiments.arms import Arm
from training.experiments.candidates import Candidates
from training.experiments.deal import Deal, deals
from training.experiments.design import Design
from training.experiments.selection import Judged, Learnt, Prefer

VERSION = 1
"""Of all that turns images into scores here; a change makes every cell anew."""


class Cell(NamedTuple):
    """One training set learnt by one detector."""

    arm: str
    x: float
    seed: int
    fold: int
    draw: int
    detector: str

    @property
    def id(self) -> str:
        return f"{self.arm}/x{self.x:g}/s{self.seed}/f{self.fold}/d{self.draw}/{self.detector}"

    @property
    def set_id(self) -> str:
        """Of the training set, whatever the detector."""
        return self.id.rpartition("/")[0]


@dataclass(frozen=True)
class Chosen:
    """A training set with its tests, and the cells that learn it."""

    cells: tuple[Cell, ...]
    deal: Deal
    learnt: Learnt
    tests: dict[str, Judged]


class Grid(NamedTuple):
    """All that can be chosen, and why the rest cannot."""

    chosen: list[Chosen]
    problems: list[str]

    @property
    def cells(self) -> list[Cell]:
        return [cell for one in self.chosen for cell in one.cells]


def grid(candidates: Candidates, only: str | None = None, prefer: Prefer | None = None) -> Grid:
    """Choose the images of every cell, seed by seed; `only` names a single cell.

    Raises NothingUsable for a hold-out that cannot be dealt, ConfigError for a cell that there is not.
    """
    found = Grid([], [])
    for seed in candidates.design.seeds:
        if only and f"/s{seed}/" not in only:
            continue
        for deal in deals(candidates, seed):
            tests: dict[tuple[str, ...], dict[str, Judged]] = {}
            for cells in _training_sets(candidates, deal):
                cells = tuple(cell for cell in cells if only in (None, cell.id))
                if cells:
                    _choose(candidates, deal, cells, tests, found, prefer)
    if only and not found.chosen and not found.problems:
        raise ConfigError(f"--cell: there is no cell '{only}'; they are named ARM/x8/s1/f0/d0/DETECTOR")
    return found


def cell_hash(design: Design, cell: Cell, versions: Mapping[str, int]) -> str:
    """Return the hash of all that a cell's result depends on."""
    arm = asdict(design.arms[cell.arm])
    for key in ("label", "x", "vary", "draws_at", "detectors"):
        del arm[key]
    arm["fakes"] = asdict(design.arms[cell.arm].at(cell.x))
    arm["draws"] = design.arms[cell.arm].draws_at.get(f"{cell.x:g}", design.arms[cell.arm].draws) == 0
    common = {
        key: value
        for key, value in asdict(design).items()
        if key not in ("arms", "detectors", "seeds", "primary", "effects", "axis")
    }
    learner = asdict(design.detectors[cell.detector]) | {"detector": design.detector(cell.detector), "seeds": None}
    identity = [VERSION, arm, [cell.seed, cell.fold, cell.draw], learner, common, sorted(versions.items())]
    return digest(identity)


def config_hash(design: Design) -> str:
    """Return the hash of the whole design."""
    return digest(asdict(design))


def digest(values: Any) -> str:
    """Return the SHA-256 of plain values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _training_sets(candidates: Candidates, deal: Deal) -> Iterator[tuple[Cell, ...]]:
    design = candidates.design
    for name, arm in design.arms.items():
        learners = [
            learner
            for learner, how in design.detectors.items()
            if learner in (arm.detectors or design.detectors) and deal.seed in (how.seeds or [deal.seed])
        ]
        for x in arm.x:
            for number in range(_draws(candidates, arm, x, deal)):
                yield tuple(Cell(name, float(x), deal.seed, deal.fold, number, learner) for learner in learners)


def _draws(candidates: Candidates, arm: Arm, x: float, deal: Deal) -> int:
    asked = arm.draws_at.get(f"{x:g}", arm.draws)
    return asked if asked else selection.group_count(candidates, arm, x, deal)


def _choose(
    candidates: Candidates,
    deal: Deal,
    cells: tuple[Cell, ...],
    tests: dict[tuple[str, ...], dict[str, Judged]],
    found: Grid,
    prefer: Prefer | None,
) -> None:
    first = cells[0]
    arm = candidates.design.arms[first.arm]
    needs_own = any(test.fakes.whose == "own" for test in candidates.design.tests.values())
    try:
        learnt = selection.training_set(candidates, arm, first.x, deal, first.draw, prefer)
        own = learnt.groups if needs_own else ()
        if own not in tests:
            tests[own] = selection.tests(candidates, deal, own)
        learnt = selection.without_relatives(candidates, learnt, tests[own])
    except NothingUsable as error:
        found.problems.append(f"{first.set_id}: {error}")
        return
    faults = selection.faults(candidates, arm, learnt, tests[own], deal)
    if faults:
        found.problems.append(f"{first.set_id}: {'; '.join(faults)}")
        return
    found.chosen.append(Chosen(cells, deal, learnt, tests[own]))


def sizes(candidates: Candidates, learnt: Learnt) -> dict[str, int]:
    """Return the counts of a training set that `experiments` records."""
    return {
        "n_fake": len(learnt.fakes),
        "n_real": len(learnt.reals),
        "n_distinct": len(np.unique(learnt.positions)),
        "n_generators": len(np.unique(candidates.codes[learnt.fakes])),
        "n_groups": len(learnt.groups),
    }
