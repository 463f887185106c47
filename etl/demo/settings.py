"""Configuration of the demo."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DemoSettings:
    """How large the demo is."""

    root: str = "lake"
    """where the demo's lake lies"""
    images_per_generator: int = 14
    """images sampled from each eligible generator of the demo Hub"""
    photos: int = 150
    """real photographs ingested, of the 150 that ship with the project"""
    epochs: int = 3
    """training epochs of the detector"""
    master: str = "local[2]"
    """Spark master of the one session that all stages share"""

    driver: str = "pool"
    """what samples the models: pool, processes of this machine, or spark, tasks of the session"""

    def problems(self) -> list[str]:
        """Name what is wrong in these values."""
        found = []
        if self.images_per_generator < 1 or self.epochs < 1:
            found.append("--images_per_generator and --epochs must be at least 1")
        if not 12 <= self.photos <= 150:
            found.append("--photos must lie in 12 … 150")
        if self.driver not in ("pool", "spark"):
            found.append("--driver must be pool or spark")
        return found
