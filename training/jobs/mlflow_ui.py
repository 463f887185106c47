"""Open MLflow's interface over a lake's runs, on the loopback."""

import os
import sys
from collections.abc import Sequence

from etl.command import run
from etl.config import parse
from training import mlflow_server
from training.settings import MlflowSettings


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the settings and become MLflow's server, so that whoever stops this stops the server."""
    settings = parse(MlflowSettings, argv, prog="forensics mlflow", description=__doc__)
    command = mlflow_server.command(settings.root, settings.port)
    print(f"mlflow: http://127.0.0.1:{settings.port} (Ctrl-C ends it)", flush=True)
    os.execve(command[0], command, {**os.environ, **mlflow_server.environment(settings.root)})


if __name__ == "__main__":
    sys.exit(run(main))
