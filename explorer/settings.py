"""Configuration of `forensics explore`."""

from dataclasses import dataclass

ROOT_VARIABLE = "FORENSICS_LAKE"
"""Environment variable by which the launcher tells the app, a script that Streamlit runs, where the lake is."""


@dataclass(frozen=True)
class ExploreConfig:
    """What the explorer shows, and where it listens: always on the loopback."""

    root: str = "lake"
    """The lake to show: a folder, or an object store's address."""

    port: int = 8501
    """Port of 127.0.0.1 to listen on."""

    def problems(self) -> list[str]:
        """Name the values that are out of range."""
        if not 1 <= self.port <= 65535:
            return [f"port must lie between 1 and 65535, not {self.port}"]
        return []
