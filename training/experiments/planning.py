"""Before anything runs: the tables pinned, every cell's images chosen, what is done told from what is not."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from etl.errors import NothingUsable
from etl.images.withdrawal import withdrawn
from etl.statistics.diversity import hill_number
from training.experiments import cells, records
from training.experiments.candidates import LINEAGE, Candidates, Ints, pinned, read
from training.experiments.cells import Cell, Chosen
from training.experiments.features import FeatureSet, Ids, is_fixed
from training.experiments.processing import Processing
from training.experiments.selection import Judged, id_checksum
from training.experiments.settings import ExperimentSettings
from training.experiments.value import Valued
from training.experiments.work import Task


@dataclass(frozen=True)
class Plan:
    """An experiment ready to run."""

    settings: ExperimentSettings
    versions: dict[str, int]
    candidates: Candidates
    chosen: list[Chosen]
    problems: list[str]
    """Training sets that cannot be chosen, and why"""
    hashes: dict[str, str]
    """Of every cell by its id"""
    done: pl.DataFrame
    """Rows of `experiments` that stand"""

    @property
    def to_do(self) -> list[Chosen]:
        """The training sets with a cell that is not done, with those cells alone."""
        there = set() if self.settings.cell else set(self.done["cell"])
        left = [
            replace(one, cells=tuple(cell for cell in one.cells if cell.id not in there)) for one in self.chosen
        ]
        return [one for one in left if one.cells]


def plan(settings: ExperimentSettings) -> Plan:
    """Choose the images of all cells. Raises as `candidates.read`, NothingUsable where no cell can be chosen."""
    design = settings.design
    begun = None if settings.newest else records.versions_of(settings.root, settings.name)
    versions = begun or pinned(settings.root)
    found = read(settings.root, design, versions)
    adaptive = any(arm.fakes.strategy in ("value", "spread") for arm in design.arms.values())
    prefer = Valued(settings, versions, found).prefer if adaptive and not settings.dry_run else None
    chosen, problems = cells.grid(found, settings.cell, prefer)
    if not chosen:
        raise NothingUsable(
            f"no training set of {settings.name} can be chosen: {'; '.join(problems[:5])}"
            + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")
        )
    hashes = {cell.id: cells.cell_hash(design, cell, versions) for one in chosen for cell in one.cells}
    done = records.done(settings.root, settings.name, hashes)
    planned = Plan(settings, versions, found, chosen, problems, hashes, done)
    _refuse_withdrawn(planned)
    return planned


def _refuse_withdrawn(plan: Plan) -> None:
    """Raise NothingUsable where a cell would learn a generator that was withdrawn after the experiment began."""
    names = plan.candidates.column("generator_id")
    learnt = {names[code] for one in plan.to_do for code in np.unique(plan.candidates.codes[one.learnt.fakes])}
    if gone := sorted(learnt & set(withdrawn(plan.settings.root))):
        raise NothingUsable(
            f"{', '.join(gone[:5])} {'was' if len(gone) == 1 else 'were'} withdrawn since {plan.settings.name} "
            "began, and cells that are left would learn it; --newest true runs all cells anew without"
        )


def task(plan: Plan, chosen: Chosen) -> Task:
    """Return what a process needs to run the cells of a training set, those of fixed features."""
    candidates, design = plan.candidates, plan.settings.design
    arm = design.arms[chosen.cells[0].arm]
    fixed = tuple(cell for cell in chosen.cells if is_fixed(design.detector(cell.detector)))
    tests = {name: (_ids(candidates, one), one.units) for name, one in chosen.tests.items()}
    features = {}
    for cell in fixed:
        learner = design.detectors[cell.detector]

        def of(processing: Processing, cell: Cell = cell) -> FeatureSet:
            weights = design.detectors[cell.detector].train.get("weights")
            return FeatureSet(plan.settings.root, design.detector(cell.detector), weights, processing, cell.seed)

        testing = {name: of(design.tests[name].processing or design.testing) for name in tests}
        features[cell.detector] = of(arm.processing or design.processing), testing, learner.c
    fakes, reals = (np.array(candidates.ids(part), "S64") for part in (chosen.learnt.fakes, chosen.learnt.reals))
    return Task(fixed, fakes, reals, tests, features)


def wanted(tasks: Iterable[Task]) -> dict[FeatureSet, set[str]]:
    """Return the images whose features the tasks need, by set of features."""
    found: dict[FeatureSet, set[bytes]] = {}
    for one in tasks:
        learnt = {*one.fakes.tolist(), *one.reals.tolist()}
        for training, testing, _ in one.features.values():
            found.setdefault(training, set()).update(learnt)
            for name, features in testing.items():
                found.setdefault(features, set()).update(one.tests[name][0].tolist())
    return {features: {str(name, "ascii") for name in ids} for features, ids in found.items()}


def known(plan: Plan, chosen: Chosen, run_id: str | None) -> dict[str, dict[str, Any]]:
    """Return what `experiments` says of the cells of a training set before they ran, by cell id."""
    learnt = chosen.learnt
    common = {
        **cells.sizes(plan.candidates, learnt),
        "config_hash": cells.config_hash(plan.settings.design),
        "id_checksum": id_checksum(sorted(plan.candidates.ids(learnt.positions))),
        "table_versions": json.dumps(plan.versions, sort_keys=True),
        "diversity": json.dumps(diversity(plan.candidates, learnt.fakes), sort_keys=True),
        "run_id": run_id,
    }
    return {
        cell.id: {**cell._asdict(), "cell": cell.id, "cell_hash": plan.hashes[cell.id], **common}
        for cell in chosen.cells
    }


def diversity(candidates: Candidates, fakes: Ints) -> dict[str, float]:
    """Return Hill numbers of a set of fakes by generator and lineage, as column_order; images are counted."""
    counts = np.bincount(candidates.codes[fakes], minlength=candidates.generators.height)
    per_generator = counts[counts > 0]
    found = {f"generator_{order}": hill_number(per_generator.tolist(), order) for order in (0, 1, 2)}
    for column in LINEAGE:
        kinds: dict[str, int] = {}
        for name, count in zip(candidates.column(column), counts.tolist(), strict=True):
            kinds[name] = kinds.get(name, 0) + count
        found |= {f"{column}_{order}": hill_number(kinds.values(), order) for order in (0, 1, 2)}
    return found


def test_ids(plan: Plan, chosen: Chosen) -> Mapping[str, list[str]]:
    """Return the image ids of each test, fakes first."""
    return {name: plan.candidates.ids(one.positions) for name, one in chosen.tests.items()}


def _ids(candidates: Candidates, test: Judged) -> Ids:
    return np.array(candidates.ids(test.positions), "S64")
