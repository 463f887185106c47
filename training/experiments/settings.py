"""Configuration of the commands about experiments."""

import re
from dataclasses import dataclass, field, fields
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any

from etl.errors import ConfigError
from training.mlflow_server import NEEDS_SERVER, has_place

if TYPE_CHECKING:
    from training.experiments.design import Design

Keys = dict[str, Any]


@dataclass(frozen=True)
class ExperimentSettings:
    """An experiment, and how to run it."""

    root: str = "lake"
    """Folder of the lake"""
    name: str = ""
    """The experiment's name in the tables"""
    question: str = ""
    """What it asks, in a sentence"""
    paper: str = ""
    """What the paper found, for the report"""
    where: list[str] = field(default_factory=list)
    """SQL conditions on every image, on columns of images and generators, given_split, collections and content"""
    collection: str | None = None
    """Collection whose split of an image is its given_split"""
    content_column: str | None = None
    """Column that tells what an image shows (its photograph): no content is in training and tests both"""
    content_pattern: str = "(.+)"
    """Regular expression whose first group, in that column, is the content's name"""
    group_by: str = "family"
    """Column of generators that makes the groups of which arms take some"""
    seeds: list[int] = field(default_factory=lambda: [1, 2, 3])
    """Each deals folds, kept generators, draws and augmentation anew"""
    hold_out: Keys = field(default_factory=dict)
    """by, folds, generators: what no arm learns"""
    training: Keys = field(default_factory=dict)
    """where: conditions on what is learnt"""
    processing: Keys = field(default_factory=dict)
    """size, resize, augmentation, jpeg, degradation of what is learnt"""
    testing: Keys | None = None
    """The same of what is tested; by default as in training"""
    arms: dict[str, Keys] = field(default_factory=dict)
    """By name: label, vary, x, fakes, reals, draws, draws_at, detectors, processing"""
    detectors: dict[str, Keys] = field(default_factory=dict)
    """By name: detector, c, seeds, train"""
    primary: str = ""
    """The detector that the verdict is about"""
    tests: dict[str, Keys] = field(default_factory=dict)
    """By name: fakes, reals, unit, processing; the first is the one in the figure"""
    effects: dict[str, Keys] = field(default_factory=dict)
    """By name: test, metric, control, treatment, level, minimum; the first is the headline"""
    axis: Keys = field(default_factory=dict)
    """label, scale and by of the figure's horizontal axis"""
    bootstrap_draws: int = 2000
    """Draws of units and seeds behind the intervals"""
    processes: int = 2
    """Processes that run cells; 0: this one alone"""
    device: str = "auto"
    """auto, cpu, or a CUDA device, for detectors that are trained"""
    cell: str | None = None
    """Run this cell alone, again where it is done, and print its metrics"""
    dry_run: bool = False
    """Choose every cell's images, check them, run nothing"""
    newest: bool = False
    """Read the tables as they are now, not as they were when the experiment began"""

    @cached_property
    def design(self) -> "Design":
        """The parts that decide results, typed. Raises ConfigError."""
        built, problems = self._built()
        if built is None:
            raise ConfigError(problems)
        return built

    def problems(self) -> list[str]:
        """Name what is wrong in these values."""
        rules = {
            NEEDS_SERVER: has_place(self.root),
            "name may hold letters, digits, '-' and '_' only": self.name.replace("-", "")
            .replace("_", "")
            .isalnum(),
            "bootstrap_draws must be 100 or more": self.bootstrap_draws >= 100,
            "processes must be 0 or more": self.processes >= 0,
        }
        return [problem for problem, holds in rules.items() if not holds] + self._built()[1]

    def _built(self) -> tuple["Design | None", list[str]]:
        from training.experiments.design import Design, design  # torch and timm: not for `--help`

        content = {key.name: getattr(self, key.name) for key in fields(Design)}
        content["testing"] = self.processing if self.testing is None else self.testing
        content["effects"] = {name: {"name": name, **effect} for name, effect in self.effects.items()}
        return design(content, self.name or "experiment")


@dataclass(frozen=True)
class ReportSettings:
    """Which experiment to report on."""

    root: str = "lake"
    """Folder of the lake"""
    name: str = ""
    """The experiment, as `forensics experiment` ran it; it may stand before the options"""
    out: str | None = None
    """The file to write; by default <root>/reports/NAME.html"""

    def problems(self) -> list[str]:
        """Name the values that are out of range."""
        sound = self.name.replace("-", "").replace("_", "").isalnum()
        return [] if sound else ["name must be that of an experiment: letters, digits, '-' and '_'"]


@dataclass(frozen=True)
class TrendsSettings:
    """Which scores to lay against lineage and release dates."""

    root: str = "lake"
    """Folder of the lake"""
    run: str = ""
    """MLflow run whose predictions are taken"""
    collection: str = ""
    """Collection, or NAME@VERSION/SPLIT of a training set, that `forensics evaluate` has judged by that run"""
    training_set: str | None = None
    """NAME@VERSION that the run learnt; by default as MLflow has it"""
    fpr: float = 0.05
    """Rate of false positives at which detection is measured, on the collection's reals"""
    since: str = ""
    """Generators released on this day (2025-01-31) or later count as new; by default those of the last 90 days"""

    def problems(self) -> list[str]:
        """Name the values that are out of range."""
        rules = {
            "run and collection must say which predictions": bool(self.run and self.collection),
            "fpr must lie between 0 and 1": 0 < self.fpr < 1,
            "since must be a day, as 2025-01-31": not self.since or _is_day(self.since),
        }
        return [problem for problem, holds in rules.items() if not holds]


@dataclass(frozen=True)
class AdditionsSettings:
    """Which training set to add generators to, and how many."""

    root: str = "lake"
    """Folder of the lake"""
    training_set: str = ""
    """NAME, or NAME@VERSION, of the training set that is to grow"""
    generators: int = 10
    """How many to add at most, and how many families to sample pilots of at most"""
    strategy: str = "spread"
    """spread, what resembles nothing that is learnt, or value, weighted by the errors of a detector of the set"""
    size: int = 224
    """Side in pixels of the middle square that is compared"""
    seed: int = 1
    """Decides which images are the pilots"""

    def problems(self) -> list[str]:
        """Name the values that are out of range."""
        rules = {
            "training_set must be NAME or NAME@VERSION": re.fullmatch(r"[\w-]+(@\d{1,9})?", self.training_set),
            "generators must be 1 or more": self.generators >= 1,
            "strategy must be spread or value": self.strategy in ("spread", "value"),
            "size must be from 16 to 1024": 16 <= self.size <= 1024,
        }
        return [problem for problem, holds in rules.items() if not holds]


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
