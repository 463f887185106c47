"""Every job by spark-submit, on executors that are processes of their own and have the project only as a zip."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from etl.demo.hub import DemoHub
from tests.flow.commands import ROOT, clean_environment, new_lake

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

PHOTOS = ROOT / "etl" / "demo" / "photos"
GENERATORS = ["demo-lab/tiny-sana", "demo-lab/tiny-dit", "demo-lab/tiny-pixart-alpha", "demo-lab/tiny-flux"]
SAMPLING = ["--endpoint", "ENDPOINT", "--plan", "p", "--images_per_generator", "2", "--steps", "2", "--size", "64"]
JOBS = (
    ("etl/jobs/crawl.py", ["--endpoint", "ENDPOINT"], "crawl: "),
    ("etl/jobs/catalogue.py", [], "catalogue: "),
    (
        "etl/jobs/ingest.py",
        ["--path", str(PHOTOS), "--table", str(PHOTOS / "photos.csv"), "--collection", "photos", "--limit", "12"],
        "ingest: 12 files = 12 new + 0 rejected",
    ),
    (
        "generation/jobs/generate.py",
        [*SAMPLING, "--generators", f"[{','.join(GENERATORS)}]"],
        "generate: 8 images = 8 new",
    ),
    ("etl/jobs/ingest.py", ["--source", "generated"], "ingest: 8 files = 8 new + 0 rejected"),
    ("etl/jobs/describe.py", [], "describe: 20 images = 20 new"),
    (
        "etl/jobs/build_training_set.py",
        ["--reencode", "JPEG", "--accept", "[size, bytes, all]"],
        "build-training-set: ",
    ),
    ("training/jobs/train.py", ["--epochs", "1"], "train: "),
    ("training/jobs/evaluate.py", [], "evaluate: "),
    ("etl/jobs/summarise.py", [], "summarise: 3 gold tables = 3 new"),
)


@pytest.fixture(scope="module")
def submitted(bare_environment, wheel, demo_hub, tmp_path_factory) -> dict[int, subprocess.CompletedProcess[str]]:
    """How each job of the flow ended, in their order, up to the first that failed."""
    folder = tmp_path_factory.mktemp("submitted")
    root = new_lake(demo_hub, folder / "lake")
    project = shutil.copy(wheel, folder / "forensics.zip")
    ended = {}
    with DemoHub(root / "demo-hub") as hub:
        for number, (job, arguments, _) in enumerate(JOBS):
            arguments = [word.replace("ENDPOINT", hub.endpoint) for word in arguments]
            ended[number] = submit(bare_environment, project, job, [*arguments, "--root", str(root)], folder)
            if ended[number].returncode not in (0, 3):
                break
    return ended


def submit(bin_: Path, project: str, job: str, arguments: list[str], folder: Path):
    python = str(bin_ / "python")
    environment = clean_environment(
        PATH=f"{bin_}{os.pathsep}{os.environ['PATH']}", PYSPARK_PYTHON=python, PYSPARK_DRIVER_PYTHON=python
    )
    command = [bin_ / "spark-submit", "--master", "local-cluster[2,1,1024]", "--py-files", project]
    command += ["--properties-file", ROOT / "conf" / "spark-defaults.conf", ROOT / job, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)


@pytest.mark.parametrize("number", range(len(JOBS)), ids=[f"{n}-{Path(j[0]).stem}" for n, j in enumerate(JOBS)])
def test_a_job_runs_on_executors_of_their_own(number: int, submitted):
    assert number in submitted, "a job before this one failed"
    done = submitted[number]
    assert done.returncode in (0, 3), done.stdout[-3000:] + done.stderr[-6000:]
    assert JOBS[number][2] in done.stdout
