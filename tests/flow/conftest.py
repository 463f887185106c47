"""What the tests of the whole flow share: the demo Hub, a finished demo lake, the wheel, an empty environment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.flow.commands import BIN, ROOT, SMALLEST, forensics, new_lake


@pytest.fixture(scope="session")
def demo_hub(tmp_path_factory) -> Path:
    """The demo Hub's repositories, built once by the real command; copy them rather than change them."""
    lake = tmp_path_factory.mktemp("demo-hub") / "lake"
    done = forensics("demo-hub", "--root", str(lake), "--build_only", "true")
    assert done.returncode == 0, done.stderr
    return lake / "demo-hub"


@pytest.fixture(scope="session")
def demo_lake(demo_hub, tmp_path_factory) -> Path:
    """The lake of an undisturbed `forensics demo` of the smallest size; read it, do not change it."""
    root = new_lake(demo_hub, tmp_path_factory.mktemp("undisturbed") / "lake")
    done = forensics("demo", "--root", str(root), *SMALLEST)
    (root / "output.txt").write_text(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    return root


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    """The project's wheel, built by the pinned back end."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [BIN / "uv", "build", "-q", "--wheel", "--no-build-isolation", "-o", folder, ROOT]
    subprocess.run(command, check=True, env=os.environ | {"VIRTUAL_ENV": str(BIN.parent)})
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def bare_environment(tmp_path_factory) -> Path:
    """The bin folder of an environment with the pinned packages and nothing of the project."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    subprocess.run([BIN / "uv", "venv", "-q", "--python", sys.executable, folder], check=True)
    install = [BIN / "uv", "pip", "install", "-q", "--python", folder / "bin" / "python"]
    subprocess.run([*install, "--require-hashes", "-r", ROOT / "constraints.txt"], check=True)
    return folder / "bin"


@pytest.fixture(scope="session")
def installed(bare_environment, wheel) -> Path:
    """The bin folder of an environment into which the wheel was installed."""
    install = [BIN / "uv", "pip", "install", "-q", "--python", bare_environment / "python", "--no-deps"]
    subprocess.run([*install, wheel], check=True)
    return bare_environment
