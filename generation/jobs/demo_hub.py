"""Build the demo Hub's tiny models and serve them on the loopback."""

import json
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from etl.command import run
from etl.config import parse
from etl.demo.hub import DemoHub, Faults
from etl.errors import OK, ConfigError
from generation.demo_hub.build import build_demo_hub
from generation.settings import DemoHubSettings


def main(argv: Sequence[str] | None = None) -> int:
    settings = parse(DemoHubSettings, argv, "forensics demo-hub", __doc__)
    faults = _faults(settings.faults)
    folder = Path(settings.root) / "demo-hub"
    built = build_demo_hub(folder)
    print(f"demo-hub: {len(built)} repositories under {folder}", flush=True)
    if settings.build_only:
        return OK
    with DemoHub(folder, settings.port, faults) as hub:
        print(f"demo-hub: serving at {hub.endpoint} until Ctrl-C", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return OK
    return OK


def _faults(path: str | None) -> Faults | None:
    """Read the rules of the faults. Raises ConfigError."""
    if path is None:
        return None
    try:
        return Faults.from_json(Path(path))
    except (OSError, json.JSONDecodeError, TypeError, ValueError) as error:
        raise ConfigError(f"--faults {path} is not a JSON list of faults: {error}") from None


if __name__ == "__main__":
    sys.exit(run(main))
