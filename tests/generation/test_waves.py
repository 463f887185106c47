"""The driver on Spark: what a task is given and says, and plans that one driver begins and the other finishes."""

import fcntl
import json
import os
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from pyspark import TaskContext
from pyspark.sql import functions as F

from etl.errors import ConfigError, WaveLost
from etl.lake import snapshot
from etl.lake.lock import table_lock
from etl.lake.schemas import GENERATION_ATTEMPTS
from generation import waves
from generation.attempts import Outcome
from generation.execution import Work, record, try_generator
from generation.failures import Code
from generation.hints import Hints
from generation.jobs import generate
from generation.landing import Landing
from generation.model_run import run_model
from generation.plan import Generator, ModelTask, Plan, make_plan
from generation.repository import RepoFile, Repository
from generation.settings import GenerateSettings

SD, DDPM, BROKEN = "demo-lab/tiny-sd-v1", "demo-lab/tiny-ddpm", "demo-community/broken-upload"
LORA = Repository("lab/lora", "2" * 40, (RepoFile("w.safetensors", 5),), None)
BASE = Repository("lab/base", "1" * 40, (RepoFile("unet/a.safetensors", 7, "f" * 64), RepoFile("x.json", 2)), "{}")
ADAPTER = Generator(
    *(
        "lab/lora",
        Repository("lab/lora", "2" * 40, (RepoFile("w.safetensors", 5),), None),
        "StableDiffusionPipeline",
    ),
    licence="mit",
    is_adapter=True,
    base=BASE,
    hints=Hints(steps=4, guidance=1.0, scheduler="LCMScheduler", source="its name"),
    images=3,
)
OUTCOME = Outcome("lab/lora", Code.OOM, "ünlucky", 1.5, 2, 300, 80.5, datetime(2025, 1, 2, 3, 4, 5, 6, UTC))


@pytest.fixture
def settings(hub, tmp_path) -> GenerateSettings:
    return GenerateSettings(
        root=str(tmp_path / "lake"), endpoint=hub.endpoint, plan="p", images_per_generator=2, steps=2, size=64
    )


@pytest.fixture
def task() -> ModelTask:
    return make_plan([ADAPTER], ["a cat", "a dog"], GenerateSettings()).tasks[0]


@pytest.fixture
def ddpm(repository, settings) -> tuple[ModelTask, Landing]:
    task = make_plan([Generator(DDPM, repository(DDPM), "DDPMPipeline")], [], settings).tasks[0]
    return task, Landing(settings.root, "p", DDPM)


@pytest.fixture
def in_a_task(monkeypatch):
    """Let this process pass for a Spark task: on its n-th attempt, with these GPUs."""

    def pretend(attempt: int = 0, gpus: tuple[str, ...] = ()) -> None:
        resources = {"gpu": SimpleNamespace(addresses=list(gpus))} if gpus else {}
        context = SimpleNamespace(attemptNumber=lambda: attempt, resources=lambda: resources)
        monkeypatch.setattr(TaskContext, "get", lambda: context)

    return pretend


def test_a_task_is_the_same_after_its_way_as_text(task):
    assert waves.from_json(waves.to_json(task, task.requests[1:])) == (task, task.requests[1:])
    bare = replace(task, generator=replace(ADAPTER, base=None, hints=Hints(), refused="GATED: closed"))
    assert waves.from_json(waves.to_json(bare, ())) == (bare, ())


@pytest.mark.parametrize("outcome", [OUTCOME, replace(OUTCOME, code=None, peak_memory_mb=None, load_seconds=0.5)])
def test_an_outcome_is_the_same_after_its_way_as_text(outcome):
    assert waves._outcome(waves._said(outcome)) == outcome


def test_every_generator_of_a_wave_is_a_task_of_its_own(spark):
    rows = waves._one_a_partition(spark, [f"task {n}" for n in range(7)])
    placed = rows.select("position", "task", F.spark_partition_id().alias("partition")).collect()
    assert sorted((row["position"], row["task"]) for row in placed) == [(n, f"task {n}") for n in range(7)]
    assert len({row["partition"] for row in placed}) == 7


def test_a_wave_that_is_recorded_twice_leaves_its_rows_once(tmp_path, task):
    tried = [(Work(task, task.requests, Landing(str(tmp_path), "p", "lab/lora"), 1), OUTCOME)]
    record(str(tmp_path), "p", tried)
    version = snapshot.current_version(str(tmp_path), GENERATION_ATTEMPTS)
    record(str(tmp_path), "p", tried)
    assert snapshot.current_version(str(tmp_path), GENERATION_ATTEMPTS) == version
    assert snapshot.read(str(tmp_path), GENERATION_ATTEMPTS)["code"].to_list() == ["OOM"]


def test_images_that_a_lost_try_has_landed_count_and_are_not_sampled_again(ddpm, settings, workers):
    task, landing = ddpm
    run_model(task, task.requests, landing, settings, workers)
    made = {file: file.stat().st_mtime_ns for file in landing.folder.glob("*.png")}
    lost = max(made)
    lost.unlink()
    outcome = try_generator(task, task.requests, landing, settings, workers)
    assert (outcome.status, outcome.images) == ("ok", 2)
    assert {file for file in landing.folder.glob("*.png") if file.stat().st_mtime_ns == made[file]} == {min(made)}


def test_a_try_waits_for_the_process_that_still_works_on_its_generator(ddpm, settings, workers):
    task, landing = ddpm
    with table_lock(settings.root, f"landing/{landing.folder.name}"):
        pass
    with open(Path(settings.root) / ".locks" / f"landing__{landing.folder.name}.lock") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        impatient = replace(settings, deadline_seconds=0.2)
        outcome = try_generator(task, task.requests, landing, impatient, workers)
    assert outcome.code is Code.CRASH and "another process is writing" in outcome.message
    assert not landing.folder.exists()


def test_a_generator_whose_task_is_lost_again_and_again_becomes_a_row(settings, task, in_a_task):
    in_a_task(attempt=3)
    with table_lock(settings.root, GENERATION_ATTEMPTS.name):
        outcome = waves._try("p", task, task.requests, settings, losses=3)
    assert (outcome.code, outcome.images) == (Code.CRASH, 0)
    assert "lost 3 times" in outcome.message


def test_a_task_samples_on_the_gpu_that_spark_gave_it(settings, in_a_task, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    for gpu in ("3", "5"):  # one Python process serves many tasks
        in_a_task(gpus=(gpu,))
        workers = waves._workers(settings)
        assert (workers.device, workers.places) == ("cuda", 1)
        assert workers._variables("home", 0)["CUDA_VISIBLE_DEVICES"] == gpu


def test_a_gpu_that_spark_has_not_is_a_configuration_error(spark, settings):
    with pytest.raises(ConfigError, match=r"spark\.task\.resource\.gpu\.amount"):
        list(waves.carry_out_in_waves(Plan("p", ()), [], replace(settings, device="cuda"), spark))


def test_a_node_that_does_not_share_the_lake_is_named_and_leaves_no_row(spark, settings, task):
    work = [Work(task, task.requests, Landing(settings.root, "p", "lab/lora"), 1)]
    with pytest.raises(
        WaveLost, match=r"the lake at .* is not on .*; all nodes must share it.*run the same command"
    ):
        list(waves.carry_out_in_waves(Plan("p", (task,)), work, settings, spark))
    assert not snapshot.exists(settings.root, GENERATION_ATTEMPTS)


def test_a_wave_that_spark_gives_up_is_an_error_that_says_how_to_go_on(spark, settings, task, monkeypatch):
    def dying(plan_id, settings, losses):
        def die(batches):
            os._exit(9)

        return die

    monkeypatch.setattr(waves, "_sampler", dying)
    work = [Work(task, task.requests, Landing(settings.root, "p", "lab/lora"), 1)]
    with pytest.raises(WaveLost, match=r"Python worker exited unexpectedly .*the same command"):
        list(waves.carry_out_in_waves(Plan("p", (task,)), work, settings, spark))


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"driver": "ray"}, "--driver must be 'pool' or 'spark', not 'ray'"),
        ({"driver": "spark", "workers": 2}, "--workers is for --driver pool"),
        ({"wave_size": 0}, "--wave_size must be at least 1"),
    ],
)
def test_settings_of_the_driver_that_cannot_hold_are_named(wrong, problem):
    assert [found for found in GenerateSettings(**wrong).problems() if problem in found]


def test_a_plan_goes_from_spark_to_the_pool_and_back_with_the_same_bytes(
    lake_of, hub, spark, workers, monkeypatch, capsys
):
    monkeypatch.setattr(generate, "start_workers", lambda settings: nullcontext(workers))
    root = lake_of(SD, DDPM, BROKEN)
    command = ["--root", root, "--endpoint", hub.endpoint, "--plan", "p", "--images_per_generator", "2"]
    command += ["--steps", "2", "--size", "64"]

    on_spark = [*command, "--driver", "spark"]
    assert generate.main([*on_spark, "--wave_size", "1", "--generators", f"[{SD},{BROKEN}]"]) == 3
    said = capsys.readouterr()
    assert "generate: 4 images = 2 new + 2 rejected + 0 already there" in said.out
    assert "generate: wave 2 of 2: 1 generators, " in said.err
    assert rows(root) == [(BROKEN, 1, "BAD_WEIGHTS", 0), (SD, 1, "OK", 2)]
    assert not (Path(root) / "landing" / "home").exists()

    assert generate.main(command) == 3
    assert "generate: 6 images = 2 new + 2 rejected + 2 already there" in capsys.readouterr().out
    assert rows(root) == [(BROKEN, 1, "BAD_WEIGHTS", 0), (DDPM, 1, "OK", 2), (SD, 1, "OK", 2)]

    images = {file: file.read_bytes() for file in Path(root).glob("landing/images/p/*/*.png")}
    assert len(images) == 4
    for file in images:
        file.unlink()
    assert generate.main(on_spark) == 3  # each makes what the other made
    assert "generate: 6 images = 4 new + 2 rejected + 0 already there" in capsys.readouterr().out
    assert {file: file.read_bytes() for file in Path(root).glob("landing/images/p/*/*.png")} == images
    pictured = [json.loads(line)["request_id"] for line in lines(root)]
    assert sorted(pictured) == sorted(file.stem for file in images)

    version = snapshot.current_version(root, GENERATION_ATTEMPTS)
    assert generate.main(on_spark) == 3
    assert snapshot.current_version(root, GENERATION_ATTEMPTS) == version


def rows(root: str) -> list[tuple]:
    columns = ["generator_id", "attempt", "code", "images"]
    return snapshot.read(root, GENERATION_ATTEMPTS, columns=columns).sort(*columns[:2]).rows()


def lines(root: str) -> list[str]:
    return [line for file in Path(root).glob("landing/images/p/*/records.jsonl") for line in file.open()]
