"""A plan by spark-submit on executors of their own, one of whose Python processes is killed at work."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from etl.demo.hub import DemoHub
from etl.lake import snapshot
from etl.lake.schemas import GENERATION_ATTEMPTS, GENERATORS, IMAGES, MODELS
from generation.demo_hub.build import build_demo_hub
from tests.flow.commands import BIN, ROOT, clean_environment, forensics

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

GOOD = ["demo-lab/tiny-ddpm", "demo-lab/tiny-dit", "demo-lab/tiny-sd-v1"]
BROKEN = "demo-community/broken-upload"
MARKED = "CUDA_HOME"
"""One of the variables that models' processes keep, and that nothing reads here."""
PLAN = ["--plan", "p", "--images_per_generator", "8", "--steps", "20", "--size", "128"]


@pytest.fixture(scope="module")
def hub(tmp_path_factory) -> Iterator[DemoHub]:
    """The running demo Hub with the models of the plan."""
    root = tmp_path_factory.mktemp("hub") / "demo-hub"
    build_demo_hub(root, families=["ddpm", "dit", "sd1", "truncated"])
    with DemoHub(root) as running:
        yield running


@pytest.fixture(scope="module")
def by_pool(hub, tmp_path_factory) -> Path:
    """The lake in which the embedded pool has carried the plan out."""
    root = tmp_path_factory.mktemp("pool") / "lake"
    fill(root, hub)
    done = forensics("generate", "--root", str(root), "--endpoint", hub.endpoint, *PLAN)
    assert done.returncode == 3, done.stdout + done.stderr
    return root


@pytest.fixture(scope="module")
def by_spark(hub, by_pool, wheel, tmp_path_factory) -> Path:
    """The lake in which Spark has, with a Python process killed -9 once the first images had landed."""
    folder = tmp_path_factory.mktemp("spark")
    root = folder / "lake"
    fill(root, hub)
    with open(folder / "output.txt", "w+") as output:
        running = submit(shutil.copy(wheel, folder / "forensics.zip"), root, hub.endpoint, folder, output)
        try:
            while not list(root.glob("landing/images/p/*/*.png")):
                assert running.poll() is None, (folder / "output.txt").read_text()[-6000:]
                time.sleep(0.05)
            os.kill(min(python_workers(root)), signal.SIGKILL)
            code = running.wait(timeout=300)
        finally:
            running.kill()
    said = (folder / "output.txt").read_text()
    assert code == 3, said[-6000:]
    assert "generate: 32 images = 24 new + 8 rejected + 0 already there" in said
    return root


def submit(project: str, root: Path, endpoint: str, folder: Path, output) -> subprocess.Popen:
    python = str(BIN / "python")
    environment = clean_environment(
        PATH=f"{BIN}{os.pathsep}{os.environ['PATH']}",
        PYSPARK_PYTHON=python,
        PYSPARK_DRIVER_PYTHON=python,
        **{MARKED: str(root)},
    )
    command = [BIN / "spark-submit", "--master", "local-cluster[2,1,2048]", "--py-files", project]
    command += ["--properties-file", ROOT / "conf" / "spark-defaults.conf", ROOT / "generation/jobs/generate.py"]
    command += ["--root", root, "--endpoint", endpoint, "--driver", "spark", *PLAN]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)


def fill(root: Path, hub: DemoHub) -> None:
    """Make a lake that knows the plan's models and has captions."""
    client = HfApi(endpoint=hub.endpoint, token=False)
    for model_id in [*GOOD, BROKEN]:
        found = client.model_info(model_id, files_metadata=True)
        index = (hub.store.root / model_id / "model_index.json").read_text()
        shared = {"model_id": model_id, "revision": found.sha, "pipeline_class": json.loads(index)["_class_name"]}
        files = [
            {"path": s.rfilename, "size": s.size, "sha256": s.lfs.sha256 if s.lfs else None}
            for s in found.siblings
        ]
        snapshot.append(str(root), MODELS, [{**shared, "files": files, "model_index": index, "base_models": []}])
        generator = {**shared, "generator_id": model_id, "kind": "hub", "eligible": True}
        snapshot.append(str(root), GENERATORS, [generator])
    snapshot.append(str(root), IMAGES, [{"image_id": "0", "label": 0, "prompt": "a cat"}])


def cells(root: Path) -> dict[int, int]:
    """Return the processes in which models of this lake run, fork servers among them, with their parents."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            ours = f"{MARKED}={root}\0".encode() in (process / "environ").read_bytes()
            if ours and b"multiprocessing.forkserver" in (process / "cmdline").read_bytes():
                found[int(process.name)] = int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
    return found


def python_workers(root: Path) -> set[int]:
    """Return Spark's Python processes that sample: those that started a fork server."""
    inside = cells(root)
    return {parent for parent in inside.values() if parent not in inside}


def images(root: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in root.glob("landing/images/p/*/*.png")}


def test_the_plan_gives_the_same_images_as_in_the_pool(by_pool, by_spark):
    assert images(by_spark) == images(by_pool)
    assert len(images(by_spark)) == 24


def test_every_image_has_one_record_and_every_generator_one_row(by_spark):
    lines = [line for file in by_spark.glob("landing/images/p/*/records.jsonl") for line in file.open()]
    assert sorted(json.loads(line)["file"] for line in lines) == sorted(images(by_spark))
    rows = snapshot.read(str(by_spark), GENERATION_ATTEMPTS, columns=["generator_id", "attempt", "code", "images"])
    assert sorted(rows.rows()) == [(BROKEN, 1, "BAD_WEIGHTS", 0), *((name, 1, "OK", 8) for name in GOOD)]


def test_nothing_is_left_behind(by_spark):
    assert not cells(by_spark)
    assert not list(by_spark.glob("landing/downloads/*"))
    assert not list(by_spark.glob("landing/home"))


def test_the_pool_finds_nothing_left_to_do(by_spark, hub):
    version = snapshot.current_version(str(by_spark), GENERATION_ATTEMPTS)
    done = forensics("generate", "--root", str(by_spark), "--endpoint", hub.endpoint, *PLAN)
    assert "generate: 32 images = 0 new + 8 rejected + 24 already there" in done.stdout
    assert snapshot.current_version(str(by_spark), GENERATION_ATTEMPTS) == version
