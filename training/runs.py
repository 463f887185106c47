"""One detector trained on one training set: found again, gone on with, or trained anew, and logged to MLflow."""

import contextlib
import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from etl import durable
from etl.config import as_dict
from etl.errors import ConfigError
from etl.faults import fault_point
from etl.lake import storage
from etl.lake.folder import folder
from etl.lake.lock import table_lock
from training import artifacts, checkpoint, detectors, loop, sets, weights
from training.augmentations import TestTransform, TrainTransform
from training.checkpoint import Trainee
from training.data import Batch, Loading, batches
from training.run_log import RunLog
from training.settings import TrainSettings
from training.splits import Split, open_split, require_sound
from training.world import ALONE, World

CHECKPOINT = "checkpoint.safetensors"
ARTIFACTS = "artifacts"
_NO_INFLUENCE = (
    *("root", "version", "experiment", "deadline_seconds", "checkpoint_steps", "launcher", "register"),
    "cache_gb",
)
"""Settings that do not change what a run computes; the training set's version enters its key by itself."""


class Kept:
    """A run's checkpoint in its lake's object store, for other machines to go on from; on disk it is there."""

    def __init__(self, root: str, key: str):
        self._folder = None if storage.is_local(root) else folder(root, ".training", key)

    def fetch(self, path: Path) -> None:
        if self._folder is not None:
            path.unlink(missing_ok=True)  # this machine's may be older
            if (content := self._folder.read(CHECKPOINT)) is not None:
                durable.write(path, content)

    def store(self, path: Path) -> None:
        if self._folder is not None:
            self._folder.write(CHECKPOINT, path.read_bytes())

    def remove(self) -> None:
        if self._folder is not None:
            self._folder.remove(CHECKPOINT)


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
        values["weights"] = hashlib.sha256(weights.located(settings.weights).read_bytes()).hexdigest()
    identity = [values, training_set.label, training_set.id_checksum]
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def train(settings: TrainSettings, world: World = ALONE) -> Trained:
    """Train the detector unless a finished run has its key; go on from an interrupted run's checkpoint.

    Of several processes all compute, and the leading one writes and logs. Raises LakeMissing, NothingUsable,
    LockHeld (another process trains the same), NonFiniteLoss and the loader's errors; the run is then marked
    FAILED, or KILLED after an interrupt. TrackingUnavailable where MLflow takes nothing: what was trained stays.
    """
    device = detectors.device(settings.device, world.local_rank)
    size = detectors.input_size(settings.detector, settings.input_size)
    training_set = sets.find(settings.root, settings.training_set, settings.version)
    key = run_key(settings, training_set)
    work, kept = storage.workplace(settings.root) / ".training" / key, Kept(settings.root, key)
    with contextlib.ExitStack() as held:
        log = None
        if world.leads:
            held.enter_context(table_lock(settings.root, f"training/{key[:16]}"))
            log = RunLog(settings, training_set, key)
        finished = world.gathered(log.finished if log else None)[0]
        if finished:
            shutil.rmtree(work, ignore_errors=True)  # left by a kill just after the run was marked
            kept.remove()
            return Trained(finished, True, {})
        splits = _splits(settings.root, training_set)
        if settings.patience and not splits[1].rows:
            raise ConfigError(f"--patience needs a validation split, and {training_set.label} has none")
        as_it_is = settings.weights is not None and not settings.epochs
        model = detectors.build(
            settings.detector, settings.seed, settings.weights, size, settings.freeze_backbone, whole=as_it_is
        ).to(device)
        loop.leave_a_core_to_the_loader(device)
        trainee = loop.new_trainee(model, settings)
        kept.fetch(work / CHECKPOINT)
        checkpoint.restore(work / CHECKPOINT, trainee)
        with log.marked_when_broken() if log else contextlib.nullcontext():
            _fit(trainee, settings, splits, log, work / CHECKPOINT, kept, world)
            if log is None:
                return Trained("", False, {})
            artifacts.write(work / ARTIFACTS, trainee, settings, training_set, splits)
            log.finish(trainee.history, work / ARTIFACTS)
        shutil.rmtree(work)
        kept.remove()
        return Trained(log.run_id, False, last(trainee))


def _splits(root: str, training_set: sets.TrainingSet) -> tuple[Split, Split]:
    """Return the training and the validation split; the latter may be empty. Raises as `require_sound`."""
    table, version = training_set.table, training_set.rows_version
    require_sound(root, table, version)
    return open_split(root, table, version, "train"), open_split(root, table, version, "val")


def _fit(
    trainee: Trainee,
    settings: TrainSettings,
    splits: tuple[Split, Split],
    log: RunLog | None,
    path: Path,
    kept: Kept,
    world: World,
) -> None:
    """Train; where a checkpoint is due the leading process writes it, then logs the curves so far."""
    training, validation = splits
    size = detectors.input_size(settings.detector, settings.input_size)
    loading = Loading(
        settings.batch_size,
        settings.seed,
        settings.workers,
        rank=world.rank,
        world=world.size,
        deadline_seconds=settings.deadline_seconds,
        cache_bytes=int(settings.cache_gb * 1e9),
    )

    def training_batches(epoch: int, first: int) -> Iterator[Batch]:
        transform = TrainTransform(size, settings.seed, epoch, tuple(settings.extra_augmentations))
        epoch_batches = batches(training, transform, replace(loading, equal_steps=True), epoch, start=first)
        silent = not (world.leads and sys.stderr.isatty())
        yield from tqdm(epoch_batches, f"epoch {epoch + 1}/{settings.epochs}", disable=silent, leave=False)

    def validation_batches() -> Iterator[Batch]:
        return batches(validation, TestTransform(size), loading)

    if log:
        log.add(trainee.history)
    for _ in loop.fit(trainee, settings, training.rows, training_batches, validation_batches, world=world):
        if log is None:
            continue
        checkpoint.save(path, trainee)
        kept.store(path)
        fault_point("train:after-checkpoint")
        log.add(trainee.history)
        if trainee.batch == 0:
            figures = ", ".join(f"{key} {value:.4f}" for key, value in last(trainee).items())
            print(f"train: epoch {trainee.epoch}/{settings.epochs}: {figures}", flush=True)


def last(trainee: Trainee) -> dict[str, float]:
    """Return the newest value of each curve."""
    return {point.key: point.value for point in trainee.history}
