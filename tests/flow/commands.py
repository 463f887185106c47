"""The real commands, run as a user would, in processes of their own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent
TINY_TABLES = {"SPARK_CONF_DIR": str(Path(__file__).parent / "tiny_tables")}
"""Environment of runs that repeat what an undisturbed run with Spark's own settings has shown."""
SMALLEST = ["--photos", "24", "--images_per_generator", "3", "--epochs", "1"]


def clean_environment(**extra: str) -> dict[str, str]:
    """The environment without what would make the project importable by chance."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PYSPARK", "SPARK"))}
    return kept | {"OMP_NUM_THREADS": "1"} | extra


def forensics(*words: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run the real command and return how it ended."""
    command = [BIN / "forensics", *words]
    return subprocess.run(command, capture_output=True, text=True, env=clean_environment(**extra), timeout=800)


def new_lake(demo_hub: Path, root: Path) -> Path:
    """Return `root` as a lake whose demo Hub is built already."""
    shutil.copytree(demo_hub, root / "demo-hub")
    return root
