"""One training set and the detectors that learn it, as a process of its own can do it: ids in, scores out."""

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from etl.statistics.spread import vendi_score
from training.experiments import judging, linear
from training.experiments.cells import Cell
from training.experiments.features import FeatureSet, Ids, load

_MOST_ROWS = 1000
"""Fakes whose kinds are counted: each is a row of a matrix whose eigenvalues are taken."""


@dataclass(frozen=True)
class Task:
    """What a process needs of a training set; features stand in the lake."""

    cells: tuple[Cell, ...]
    fakes: Ids
    reals: Ids
    tests: dict[str, tuple[Ids, tuple[str, ...]]]
    """Of each test the ids, fakes first, and the fakes' units"""
    features: dict[str, tuple[FeatureSet, dict[str, FeatureSet], float]]
    """By learner: the features of training, of each test, and the ridge"""


@dataclass
class Result:
    """What came of one cell: scores and metrics by test, or why there are none."""

    cell: Cell
    scores: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    units: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    seconds: float = 0.0
    failure: str | None = None
    run_id: str | None = None
    diversity: dict[str, float] = field(default_factory=dict)


def run(task: Task) -> list[Result]:
    """Fit and judge every cell of a task; what fails in one is said in its result."""
    torch.set_num_threads(1)
    with threadpool_limits(1):
        return [_attempted(task, cell) for cell in task.cells]


def _attempted(task: Task, cell: Cell) -> Result:
    started = time.monotonic()
    try:
        result = _fitted(task, cell)
    except Exception as error:  # the one broad catch of a cell: others go on
        result = Result(cell, failure=f"{type(error).__name__}: {' '.join(str(error).split())[:500]}")
    result.seconds = time.monotonic() - started
    return result


def _fitted(task: Task, cell: Cell) -> Result:
    training, testing, c = task.features[cell.detector]
    rows = load(training.folder).of(np.concatenate([task.fakes, task.reals]))
    labels = np.repeat([1, 0], [len(task.fakes), len(task.reals)])
    weights, bias = linear.fit(rows, labels, c)
    shown = rows[: len(task.fakes)][:_MOST_ROWS]
    result = Result(cell, diversity={"vendi": vendi_score(standardised(shown))})
    for name, (ids, units) in task.tests.items():
        result.scores[name] = linear.logits(load(testing[name].folder).of(ids), weights, bias)
        result.units[name] = judging.by_unit(result.scores[name], units)
    return result


def standardised(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return features less their mean, each divided by its spread: raw ones all point the same way."""
    wide = rows.astype(np.float64)
    spread = wide.std(0)
    found: NDArray[np.float64] = (wide - wide.mean(0)) / np.where(spread > 1e-9, spread, 1.0)
    return found
