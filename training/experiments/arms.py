"""Arms of an experiment: each a way of choosing a training set, at one x or several."""

from dataclasses import dataclass, field

from training.experiments.processing import Processing

VARIED = ("generators", "groups", "images")
STRATEGIES = ("random", "most-images", "value", "spread")
WHOSE = ("others", "held_out", "any")
SHORTAGES = ("error", "fewer", "repeat")


@dataclass(frozen=True)
class Fakes:
    """Which fakes an arm learns."""

    images: int = 512
    """how many in all"""
    generators: int = 0
    """from how many generators; 0: all that may be taken"""
    groups: int = 0
    """of how many groups; 0: whatever comes"""
    whose: str = "others"
    """generators of groups that are not held out (others), of those that are (held_out, for an oracle), or any"""
    where: list[str] = field(default_factory=list)
    """further conditions on these images"""
    strategy: str = "random"
    """random, most-images, or one that adds to `base` generators drawn at random: value, spread"""
    base: int = 0
    """generators drawn at random before the strategy chooses the rest"""
    shortage: str = "error"
    """what happens where there are fewer images: error, fewer, or repeat them"""

    def problems(self) -> list[str]:
        """Name the values that are out of range."""
        rules = {
            "images must be 1 or more": self.images >= 1,
            "generators, groups and base must be 0 or more": min(self.generators, self.groups, self.base) >= 0,
            f"whose must be one of {', '.join(WHOSE)}": self.whose in WHOSE,
            f"strategy must be one of {', '.join(STRATEGIES)}": self.strategy in STRATEGIES,
            f"shortage must be one of {', '.join(SHORTAGES)}": self.shortage in SHORTAGES,
        }
        return [problem for problem, holds in rules.items() if not holds]


@dataclass(frozen=True)
class Reals:
    """Which reals an arm learns."""

    images: int = 0
    """how many; 0: as many as fakes"""
    where: list[str] = field(default_factory=list)
    """further conditions on these images"""
    shares: dict[str, float] | None = None
    """share of each real source; by default as they come"""
    shortage: str = "error"
    """what happens where there are fewer: error, fewer, or repeat them"""

    def problems(self) -> list[str]:
        """Name the values that are out of range."""
        shares = self.shares
        sound = shares is None or (min(shares.values(), default=0) > 0 and abs(sum(shares.values()) - 1) < 1e-6)
        rules = {
            "images must be 0 or more": self.images >= 0,
            "shares must be positive and sum to 1": sound,
            f"shortage must be one of {', '.join(SHORTAGES)}": self.shortage in SHORTAGES,
        }
        return [problem for problem, holds in rules.items() if not holds]


@dataclass(frozen=True)
class Arm:
    """One way of choosing a training set, at one x or several."""

    label: str = ""
    """for figures; by default the arm's name"""
    vary: str | None = None
    """what x sets: generators, groups or images"""
    x: list[float] = field(default_factory=lambda: [0.0])
    """the points; of an arm that varies nothing, its place on the axis"""
    fakes: Fakes = field(default_factory=Fakes)
    reals: Reals = field(default_factory=Reals)
    draws: int = 1
    """random training sets a point; 0: one for every group (with groups 1)"""
    draws_at: dict[str, int] = field(default_factory=dict)
    """other numbers of draws at some x"""
    detectors: list[str] = field(default_factory=list)
    """only these; empty: all"""
    processing: Processing | None = None
    """in place of the experiment's, in training"""

    def problems(self) -> list[str]:
        """Name the values that are out of range."""
        unknown = sorted(set(self.draws_at) - {f"{x:g}" for x in self.x})
        rules = {
            f"vary must be one of {', '.join(VARIED)}": self.vary in (None, *VARIED),
            "x must name points, each once": len(set(self.x)) == len(self.x) > 0,
            "x must hold whole numbers from 1 where it is varied": self.vary is None
            or all(x >= 1 and x == int(x) for x in self.x),
            "an arm that varies nothing has one x": self.vary is not None or len(self.x) == 1,
            f"draws_at: there is no x {', '.join(unknown)}": not unknown,
            "draws must be 0 or more": min([self.draws, *self.draws_at.values()]) >= 0,
            "draws 0 needs groups 1": all(
                self.at(x).groups == 1 for x in self.x if self.draws_at.get(f"{x:g}", self.draws) == 0
            ),
        }
        return [problem for problem, holds in rules.items() if not holds]

    def at(self, x: float) -> Fakes:
        """Return the fakes at one x."""
        return self.fakes if self.vary is None else Fakes(**{**vars(self.fakes), self.vary: int(x)})
