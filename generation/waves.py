"""Carrying a plan out on Spark: waves of generators, one task each, the rows of a wave committed by the driver.

A task does what a thread of the embedded pool does (`execution.try_generator`), so that a plan can be begun by one
and finished by the other. Images land under the same root, which all nodes must see; only outcomes travel
through Spark. A task whose executor is lost is tried again by Spark and goes on from what has landed.
"""

import functools
import json
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from py4j.protocol import Py4JError
from pyspark import TaskContext
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from tqdm import tqdm

from etl.errors import ConfigError, WaveLost
from etl.lake import storage
from etl.lake.schemas import GENERATION_ATTEMPTS
from generation.attempts import Outcome
from generation.devices import Device
from generation.disk import DiskBudget
from generation.execution import Work, largest_first, record, try_generator
from generation.failures import Code
from generation.landing import Landing
from generation.pinned import generator_of
from generation.plan import ModelTask, Plan, Request
from generation.settings import GenerateSettings
from generation.workers import Workers

_TASKS = "position long, task string"
_OUTCOMES = "position long, outcome string"


def carry_out_in_waves(
    plan: Plan, work: Sequence[Work], settings: GenerateSettings, spark: SparkSession
) -> Generator[tuple[Work, Outcome]]:
    """Try every generator of `work`; yield those of a wave once it has ended and its rows are committed.

    Raises ConfigError where a GPU is asked for and Spark has none to give, WaveLost when Spark gives a wave up.
    """
    if settings.device == "cuda" and spark.conf.get("spark.task.resource.gpu.amount", None) is None:
        raise ConfigError("--device cuda: tasks get no GPU; submit with spark.task.resource.gpu.amount=1")
    settings = _with_absolute_folders(settings)
    ordered = largest_first(work)  # models of like size share a wave, which lasts as long as its slowest
    waves = [ordered[i : i + settings.wave_size] for i in range(0, len(ordered), settings.wave_size)]
    try:
        for number, wave in enumerate(waves, 1):
            started = time.monotonic()
            tried = list(zip(wave, _run(spark, plan.plan_id, wave, settings), strict=True))
            record(settings.root, plan.plan_id, tried)
            tqdm.write(_line(number, len(waves), tried, time.monotonic() - started), file=sys.stderr)
            yield from tried
    finally:
        shutil.rmtree(_homes(settings), ignore_errors=True)


def to_json(task: ModelTask, wanted: Sequence[Request]) -> str:
    """Return a task and the ids of the requests that are wanted of it, as text for a row."""
    return json.dumps({**asdict(task), "wanted": [request.request_id for request in wanted]})


def from_json(text: str) -> tuple[ModelTask, tuple[Request, ...]]:
    """Return the task and the wanted requests that `to_json` wrote."""
    said = json.loads(text)
    requests = tuple(Request(**request) for request in said["requests"])
    wanted = set(said["wanted"])
    task = ModelTask(generator_of(said["generator"]), requests)
    return task, tuple(request for request in requests if request.request_id in wanted)


def _run(spark: SparkSession, plan_id: str, wave: Sequence[Work], settings: GenerateSettings) -> list[Outcome]:
    """Return how the generators of a wave went, in their order."""
    # Spark ends a job when one of its tasks is lost this often; the task gives its generator up before that.
    losses = max(int(spark.conf.get("spark.task.maxFailures", None) or 4) - 1, 1)
    tasks = _one_a_partition(spark, [to_json(w.task, w.wanted) for w in wave])
    try:
        rows = tasks.mapInPandas(_sampler(plan_id, settings, losses), _OUTCOMES).collect()
    except (PySparkException, Py4JError) as error:  # the second where no Python code of ours had raised
        raise WaveLost(
            f"Spark gave up a wave of {len(wave)} generators ({_cause(error)}); what has landed is kept: "
            "run the same command again to go on"
        ) from error
    return [_outcome(row["outcome"]) for row in sorted(rows, key=lambda row: row["position"])]


def _one_a_partition(spark: SparkSession, tasks: Sequence[str]) -> DataFrame:
    """Return the tasks as rows (position, task) in partitions of their own, so that each is a task of Spark's.

    The broadcast join keeps the partitions of the range, and without a shuffle a lost executor loses nothing else.
    """
    places = spark.range(0, len(tasks), 1, len(tasks)).withColumnRenamed("id", "position")
    return places.join(F.broadcast(spark.createDataFrame(list(enumerate(tasks)), _TASKS)), "position", "inner")


def _sampler(
    plan_id: str, settings: GenerateSettings, losses: int
) -> Callable[[Iterator[pd.DataFrame]], Iterator[pd.DataFrame]]:
    """Return what a task does with its rows, of which there is one."""

    def sample(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            outcomes = [_said(_try(plan_id, *from_json(task), settings, losses)) for task in batch["task"]]
            yield pd.DataFrame({"position": batch["position"], "outcome": outcomes})

    return sample


def _try(
    plan_id: str, task: ModelTask, wanted: Sequence[Request], settings: GenerateSettings, losses: int
) -> Outcome:
    """Try a generator on an executor. Raises ConfigError where the node does not see the driver's lake."""
    shared = Path(settings.root) / ".locks" / f"{GENERATION_ATTEMPTS.name}.lock"
    if storage.is_local(settings.root) and not shared.exists():
        raise ConfigError(f"the lake at {settings.root} is not on {socket.gethostname()}; all nodes must share it")
    generator_id = task.generator.generator_id
    if TaskContext.get().attemptNumber() >= losses:
        message = f"its Spark task was lost {losses} times, perhaps for want of memory on the node"
        return Outcome(generator_id, Code.CRASH, message, 0.0, 0, 0, None, datetime.now(UTC))
    landing = Landing(settings.root, plan_id, generator_id)
    return try_generator(task, wanted, landing, settings, _workers(settings))


def _workers(settings: GenerateSettings) -> Workers:
    """Return the one place of this task: on the GPU that Spark gave it, else on the CPU."""
    gpu = TaskContext.get().resources().get("gpu")
    device: Device = "cuda" if gpu and settings.device != "cpu" else "cpu"
    if gpu and device == "cuda":
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu.addresses[0]
    home = _homes(settings) / f"{socket.gethostname()}-{os.getpid()}"
    workers = _started(device, home, int(settings.max_disk_gb * 1e9))
    home.mkdir(parents=True, exist_ok=True)  # an earlier job's driver removed it, and this process went on
    return workers


@functools.lru_cache(maxsize=1)
def _started(device: Device, home: Path, disk_bytes: int) -> Workers:
    """Start the workers of this process, which Spark keeps for other tasks: a fork server costs 20 CPU seconds."""
    return Workers(device, 1, home, DiskBudget(disk_bytes))


def _with_absolute_folders(settings: GenerateSettings) -> GenerateSettings:
    """Return the settings for executors, which work in folders of their own."""
    scorer = settings.nsfw_scorer and str(Path(settings.nsfw_scorer).resolve())
    root = str(Path(settings.root).resolve()) if storage.is_local(settings.root) else settings.root
    return replace(settings, root=root, nsfw_scorer=scorer)


def _homes(settings: GenerateSettings) -> Path:
    return storage.workplace(settings.root) / "landing" / "home"


def _said(outcome: Outcome) -> str:
    return json.dumps({**asdict(outcome), "started_at": outcome.started_at.isoformat()})


def _outcome(text: str) -> Outcome:
    said = json.loads(text)
    code = Code(said["code"]) if said["code"] else None
    refused = {key: (Code(code), message) for key, (code, message) in said["refused"].items()}
    started = datetime.fromisoformat(said["started_at"])
    return Outcome(**{**said, "code": code, "refused": refused, "started_at": started})


def _line(number: int, waves: int, tried: Sequence[tuple[Work, Outcome]], seconds: float) -> str:
    images, wanted = sum(o.images for _, o in tried), sum(len(w.wanted) for w, _ in tried)
    counts = f"{len(tried)} generators, {images} images, {wanted - images} refused, {seconds:.1f} s"
    return f"generate: wave {number} of {waves}: {counts}"


def _cause(error: Exception) -> str:
    """Return the line of a Spark error that says what happened: our own error's, where there is one."""
    lines = [line.strip(" :") for line in str(error).splitlines()]
    ours = [line for line in lines if line.startswith("etl.errors.")]
    of_spark = [line for line in lines if "Exception: " in line]
    return next(iter([*ours, *of_spark, *lines]), type(error).__name__)[:300]
