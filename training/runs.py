"""One detector trained on one training set: found again, gone on with, or trained anew, and logged to MLflow."""

import contextlib
import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl
import yaml
from tqdm import tqdm

from etl.config import as_dict
from etl.errors import NothingUsable
from etl.faults import fault_point
from etl.lake import snapshot
from etl.lake.lock import table_lock
from training import checkpoint, detectors, environment, loop, sets
from training.augmentations import MEAN, STD, TestTransform, TrainTransform, shorter_edge
from training.checkpoint import Measurement, Trainee
from training.data import Batch, Loading, batches
from training.settings import TrainSettings
from training.splits import Split, open_split
from training.tracking import Run, Tracker, tags_of

CHECKPOINT = "checkpoint.safetensors"
MODEL = "detector/model.safetensors"
MODEL_CONFIG = "detector/config.json"
_NO_INFLUENCE = ("root", "version", "experiment", "deadline_seconds")
"""Settings that do not change what a run computes; the training set's version enters its key by itself."""


@dataclass(frozen=True)
class Trained:
    """What `train` ended with: the run, whether it was there before, and the last value of each curve."""

    run_id: str
    already_there: bool
    figures: dict[str, float]


def run_key(settings: TrainSettings, training_set: sets.TrainingSet) -> str:
    """Return the hash of all that a run's result depends on."""
    values = {key: value for key, value in as_dict(settings).items() if key not in _NO_INFLUENCE}
    if settings.weights:
        values["weights"] = hashlib.sha256(Path(settings.weights).read_bytes()).hexdigest()
    identity = [values, training_set.label, training_set.id_checksum]
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def train(settings: TrainSettings) -> Trained:
    """Train the detector unless a finished run has its key; go on from an interrupted run's checkpoint.

    Raises LakeMissing, NothingUsable, LockHeld (another process trains the same), NonFiniteLoss and the loader's
    errors; the run is then marked FAILED, or KILLED after an interrupt.
    """
    device = detectors.device(settings.device)
    detectors.find(settings.detector)
    training_set = sets.find(settings.root, settings.training_set, settings.version)
    key = run_key(settings, training_set)
    work = Path(settings.root).resolve() / ".training" / key
    with table_lock(settings.root, f"training/{key[:16]}"):
        tracker = Tracker(settings.root, create=True)
        found = tracker.find(key)
        if found is not None and found.finished:
            shutil.rmtree(work, ignore_errors=True)  # left by a kill just after the run was marked
            return Trained(found.run_id, True, {})
        splits = _splits(settings.root, training_set)
        model = detectors.build(settings.detector, settings.seed, settings.weights).to(device)
        loop.leave_a_core_to_the_loader(device)
        trainee = loop.new_trainee(model, settings)
        checkpoint.restore(work / CHECKPOINT, trainee)
        run = _open_run(tracker, found, settings, training_set, key)
        with _marked_when_broken(tracker, run):
            _fit(trainee, settings, splits, partial(tracker.log, run), work / CHECKPOINT)
            _write_artifacts(work / "artifacts", trainee, settings, training_set)
            tracker.finish(run, work / "artifacts")
        shutil.rmtree(work)
        return Trained(run.run_id, False, _last(trainee))


def _splits(root: str, training_set: sets.TrainingSet) -> tuple[Split, Split]:
    """Return the training and the validation split; the latter may be empty."""
    table, version = training_set.table, training_set.rows_version
    rows = snapshot.scan(root, table, version).filter(pl.col("split") == "train")
    if rows.select(pl.col("label").n_unique()).collect().item() < 2:
        raise NothingUsable(
            f"the training split of {training_set.label} has images of fewer than two classes; build it from both "
            "real and generated images"
        )
    return open_split(root, table, version, "train"), open_split(root, table, version, "val")


def _open_run(
    tracker: Tracker, found: Run | None, settings: TrainSettings, training_set: sets.TrainingSet, key: str
) -> Run:
    """Resume the interrupted run of this key, or start one with all that makes it repeatable."""
    surroundings = tags_of({"git_commit": environment.git_commit(), "versions": environment.versions()})
    if found is not None:
        tracker.resume(found, surroundings)
        return found
    config = as_dict(settings)
    tags = {
        "run_key": key,
        "training_set": training_set.name,
        "training_set_version": str(training_set.version),
        "training_set_id_checksum": training_set.id_checksum,
        "training_set_config_hash": training_set.config_hash,
        "rows_version": str(training_set.rows_version),
        "table_versions": training_set.table_versions,
        "config_hash": hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest(),
        **surroundings,
    }
    return tracker.start(settings.experiment, f"{settings.detector} {training_set.label}", tags, config)


@contextlib.contextmanager
def _marked_when_broken(tracker: Tracker, run: Run) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        tracker.end(run, "KILLED")
        raise
    except BaseException:
        tracker.end(run, "FAILED")
        raise


def _fit(
    trainee: Trainee,
    settings: TrainSettings,
    splits: tuple[Split, Split],
    log: Callable[[list[Measurement]], None],
    path: Path,
) -> None:
    """Train, and after each epoch write the checkpoint, then log its curves; a resumed run logs all again."""
    training, validation = splits
    size = detectors.find(settings.detector).input_size
    loading = Loading(
        settings.batch_size, settings.seed, settings.workers, deadline_seconds=settings.deadline_seconds
    )

    def training_batches(epoch: int) -> Iterator[Batch]:
        epoch_batches = batches(training, TrainTransform(size, settings.seed, epoch), loading, epoch)
        yield from tqdm(
            epoch_batches, f"epoch {epoch + 1}/{settings.epochs}", disable=not sys.stderr.isatty(), leave=False
        )

    def validation_batches() -> Iterator[Batch]:
        return batches(validation, TestTransform(size), loading)

    log(trainee.history)
    logged = len(trainee.history)
    for _ in loop.fit(trainee, settings, training.rows, training_batches, validation_batches):
        checkpoint.save(path, trainee)
        if trainee.epoch == 1:
            fault_point("train:after-checkpoint")
        log(trainee.history[logged:])
        logged = len(trainee.history)
        figures = ", ".join(f"{key} {value:.4f}" for key, value in _last(trainee).items())
        print(f"train: epoch {trainee.epoch}/{settings.epochs}: {figures}", flush=True)


def _last(trainee: Trainee) -> dict[str, float]:
    """Return the newest value of each curve."""
    return {point.key: point.value for point in trainee.history}


def _write_artifacts(
    folder: Path, trainee: Trainee, settings: TrainSettings, training_set: sets.TrainingSet
) -> None:
    """Write what the run leaves in MLflow: the detector, its configuration, and the environment."""
    checkpoint.write_tensors(folder / MODEL, dict(trainee.model.state_dict()))
    detector = detectors.find(settings.detector)
    config = {
        "detector": settings.detector,
        "timm_name": detector.timm_name,
        "input_size": detector.input_size,
        "resize_shorter_edge": shorter_edge(detector.input_size),
        "mean": MEAN,
        "std": STD,
        "label_of_positive_logit": "fake",
        "training_set": training_set.label,
    }
    (folder / MODEL_CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    (folder / "train.yaml").write_text(yaml.safe_dump(as_dict(settings), sort_keys=False), encoding="utf-8")
    (folder / "requirements.txt").write_text(environment.requirements(), encoding="utf-8")
