"""The wheel, installed where nothing of the project is: what it holds, and each command's help."""

import subprocess
import zipfile
from pathlib import Path

import pytest

from etl.cli import VERBS


def test_the_wheel_holds_the_four_packages_and_nothing_else(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {
        "etl",
        "generation",
        "training",
        "explorer",
    }
    assert "etl/demo/photos/photos.csv" in names


@pytest.mark.timeout(600)
@pytest.mark.parametrize("verb", VERBS)
def test_an_installed_wheel_shows_the_help_of(verb: str, installed: Path, tmp_path):
    done = subprocess.run([installed / "forensics", verb, "--help"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--root" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.timeout(600)
def test_an_installed_wheel_lists_its_verbs(installed: Path, tmp_path):
    done = subprocess.run([installed / "forensics", "--help"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0
    assert all(verb in done.stdout for verb in VERBS)
