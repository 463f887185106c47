"""Configuration of the toy world."""

from dataclasses import dataclass, field

from etl.lake.lock import is_local
from generation.toy_world.world import FINE_TUNES, SETTINGS


@dataclass(frozen=True)
class ToyWorldSettings:
    """How large the toy world is, and where it goes."""

    root: str = "lake-toy"
    """folder of the toy world's lake; repositories and crops lie under <root>/toy"""
    kinds: list[str] = field(default_factory=lambda: list(SETTINGS))
    """families of generators, by how they make high frequencies"""
    models: int = 1 + FINE_TUNES
    """generators of each family: its base, then fine-tunes"""
    train_images: int = 256
    """images of each generator after crops of training photographs"""
    test_images: int = 48
    """images of each generator after crops of test photographs"""
    real_crops: int = 8
    """real crops of each photograph"""
    master: str = "local[2]"
    """Spark master of the one session that all stages share"""

    def problems(self) -> list[str]:
        """Name what is wrong in these values."""
        found = [
            f"--kinds: there is no '{kind}' (known: {', '.join(SETTINGS)})"
            for kind in self.kinds
            if kind not in SETTINGS
        ]
        if not 1 <= self.models <= 1 + FINE_TUNES:
            found.append(f"--models must lie in 1 … {1 + FINE_TUNES}")
        if min(self.train_images, self.test_images, self.real_crops) < 1:
            found.append("--train_images, --test_images and --real_crops must be at least 1")
        return found if is_local(self.root) else [*found, "--root must be a local folder for the toy world"]
