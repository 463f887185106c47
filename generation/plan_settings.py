"""Configuration of the planner."""

import re
from dataclasses import dataclass, field
from datetime import date

from generation.selection import STRATA, STRATEGIES
from generation.settings import PLAN_NAME


@dataclass(frozen=True)
class PlanSettings:
    """Which generators to sample, and what that may cost."""

    root: str = "lake"
    """folder of the lake"""
    plan: str | None = None
    """name of the plan; by default a hash of these settings and of the catalogue's version"""
    generators: int = 0
    """how many generators to choose; 0: as many as the budget allows"""
    strategy: str = "stratified"
    """`most-downloaded`, `random`, `stratified` (as many of every stratum) or `diverse` (as unlike as can be)"""
    strata: list[str] = field(default_factory=lambda: ["family"])
    """columns whose values make the strata: family, root_model_id, licence, architecture, pipeline_class"""
    seed: int = 1
    """decides every draw; `most-downloaded` draws nothing"""
    images_per_generator: int = 100
    """images to ask of each generator"""
    max_images: int = 0
    """budget of images; 0: none"""
    max_download_gb: float = 0.0
    """budget of downloads in 10^9 bytes; 0: none"""
    max_gpu_hours: float = 0.0
    """budget of estimated GPU time; 0: none"""
    gpu_tflops: float = 120.0
    """what the GPU does in earnest, in 10^12 operations a second; the estimates are calibrated by it"""
    families: list[str] = field(default_factory=list)
    """only these families, as the catalogue writes them; empty: all"""
    licences: list[str] = field(default_factory=list)
    """only generators all of whose licences are among these; empty: all"""
    released_after: str | None = None
    """only what was released on this day (YYYY-MM-DD) or later"""
    released_before: str | None = None
    """only what was released before this day"""
    min_downloads: int = 0
    """only what has at least this many downloads"""
    include: list[str] = field(default_factory=list)
    """only these generator ids; empty: all"""
    exclude: list[str] = field(default_factory=list)
    """never these generator ids"""

    def problems(self) -> list[str]:
        """Name what is wrong in these values."""
        found = []
        if self.plan is not None and not re.fullmatch(PLAN_NAME, self.plan):
            found.append(
                "--plan may hold letters, digits, '.', '_' and '-' only, and must begin with one of the first"
            )
        if self.strategy not in STRATEGIES:
            found.append(f"--strategy must be one of {', '.join(STRATEGIES)}, not '{self.strategy}'")
        if unknown := sorted(set(self.strata) - set(STRATA)):
            found.append(f"--strata may name {', '.join(STRATA)}, not {', '.join(unknown)}")
        if len(set(self.strata)) < len(self.strata):
            found.append("--strata must name each column once")
        if not self.strata:
            found.append("--strata must name at least one column")
        if not 1 <= self.images_per_generator < 1 << 31:
            found.append("--images_per_generator must be at least 1, and fit 32 bits")
        if not -(1 << 63) <= self.seed < 1 << 63:
            found.append("--seed must fit 64 bits")
        for key in ("generators", "max_images", "max_download_gb", "max_gpu_hours", "min_downloads"):
            if getattr(self, key) < 0:
                found.append(f"--{key} must not be negative")
        if self.gpu_tflops <= 0:
            found.append("--gpu_tflops must be positive")
        for key in ("released_after", "released_before"):
            if not _is_date(getattr(self, key)):
                found.append(f"--{key} must be a day such as 2024-08-31, not '{getattr(self, key)}'")
        return found


def _is_date(text: str | None) -> bool:
    try:
        return text is None or bool(date.fromisoformat(text))
    except ValueError:
        return False
