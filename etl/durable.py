"""Writing a file so that a reader sees all of it or none, also after a kill or a power cut."""

import os
from pathlib import Path


def write(path: Path, data: bytes) -> None:
    """Put `data` at `path` in one step: written and synced beside it under a hidden name, then moved there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.tmp")
    try:
        with open(unfinished, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:  # a full disk: what was written of it must not keep it full
        unfinished.unlink(missing_ok=True)
        raise
    os.replace(unfinished, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
