"""What a run happened in: the code's commit, the libraries, the machine's Python."""

import platform
import subprocess
from importlib.metadata import distributions, version
from pathlib import Path

NAMED = ("torch", "timm", "petastorm", "pyarrow", "numpy", "pillow", "deltalake", "mlflow", "safetensors")


def git_commit() -> str | None:
    """Return the commit of the checkout that this code runs from, `-dirty` after changes; None outside one."""
    if _git("ls-files", "--error-unmatch", "__init__.py") is None:
        return None  # an installed copy, which may lie inside some other project's checkout
    commit = _git("rev-parse", "HEAD")
    return f"{commit}-dirty" if _git("status", "--porcelain", "--untracked-files=no") else commit


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that results depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in NAMED}}


def requirements() -> str:
    """Return every installed package as a line `name==version`, sorted."""
    return "".join(sorted({f"{found.name}=={found.version}\n" for found in distributions()}, key=str.lower))


def _git(*arguments: str) -> str | None:
    folder = str(Path(__file__).parent)
    try:
        done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
