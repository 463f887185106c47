"""`forensics explore`: check that there is a lake and a free port, then serve the app on the loopback.

The server's settings are given as options, which come before any config.toml or STREAMLIT_ variable of the
place it is run from: Streamlit's defaults listen on all interfaces, show tracebacks and send usage statistics.
"""

import importlib
import logging
import os
import pkgutil
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import explorer
from etl.command import run
from etl.config import parse
from etl.errors import LakeMissing, PortInUse
from etl.lake.schemas import TABLES
from etl.lake.snapshot import exists
from etl.lake.storage import is_local
from explorer.settings import MLFLOW_VARIABLE, ROOT_VARIABLE, ExploreConfig

ADDRESS = "127.0.0.1"

ALLOWED_HOSTS = [ADDRESS, "localhost"]
"""Names by which a browser may call the server: a foreign page cannot reach it by rebinding a name of its own."""

SERVER_OPTIONS = {
    "server.address": ADDRESS,
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "server.enableStaticServing": "false",
    "browser.gatherUsageStats": "false",
    "browser.serverAddress": ADDRESS,
    "client.showErrorDetails": "none",
    "client.showErrorLinks": "false",
    "client.toolbarMode": "viewer",
    "logger.hideWelcomeMessage": "true",
    "runner.magicEnabled": "false",
    "theme.light.primaryColor": "#0B5CAD",
    "theme.light.textColor": "#1F2933",
    "theme.light.backgroundColor": "#FFFFFF",
    "theme.light.secondaryBackgroundColor": "#F4F6F9",
    "theme.light.borderColor": "#E1E6ED",
    "theme.dark.primaryColor": "#56B4E9",
    "theme.dark.textColor": "#E6EAF0",
    "theme.dark.backgroundColor": "#12161C",
    "theme.dark.secondaryBackgroundColor": "#1B212A",
    "theme.dark.borderColor": "#333A45",
    "server.maxUploadSize": "20",
    "server.maxMessageSize": "64",
    "theme.baseRadius": "0.5rem",
    "theme.paddingTop": "2rem",
    "theme.paddingBottom": "3rem",
    "theme.headingFontSizes": '["2rem","1.4rem","1.1rem"]',
}


def main(argv: Sequence[str] | None = None) -> int:
    """Serve the explorer until Ctrl-C or SIGTERM. Raises LakeMissing and PortInUse before anything starts."""
    config = parse(ExploreConfig, argv, prog="forensics explore", description="Open the explorer on the loopback.")
    require_lake(config.root)
    require_port(config.port)
    os.environ[ROOT_VARIABLE] = str(Path(config.root).resolve()) if is_local(config.root) else config.root
    os.environ[MLFLOW_VARIABLE] = config.mlflow_address
    print(f"explorer: http://{ADDRESS}:{config.port} shows the lake at {config.root}; Ctrl-C ends it", flush=True)
    _serve(config.port)
    return 0


def require_lake(root: str) -> None:
    """Raise LakeMissing unless at least one table of the lake is there."""
    if not any(exists(root, table) for table in TABLES):
        raise LakeMissing(
            f"there is no lake at {root}; `make demo` builds one in a few minutes, or name another with --root"
        )


def require_port(port: int) -> None:
    """Raise PortInUse when the port cannot be bound, since Streamlit would only log it."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError as error:
            raise PortInUse(
                f"port {port} of {ADDRESS} cannot be used ({error.strerror}); stop what listens there, or choose "
                "another with --port"
            ) from None


def _serve(port: int) -> None:
    from streamlit.web import cli  # here, so that --help and a refusal need not wait for it

    _warm_up()
    options = [f"--{key}={value}" for key, value in SERVER_OPTIONS.items()]
    options += [f"--server.allowedHosts={host}" for host in ALLOWED_HOSTS]
    app = str(Path(__file__).with_name("app.py"))
    cli.main(["run", app, f"--server.port={port}", *options], standalone_mode=False)


def _warm_up() -> None:
    """Import what the pages need before the server says that it is up: the first visitor would wait for it."""
    logging.disable(logging.WARNING)  # Streamlit warns that nothing runs yet
    views = ("explorer.app", "explorer.views")  # scripts, which draw when they are imported
    for module in pkgutil.walk_packages(explorer.__path__, "explorer."):
        if not module.name.startswith(views):
            importlib.import_module(module.name)
    logging.disable(logging.NOTSET)


if __name__ == "__main__":
    sys.exit(run(main))
