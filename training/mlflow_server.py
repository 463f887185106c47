"""Where a lake keeps MLflow's store, and the server over it. Does not import MLflow, which takes seconds."""

import socket
import sys
from pathlib import Path

from etl.errors import LakeMissing, PortInUse

DATABASE = "mlflow.db"
ARTIFACTS = "mlartifacts"
HOST = "127.0.0.1"
NO_TELEMETRY = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
"""Environment under which MLflow sends no usage to its makers."""


def database_uri(path: Path) -> str:
    """Return the address by which MLflow opens a SQLite file."""
    return f"sqlite:///{path.resolve()}"


def command(root: str, port: int) -> list[str]:
    """Return the command of MLflow's server over a lake's runs, on the loopback since it has no login.

    Raises LakeMissing when nothing was trained yet, PortInUse.
    """
    lake = Path(root).resolve()
    if not (lake / DATABASE).exists():
        raise LakeMissing(f"there is no {DATABASE} in the lake at {root}; run `forensics train` first")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise PortInUse(f"cannot use port {port} ({error.strerror}); choose another with --port") from None
    return [
        *(sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", database_uri(lake / DATABASE), "--default-artifact-root", str(lake / ARTIFACTS)),
        "--no-serve-artifacts",
    ]


def environment() -> dict[str, str]:
    """Return what keeps MLflow's server to serving: no usage reports, no executor of jobs."""
    return {**NO_TELEMETRY, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
