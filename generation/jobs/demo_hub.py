"""Build the demo Hub's tiny models and serve them on the loopback."""

import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from etl.command import run
from etl.config import parse
from etl.demo.hub import DemoHub, Faults
from etl.errors import OK
from generation.demo_hub.build import build_demo_hub
from generation.settings import DemoHubSettings


def main(argv: Sequence[str] | None = None) -> int:
    settings = parse(DemoHubSettings, argv, "forensics demo-hub", __doc__)
    faults = Faults.from_json(Path(settings.faults)) if settings.faults else None
    folder = Path(settings.root) / "demo-hub"
    if settings.build_only:
        _build(folder)
        return OK
    with DemoHub(folder, settings.port):  # a port in use is told at once
        pass
    _build(folder)  # before anybody is answered: a crawl would find an empty Hub
    with DemoHub(folder, settings.port, faults) as hub:
        print(f"demo-hub: serving at {hub.endpoint} until Ctrl-C", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return OK
    return OK


def _build(folder: Path) -> None:
    print(f"demo-hub: {len(build_demo_hub(folder))} repositories under {folder}", flush=True)


if __name__ == "__main__":
    sys.exit(run(main))
