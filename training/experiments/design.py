"""An experiment as its file declares it: arms, hold-outs, detectors, tests, and the rule of its verdict."""

from dataclasses import dataclass, field
from typing import Any

from etl.config import typed
from training import detectors
from training.experiments.arms import Arm
from training.experiments.processing import Processing
from training.settings import TrainSettings

MEASURED = ("average_precision", "roc_auc", "accuracy", "tpr_at_fpr_0.05")
"""Of `training.metrics`; reals weigh as much as the fakes that they are judged with."""


@dataclass(frozen=True)
class HoldOut:
    """What no arm learns, so that it can be tested on."""

    by: str | None = None
    """column of generators whose values are held out; by default none, and tests are collections"""
    folds: int = 0
    """the values are dealt into so many folds, each held out in turn; 0: every value is a fold"""
    generators: int = 0
    """generators of every group that are kept for tests in all folds"""

    def problems(self) -> list[str]:
        """Name the values that are out of range."""
        sound = self.folds >= 0 and self.folds != 1 and self.generators >= 0
        return [] if sound else ["folds must be 0, or 2 or more, and generators 0 or more"]


@dataclass(frozen=True)
class TestFakes:
    """Which fakes a test judges."""

    __test__ = False
    whose: str = "held_out"
    """kept generators of held-out groups (held_out), of those that the arm learnt (own), of all (kept), or any
    generators that meet where, of which then none is learnt"""
    images_per_generator: int = 64
    where: list[str] = field(default_factory=list)
    generators: int = 0
    """at most so many of each unit; 0: all"""

    def problems(self) -> list[str]:
        """Name the values that are out of range."""
        sound = (
            self.whose in ("held_out", "own", "kept", "any")
            and self.images_per_generator >= 1
            and self.generators >= 0
        )
        return [] if sound else ["whose must be held_out, own, kept or any, and the numbers not negative"]


@dataclass(frozen=True)
class TestReals:
    """Which reals a test judges fakes against."""

    __test__ = False
    images: int = 512
    where: list[str] = field(default_factory=list)

    def problems(self) -> list[str]:
        """Name the values that are out of range."""
        return [] if self.images >= 1 else ["images must be 1 or more"]


@dataclass(frozen=True)
class Test:
    """Held-out images, judged unit by unit."""

    __test__ = False
    fakes: TestFakes = field(default_factory=TestFakes)
    reals: TestReals = field(default_factory=TestReals)
    unit: str = "generator_id"
    """column of generators: a metric is computed for each of its values"""
    processing: Processing | None = None
    """in place of the experiment's `testing`"""


@dataclass(frozen=True)
class Learner:
    """A detector: fitted at once on fixed features, or trained by the project's loop."""

    detector: str = ""
    """one of `forensics train`'s; by default the key that it stands under"""
    c: float = 0.01
    """inverse strength of the ridge on fixed features"""
    seeds: list[int] = field(default_factory=list)
    """only these seeds; empty: all"""
    train: dict[str, Any] = field(default_factory=dict)
    """settings of `forensics train`, of a detector that is trained"""

    def problems(self) -> list[str]:
        """Name the values that are out of range."""
        unknown = sorted(set(self.train) - set(TrainSettings.__dataclass_fields__))
        rules = {
            f"there is no detector '{self.detector}'": self.detector in ("", *detectors.DETECTORS),
            "c must be above 0": self.c > 0,
            f"train: unknown {', '.join(unknown)}": not unknown,
        }
        return [problem for problem, holds in rules.items() if not holds]


@dataclass(frozen=True)
class Point:
    """An arm at one of its x."""

    arm: str = ""
    x: float | None = None
    """needed where the arm has several"""
    pick: str = "mean"
    """mean of the draws, or best: of each seed and fold the draw that the test itself likes best (hindsight)"""


@dataclass(frozen=True)
class Effect:
    """A contrast and the rule by which it is called shown: fixed before the run."""

    name: str = ""
    test: str = ""
    metric: str = "average_precision"
    control: Point = field(default_factory=Point)
    treatment: Point = field(default_factory=Point)
    level: float = 0.95
    """of the interval of treatment less control, paired by unit and seed"""
    minimum: float = 0.0
    """least difference that counts as shown"""

    def problems(self) -> list[str]:
        """Name the values that are out of range."""
        rules = {
            "name must say what the effect is": bool(self.name),
            f"metric must be one of {', '.join(MEASURED)}": self.metric in MEASURED,
            "level must lie between 0.5 and 1": 0.5 < self.level < 1,
            "minimum must be 0 or more": self.minimum >= 0,
        }
        return [problem for problem, holds in rules.items() if not holds]


@dataclass(frozen=True)
class Axis:
    """The figure's horizontal axis."""

    label: str = "x"
    scale: str = "linear"
    """linear, log, or names (arms side by side)"""
    by: str = "x"
    """x, or a measure of the training sets' diversity, such as family_1 (Hill number of order 1) or vendi"""

    def problems(self) -> list[str]:
        """Name the values that are out of range."""
        sound = self.scale in ("linear", "log", "names")
        return [] if sound else ["scale must be linear, log or names"]


@dataclass(frozen=True)
class Subset:
    """Conditions that images must meet."""

    where: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Design:
    """All that decides an experiment's results."""

    where: list[str] = field(default_factory=list)
    collection: str | None = None
    content_column: str | None = None
    content_pattern: str = "(.+)"
    group_by: str = "family"
    seeds: list[int] = field(default_factory=lambda: [1, 2, 3])
    hold_out: HoldOut = field(default_factory=HoldOut)
    training: Subset = field(default_factory=Subset)
    processing: Processing = field(default_factory=Processing)
    testing: Processing = field(default_factory=Processing)
    arms: dict[str, Arm] = field(default_factory=dict)
    detectors: dict[str, Learner] = field(default_factory=dict)
    primary: str = ""
    tests: dict[str, Test] = field(default_factory=dict)
    effects: dict[str, Effect] = field(default_factory=dict)
    axis: Axis = field(default_factory=Axis)

    @property
    def headline(self) -> str:
        """The test that the figure shows."""
        return next(iter(self.tests))

    def detector(self, name: str) -> str:
        """Return the registered detector behind a learner's name."""
        return self.detectors[name].detector or name

    def x_of(self, point: Point) -> float:
        """Return a point's x: its own, or the only one of its arm."""
        return self.arms[point.arm].x[0] if point.x is None else point.x

    def problems(self) -> list[str]:
        """Name what does not fit together."""
        rules = {
            "arms, detectors and tests must each name one at least": bool(
                self.arms and self.detectors and self.tests
            ),
            "seeds must be different numbers from 0": bool(self.seeds)
            and len(set(self.seeds)) == len(self.seeds)
            and min(self.seeds) >= 0,
            f"primary must name one of the detectors, not '{self.primary}'": self.primary in self.detectors,
        }
        found = [problem for problem, holds in rules.items() if not holds]
        found += [
            f"detectors.{name}: there is no detector '{name}' (say which by `detector:`)"
            for name, learner in self.detectors.items()
            if (learner.detector or name) not in detectors.DETECTORS
        ]
        found += [f"detectors.{name}: a name may not hold '/'" for name in self.detectors if "/" in name]
        for name, arm in self.arms.items():
            if unknown := sorted(set(arm.detectors) - set(self.detectors)):
                found.append(f"arms.{name}.detectors: unknown {', '.join(unknown)}")
            if "/" in name:
                found.append(f"arms.{name}: a name may not hold '/'")
        for name, effect in self.effects.items():
            found += [f"effects.{name}: {problem}" for problem in self._wrong(effect)]
        needed = [name for name, test in self.tests.items() if test.fakes.whose != "any" and not self.hold_out.by]
        if needed:
            found.append(f"tests {', '.join(needed)} need hold_out.by")
        return found

    def _wrong(self, effect: Effect) -> list[str]:
        found = [] if effect.test in self.tests else [f"there is no test '{effect.test}'"]
        for which, point in (("control", effect.control), ("treatment", effect.treatment)):
            arm = self.arms.get(point.arm)
            if arm is None:
                found.append(f"{which}: there is no arm '{point.arm}'")
            elif (point.x is None and len(arm.x) > 1) or (point.x is not None and point.x not in arm.x):
                found.append(f"{which}: x must be one of {', '.join(f'{x:g}' for x in arm.x)}")
            if point.pick not in ("mean", "best"):
                found.append(f"{which}: pick must be mean or best")
        return found


def design(content: dict[str, Any], where: str = "experiment") -> tuple[Design | None, list[str]]:
    """Build a design of plain keys and values; return it, None where there are problems, and the problems."""
    return typed(Design, content, where)
