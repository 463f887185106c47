"""Serve a folder of repositories until interrupted: python -m etl.demo.hub ROOT [--port N]."""

import argparse
import logging
import sys
import threading
from pathlib import Path

from etl.demo.hub.faults import Faults
from etl.demo.hub.server import DemoHub
from etl.errors import ForensicsError


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m etl.demo.hub", description=__doc__)
    parser.add_argument("root", type=Path, help="folder with <owner>/<name>/ repositories")
    parser.add_argument("--port", type=int, default=0, help="port on the loopback; 0 takes any that is free")
    parser.add_argument("--faults", type=Path, help="JSON list of faults to commit (fields of Fault)")
    parser.add_argument("--verbose", action="store_true", help="log every request")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.DEBUG if args.verbose else logging.INFO)
    try:
        faults = Faults.from_json(args.faults) if args.faults else None
        with DemoHub(args.root, args.port, faults) as hub:
            print(hub.endpoint, flush=True)
            threading.Event().wait()
    except ForensicsError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
