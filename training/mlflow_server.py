"""Where a lake keeps MLflow's store, and the server over it. Does not import MLflow, which takes seconds.

By default SQLite and files under the root. Where MLFLOW_TRACKING_URI names a server, runs go there, and a lake in
an object store needs one. The server's database is SQLite unless MLFLOW_BACKEND_STORE_URI names another; that
address may hold a password, so that it is passed on in the environment and never on a command line.
"""

import os
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

from etl.errors import ConfigError, LakeMissing, PortInUse
from etl.lake import storage

DATABASE = "mlflow.db"
ARTIFACTS = "mlartifacts"
HOST = "127.0.0.1"
BACKEND = "MLFLOW_BACKEND_STORE_URI"
NO_TELEMETRY = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
"""Environment under which MLflow sends no usage to its makers."""


def database_uri(path: Path) -> str:
    """Return the address by which MLflow opens a SQLite file."""
    return f"sqlite:///{path.resolve()}"


NEEDS_SERVER = (
    "a lake in an object store has no place for MLflow's SQLite file: start `forensics mlflow --root …`, and set "
    "MLFLOW_TRACKING_URI to its address"
)


def has_place(root: str) -> bool:
    """Whether runs can be logged: a folder has MLflow's files in it, for the rest there must be a server."""
    return storage.is_local(root) or bool(server())


def server() -> str | None:
    """Return the address of the server that MLFLOW_TRACKING_URI names, None where it names none.

    Raises ConfigError for one with a password: MLflow repeats addresses in its messages.
    """
    address = os.environ.get("MLFLOW_TRACKING_URI")
    if not address:
        return None
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or "@" in parts.netloc:
        raise ConfigError(
            "MLFLOW_TRACKING_URI must be an http(s) address without a user name: those are "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        )
    return address


def has_store(root: str) -> bool:
    """Whether runs may be found: there is a server, or the lake's database."""
    return bool(server()) or (storage.is_local(root) and (Path(root) / DATABASE).exists())


def command(root: str, port: int) -> list[str]:
    """Return the command of MLflow's server over a lake's runs, on the loopback since it has no login.

    Clients of a server over a lake in an object store send it their files, so that it alone needs credentials.
    Raises LakeMissing when nothing was trained yet, PortInUse.
    """
    lake = storage.workplace(root)
    if not storage.is_local(root):
        lake.mkdir(parents=True, exist_ok=True)
    elif not (lake / DATABASE).exists() and BACKEND not in os.environ:
        raise LakeMissing(f"there is no {DATABASE} in the lake at {root}; run `forensics train` first")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise PortInUse(f"cannot use port {port} ({error.strerror}); choose another with --port") from None
    serve = [
        *(sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"),
    ]
    if storage.is_local(root):
        return [*serve, "--default-artifact-root", str(lake / ARTIFACTS), "--no-serve-artifacts"]
    bucket, prefix = storage.split(root)
    return [*serve, "--artifacts-destination", f"s3://{bucket}/{prefix}/{ARTIFACTS}".replace("//mla", "/mla")]


def environment(root: str) -> dict[str, str]:
    """Return where MLflow's server keeps runs, and what keeps it to serving: no usage reports, no jobs."""
    database = os.environ.get(BACKEND) or database_uri(storage.workplace(root) / DATABASE)
    return {**NO_TELEMETRY, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", BACKEND: database}
