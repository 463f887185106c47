"""Points at which a test can stop a command, to kill it there and see that a rerun mends everything.

The environment variable FORENSICS_FAULT names a point; reaching it creates the file that FORENSICS_FAULT_FILE
names and then sleeps, so that the test kills the process exactly there. Without the variable nothing happens.
"""

import os
import time
from pathlib import Path

SLEEP_SECONDS = 600.0
"""Longer than a test waits; a process that nobody kills goes on afterwards."""


def fault_point(name: str) -> None:
    """Stop here when FORENSICS_FAULT equals `name`, e.g. "generate:after-first-image"."""
    if os.environ.get("FORENSICS_FAULT") != name:
        return
    if reached := os.environ.get("FORENSICS_FAULT_FILE"):
        Path(reached).touch()
    time.sleep(SLEEP_SECONDS)
