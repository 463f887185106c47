"""Whole models: the demo Hub's genuine tiny pipelines, its hostile ones, and what a rerun of a plan does."""

import errno
import hashlib
import io
import json
import os
import threading
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from etl import durable
from etl.demo.hub import Fault
from etl.errors import LakeMissing, NothingUsable
from etl.lake import snapshot
from etl.lake.schemas import GENERATION_ATTEMPTS
from generation.attempts import Outcome
from generation.demo_hub.hostile import pickle_sentinel, remote_code_sentinel
from generation.execution import carry_out, standing
from generation.failures import Code
from generation.inputs import eligible_generators
from generation.jobs import generate
from generation.landing import Landing
from generation.model_run import run_model
from generation.plan import Generator, ModelTask, make_plan
from generation.settings import GenerateSettings
from tests.generation.conftest import CAPTIONS

SD, LORA = "demo-lab/tiny-sd-v1", "demo-community/ink-lora-sd-v1"
DDPM, DIT = "demo-lab/tiny-ddpm", "demo-lab/tiny-dit"
Z_IMAGE = "demo-lab/tiny-z-image"


@pytest.fixture
def settings(hub, tmp_path) -> GenerateSettings:
    return GenerateSettings(
        root=str(tmp_path / "lake"), endpoint=hub.endpoint, plan="test", images_per_generator=2, steps=2, size=64
    )


@pytest.fixture
def sample(workers, settings, repository):
    """Sample a model of the demo Hub; return how it went, and where its images lie."""

    def run(model_id: str, pipeline_class: str, base: str | None = None) -> tuple[Outcome, Path]:
        generator = Generator(
            *(model_id, repository(model_id), pipeline_class),
            is_adapter=base is not None,
            base=repository(base) if base else None,
        )
        task = make_plan([generator], CAPTIONS, settings).tasks[0]
        landing = Landing(settings.root, "test", model_id)
        return run_model(task, task.requests, landing, settings, workers), landing.folder

    return run


def records(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("model_id", "pipeline_class", "base"),
    [
        (SD, "StableDiffusionPipeline", None),
        (LORA, "StableDiffusionPipeline", SD),
        (DDPM, "DDPMPipeline", None),
        (DIT, "DiTPipeline", None),
        (Z_IMAGE, "ZImagePipeline", None),
    ],
)
def test_a_good_model_gives_every_image_with_a_record_that_tells_how(sample, model_id, pipeline_class, base):
    outcome, folder = sample(model_id, pipeline_class, base)
    assert (outcome.code, outcome.message, outcome.images) == (None, "", 2)
    for record in records(folder):
        content = (folder / record["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == record["sha256"]
        image = Image.open(io.BytesIO(content))
        assert (image.size, image.format) == ((record["width"], record["height"]), "PNG")
        assert record["steps"] == 2
        assert record["batch_size"] == 1
        assert record["dtype"] == "float32"
        assert record["scheduler"].endswith("Scheduler")
        assert set(record["library_versions"]) >= {"torch", "diffusers", "processor"}
        assert (record["prompt"] is None) == (pipeline_class in ("DDPMPipeline", "DiTPipeline"))


def test_a_models_images_are_the_same_bytes_in_another_process(sample):
    _, folder = sample(SD, "StableDiffusionPipeline")
    first = {file.name: file.read_bytes() for file in folder.glob("*.png")}
    for file in folder.glob("*.png"):
        file.unlink()
    sample(SD, "StableDiffusionPipeline")
    assert {file.name: file.read_bytes() for file in folder.glob("*.png")} == first
    assert len(records(folder)) == 2


def test_a_scheduler_drawn_for_an_image_makes_it_and_stands_in_its_record(settings, repository, workers):
    varied = replace(settings, images_per_generator=6, vary_schedulers=["DDIMScheduler", "EulerDiscreteScheduler"])
    task = make_plan([Generator(SD, repository(SD), "StableDiffusionPipeline")], CAPTIONS, varied).tasks[0]
    landing = Landing(settings.root, "test", SD)
    assert run_model(task, task.requests, landing, varied, workers).images == 6
    drawn = {request.request_id: request.scheduler for request in task.requests}
    assert {record["request_id"]: record["scheduler"] for record in records(landing.folder)} == drawn
    assert len(set(drawn.values())) == 2


def test_an_adapter_changes_its_bases_images(sample, settings, repository, workers):
    """With the same seeds: the adapter's requests sampled from the base alone."""
    _, folder = sample(LORA, "StableDiffusionPipeline", SD)
    adapted = Generator(LORA, repository(LORA), "StableDiffusionPipeline", is_adapter=True, base=repository(SD))
    requests = make_plan([adapted], CAPTIONS, settings).tasks[0].requests
    task = ModelTask(Generator(SD, repository(SD), "StableDiffusionPipeline"), requests)
    landing = Landing(settings.root, "test", SD)
    run_model(task, requests, landing, settings, workers)
    name = f"{requests[0].request_id}.png"
    difference = np.subtract(*(np.asarray(Image.open(f / name), dtype=int) for f in (folder, landing.folder)))
    assert np.abs(difference).max() > 2


@pytest.mark.parametrize(
    ("model_id", "pipeline_class", "code"),
    [
        ("hostile/pickle-only", "StableDiffusionPipeline", Code.PICKLE_ONLY),
        ("hostile/remote-code", "", Code.REMOTE_CODE),
        ("demo-community/broken-upload", "StableDiffusionPipeline", Code.BAD_WEIGHTS),
        ("demo-community/overtrained-vae", "StableDiffusionPipeline", Code.NAN_IMAGE),
    ],
)
def test_a_hostile_model_ends_with_its_code_and_runs_nothing(
    sample, settings, demo_repositories, model_id, pipeline_class, code
):
    outcome, folder = sample(model_id, pipeline_class)
    assert (outcome.code, outcome.status, outcome.images) == (code, "failed", 0)
    assert not list(folder.glob("*.png"))
    assert not pickle_sentinel(demo_repositories.parent).exists()
    assert not remote_code_sentinel(demo_repositories.parent).exists()
    assert not list(Path(settings.root).glob("landing/downloads/*"))


def test_a_plan_is_carried_out_with_a_row_a_model_and_its_rerun_changes_nothing(
    lake_of, hub, workers, monkeypatch, capsys
):
    monkeypatch.setattr(generate, "start_workers", lambda settings: nullcontext(workers))
    root = lake_of(SD, DDPM, "demo-community/broken-upload")
    command = ["--root", root, "--endpoint", hub.endpoint, "--plan", "demo", "--steps", "2", "--size", "64"]
    command += ["--images_per_generator", "2"]
    assert generate.main(command) == 3
    assert "generate: 6 images = 4 new + 2 rejected + 0 already there" in capsys.readouterr().out
    rows = snapshot.read(root, GENERATION_ATTEMPTS).sort("generator_id").to_dicts()
    assert [(row["generator_id"], row["status"], row["code"], row["images"]) for row in rows] == [
        ("demo-community/broken-upload", "failed", "BAD_WEIGHTS", 0),
        (DDPM, "ok", "OK", 2),
        (SD, "ok", "OK", 2),
    ]
    assert all(row["peak_memory_mb"] > 100 for row in rows)
    version = snapshot.current_version(root, GENERATION_ATTEMPTS)

    monkeypatch.undo()
    asked = len(hub.requests)
    assert generate.main(command) == 3
    assert "generate: 6 images = 0 new + 2 rejected + 4 already there" in capsys.readouterr().out
    assert snapshot.current_version(root, GENERATION_ATTEMPTS) == version
    assert len(hub.requests) == asked


def test_a_lost_image_alone_is_sampled_again_to_the_same_bytes(lake_of, settings, workers):
    lake_of(DDPM)
    plan = make_plan(eligible_generators(settings.root), [], settings)
    list(carry_out(plan, standing(plan, settings).work, settings, workers))
    folder = Landing(settings.root, "test", DDPM).folder
    lost = min(folder.glob("*.png"))
    content = lost.read_bytes()
    lost.unlink()

    left = standing(plan, settings)
    assert (left.already_there, [len(work.wanted) for work in left.work]) == (1, [1])
    outcomes = [outcome for _, outcome in carry_out(plan, left.work, settings, workers)]
    assert [(outcome.status, outcome.images) for outcome in outcomes] == [("ok", 1)]
    assert lost.read_bytes() == content
    assert len(records(folder)) == 2


def test_a_row_that_a_kill_kept_from_a_finished_generator_is_written_by_the_next_run(lake_of, settings, workers):
    lake_of(DDPM)
    plan = make_plan(eligible_generators(settings.root), [], settings)
    task = plan.tasks[0]
    run_model(task, task.requests, Landing(settings.root, "test", DDPM), settings, workers)
    assert standing(plan, settings).work == ()
    assert standing(plan, settings).already_there == 2
    assert snapshot.read(settings.root, GENERATION_ATTEMPTS)["status"].to_list() == ["ok"]


def test_a_lake_without_eligible_generators_is_nothing_usable(lake_of):
    with pytest.raises(NothingUsable, match="no generator in the lake"):
        generate.main(["--root", lake_of()])


def test_a_lake_that_does_not_exist_is_named_and_not_begun(tmp_path):
    with pytest.raises(LakeMissing, match="no table 'generators' in the lake at"):
        generate.main(["--root", str(tmp_path / "typo")])
    assert not list(tmp_path.iterdir())


def test_a_failure_that_may_pass_is_tried_again_in_the_same_run_and_one_that_will_not_is_not(
    lake_of, hub, workers, monkeypatch, capsys
):
    monkeypatch.setattr(generate, "start_workers", lambda settings: nullcontext(workers))
    root = lake_of(DDPM, "demo-community/broken-upload")
    hub.faults.add(Fault("tiny-ddpm/resolve/.*safetensors", "status", times=1, status=418))
    command = ["--root", root, "--endpoint", hub.endpoint, "--plan", "again", "--steps", "2", "--size", "64"]
    assert generate.main([*command, "--images_per_generator", "2", "--backoff_seconds", "1"]) == 3
    told = capsys.readouterr()
    assert "generate: 4 images = 2 new + 2 rejected + 0 already there" in told.out
    assert "generate: 1 generators are tried again in 1 s" in told.err
    rows = snapshot.read(root, GENERATION_ATTEMPTS).sort("generator_id", "attempt").to_dicts()
    assert [(row["generator_id"], row["attempt"], row["code"]) for row in rows] == [
        ("demo-community/broken-upload", 1, "BAD_WEIGHTS"),
        (DDPM, 1, "HUB_ERROR"),
        (DDPM, 2, "OK"),
    ]


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.EDQUOT, Code.NO_SPACE), (errno.EIO, Code.CRASH), (errno.EACCES, Code.CRASH)],
    ids=lambda value: errno.errorcode.get(value, value) if isinstance(value, int) else value,
)
def test_only_a_full_disk_is_no_space(sample, monkeypatch, number, code):
    def fail(path: Path, content: bytes) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(durable, "write", fail)
    outcome, _ = sample(DDPM, "DDPMPipeline")
    assert (outcome.code, outcome.images) == (code, 0)
    assert not code.permanent
    assert os.strerror(number) in outcome.message


def test_a_model_that_is_begun_while_the_job_stops_is_interrupted_before_its_download(
    sample, hub, workers, monkeypatch
):
    stopping = threading.Event()
    stopping.set()
    monkeypatch.setattr(workers, "stopping", stopping)
    asked = len(hub.requests)
    outcome, _ = sample(DDPM, "DDPMPipeline")
    assert (outcome.code, outcome.images) == (Code.INTERRUPTED, 0)
    assert not [path for _, path in hub.requests[asked:] if "resolve" in path]


def test_a_disk_that_fills_up_costs_what_did_not_fit_and_the_next_run_makes_that_alone(
    lake_of, settings, workers, monkeypatch
):
    lake_of(DDPM)
    few = replace(settings, images_per_generator=4)
    plan = make_plan(eligible_generators(settings.root), [], few)
    write, written = durable.write, []

    def until_full(path: Path, content: bytes) -> None:
        if path.suffix == ".png":
            written.append(path)
            if len(written) > 2:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write(path, content)

    monkeypatch.setattr(durable, "write", until_full)
    [(_, outcome)] = carry_out(plan, standing(plan, few).work, few, workers)
    assert (outcome.code, outcome.status, outcome.images) == (Code.NO_SPACE, "partial", 2)
    monkeypatch.undo()
    left = standing(plan, few)
    assert (left.already_there, len(left.work[0].wanted)) == (2, 2)
    [(_, outcome)] = carry_out(plan, left.work, few, workers)
    assert (outcome.code, outcome.images) == (None, 2)
    folder = Landing(settings.root, "test", DDPM).folder
    lines = records(folder)
    assert sorted(line["request_id"] for line in lines) == sorted(r.request_id for r in plan.tasks[0].requests)
    assert all(hashlib.sha256((folder / r["file"]).read_bytes()).hexdigest() == r["sha256"] for r in lines)
    assert [path.name for path in Path(settings.root).rglob("*.tmp")] == []
