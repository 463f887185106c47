"""The folder of an export: whose it is, so that one is gone on with and nothing else is written into."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from etl import durable
from etl.errors import ConfigError

MARK = "export.json"
CARD = "README.md"


def claim(folder: Path, identity: Mapping[str, object]) -> None:
    """Make the folder this export's, or find that it is; remove what a kill left half written in it.

    Raises ConfigError where it holds another export or anything else, or cannot be written to.
    """
    mark = folder / MARK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if mark.exists():
            if json.loads(mark.read_text(encoding="utf-8")) != identity:
                raise ConfigError(f"--to: {folder} holds another export (see {MARK}); name an empty folder")
            _sweep(folder)
        elif any(folder.iterdir()):
            raise ConfigError(f"--to: {folder} holds other files; name an empty folder, or one that is not there")
        else:
            durable.write(mark, json.dumps(identity, indent=1).encode())
    except (OSError, ValueError) as error:
        raise ConfigError(f"--to: {folder} cannot be used: {error}") from None


def _sweep(folder: Path) -> None:
    for parent, _, names in os.walk(folder):
        for name in names:
            if name.startswith(".") and name.endswith(".tmp"):
                Path(parent, name).unlink(missing_ok=True)
