"""Every job by spark-submit, on executors that are processes of their own and have the project only as a zip."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from etl.demo.hub import DemoHub
from tests.flow.commands import ROOT, clean_environment, new_lake

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

PHOTOS = ROOT / "etl" / "demo" / "photos"
GENERATORS = ["demo-lab/tiny-sana", "demo-lab/tiny-dit", "demo-lab/tiny-pixart-alpha", "demo-lab/tiny-flux"]
SAMPLING = ["--endpoint", "ENDPOINT", "--plan", "p", "--images_per_generator", "2", "--steps", "2", "--size", "64"]
BY_ITSELF = 1
"""Jobs at the begin that are submitted each by itself, as a user would."""
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
    ("etl/jobs/summarise.py", [], "summarise: 6 gold tables = 6 new"),
)


@dataclass(frozen=True)
class Ended:
    """How one job ended."""

    code: int
    said: str


@pytest.fixture(scope="module")
def submitted(bare_environment, wheel, demo_hub, tmp_path_factory) -> dict[int, Ended]:
    """How each job of the flow ended, in their order, up to the first that failed.

    The first ones are submitted each by itself; the others in one application, since to start each of them on
    executors of its own takes longer than all of them together.
    """
    folder = tmp_path_factory.mktemp("submitted")
    root = new_lake(demo_hub, folder / "lake")
    project = shutil.copy(wheel, folder / "forensics.zip")
    ended: dict[int, Ended] = {}
    with DemoHub(root / "demo-hub") as hub:
        jobs = [
            (str(ROOT / job), [word.replace("ENDPOINT", hub.endpoint) for word in [*words, "--root", str(root)]])
            for job, words, _ in JOBS
        ]
        for number, (job, arguments) in enumerate(jobs[:BY_ITSELF]):
            done = submit(bare_environment, project, Path(job), arguments, folder)
            ended[number] = Ended(done.returncode, done.stdout + done.stderr[-6000:])
            if done.returncode not in (0, 3):
                return ended
        rest = [json.dumps(jobs[BY_ITSELF:])]
        done = submit(bare_environment, project, Path(__file__).parent / "one_application.py", rest, folder)
    *parts, tail = re.split(r"^ended: (\d+)$", done.stdout, flags=re.MULTILINE)
    for number, (said, code) in enumerate(zip(parts[::2], parts[1::2], strict=True), start=BY_ITSELF):
        ended[number] = Ended(int(code), said if code in ("0", "3") else said + done.stderr[-6000:])
    if len(ended) < len(JOBS) and all(job.code in (0, 3) for job in ended.values()):
        ended[len(ended)] = Ended(done.returncode or 1, tail + done.stderr[-6000:])
    return ended


def submit(bin_: Path, project: str, job: Path, arguments: list[str], folder: Path):
    python = str(bin_ / "python")
    environment = clean_environment(
        PATH=f"{bin_}{os.pathsep}{os.environ['PATH']}", PYSPARK_PYTHON=python, PYSPARK_DRIVER_PYTHON=python
    )
    command = [bin_ / "spark-submit", "--master", "local-cluster[2,1,1024]", "--py-files", project]
    command += ["--properties-file", ROOT / "conf" / "spark-defaults.conf", job, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)


@pytest.mark.parametrize("number", range(len(JOBS)), ids=[f"{n}-{Path(j[0]).stem}" for n, j in enumerate(JOBS)])
def test_a_job_runs_on_executors_of_their_own(number: int, submitted):
    assert number in submitted, "a job before this one failed"
    assert submitted[number].code in (0, 3), submitted[number].said[-9000:]
    assert JOBS[number][2] in submitted[number].said
