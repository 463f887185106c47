"""Configuration of `forensics explore`."""

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from etl.addresses import MLFLOW

ROOT_VARIABLE = "FORENSICS_LAKE"
"""Environment variable by which the launcher tells the app, a script that Streamlit runs, where the lake is."""
MLFLOW_VARIABLE = "FORENSICS_MLFLOW"
"""Environment variable by which it tells the app where MLflow is opened."""


@dataclass(frozen=True)
class ExploreConfig:
    """What the explorer shows, and where it listens: always on the loopback."""

    root: str = "lake"
    """The lake to show: a folder, or an object store's address."""

    port: int = 8501
    """Port of 127.0.0.1 to listen on."""

    mlflow: str | None = None
    """Where MLflow is opened, for links to runs; by default MLFLOW_TRACKING_URI, or as `forensics mlflow` says."""

    @property
    def mlflow_address(self) -> str:
        return self.mlflow or os.environ.get("MLFLOW_TRACKING_URI") or MLFLOW

    def problems(self) -> list[str]:
        """Name the values that are out of range."""
        found = []
        if not 1 <= self.port <= 65535:
            found.append(f"port must lie between 1 and 65535, not {self.port}")
        parts = urlsplit(self.mlflow_address)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            found.append("mlflow must be an http(s) address without a user name, as http://127.0.0.1:5000")
        return found
