"""Scoring: a finished detector's logits of a training set's test images, into the table `predictions`.

An image that the run has scored is not scored again; when none is left the detector is not even loaded.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import torch

from etl.errors import ConfigError, NothingUsable
from etl.lake import snapshot
from etl.lake.lock import table_lock
from etl.lake.schemas import PREDICTIONS
from training import detectors
from training.artifacts import MODEL, MODEL_CONFIG
from training.augmentations import TestTransform
from training.data import Batch, Loading, batches
from training.errors import NonFiniteLogit
from training.loop import leave_a_core_to_the_loader, predict
from training.sets import TrainingSet
from training.settings import EvaluateSettings
from training.splits import open_split
from training.tracking import Run, Tracker

SPLIT = "test"
UNTRANSFORMED = "none"
_ROWS_A_COMMIT = 20_000


class Scored(NamedTuple):
    """How many test images there are, and how many of them were scored now."""

    total: int
    fresh: int


def collection(training_set: TrainingSet) -> str:
    """Return the name under which a training set's test images are scored, e.g. demo@1/test."""
    return f"{training_set.label}/{SPLIT}"


def choose_run(tracker: Tracker, training_set: TrainingSet, run_id: str | None) -> Run:
    """Return the run to judge: the given one, or the newest finished one of the training set.

    Raises NothingUsable, and ConfigError for a run of another training set, whose training images may be among
    the test images here.
    """
    if run_id is None:
        return tracker.newest_finished(training_set.name, training_set.version)
    run = tracker.run(run_id)
    if not run.finished:
        raise NothingUsable(f"run '{run_id}' is {run.status}; repeat its `forensics train` to finish it")
    own = f"{run.tags.get('training_set')}@{run.tags.get('training_set_version')}"
    if own != training_set.label:
        raise ConfigError(
            f"run '{run_id}' was trained on {own}, and may have seen test images of {training_set.label}; choose "
            "its own set with --training_set and --version"
        )
    return run


def score(settings: EvaluateSettings, training_set: TrainingSet, tracker: Tracker, run: Run) -> Scored:
    """Append the predictions that are missing; commits hold whole rows, so a kill loses only unfinished ones.

    Raises NonFiniteLogit, LockHeld, and the loader's errors.
    """
    with table_lock(settings.root, PREDICTIONS.name):
        examples = _examples(settings.root, training_set)
        done = frozenset(predictions(settings.root, training_set, run)["image_id"]) & examples.keys()
        missing = len(examples) - len(done)
        if missing:
            model, size = load_detector(tracker, run, settings.device)
            loading = Loading(
                settings.batch_size, workers=settings.workers, deadline_seconds=settings.deadline_seconds
            )
            split = open_split(settings.root, training_set.table, training_set.rows_version, SPLIT)
            images = batches(split, TestTransform(size), loading, skip=done)
            for part in _parts(images, _ROWS_A_COMMIT):
                rows = _rows(model, part, examples, run, training_set)
                snapshot.append(settings.root, PREDICTIONS, rows)
        return Scored(len(examples), missing)


def predictions(root: str, training_set: TrainingSet, run: Run) -> pl.DataFrame:
    """Return a run's predictions of the untransformed test images, sorted by image."""
    snapshot.create(root, PREDICTIONS)
    wanted = (
        (pl.col("run_id") == run.run_id)
        & (pl.col("collection") == collection(training_set))
        & (pl.col("transform") == UNTRANSFORMED)
    )
    return snapshot.scan(root, PREDICTIONS).filter(wanted).sort("image_id").collect()


def load_detector(tracker: Tracker, run: Run, device: str) -> tuple[torch.nn.Module, int]:
    """Return a run's detector on the device, and the side of its input. Raises NothingUsable, WeightsMismatch."""
    config = json.loads(tracker.artifact(run, MODEL_CONFIG).read_text(encoding="utf-8"))
    size = config["input_size"]
    model = detectors.build(config["detector"], weights=str(tracker.artifact(run, MODEL)), size=size)
    chosen = detectors.device(device)
    leave_a_core_to_the_loader(chosen)
    return model.to(chosen), size


def _examples(root: str, training_set: TrainingSet) -> dict[str, dict[str, Any]]:
    """Return label, generator and real source of each test image by its id."""
    rows = snapshot.scan(root, training_set.table, training_set.rows_version).filter(pl.col("split") == SPLIT)
    columns = rows.select("image_id", "label", "generator_id", "real_source").collect()
    return {row["image_id"]: row for row in columns.iter_rows(named=True)}


def _parts(images: Iterator[Batch], rows: int) -> Iterator[list[Batch]]:
    part: list[Batch] = []
    for batch in images:
        part.append(batch)
        if sum(len(held.image_ids) for held in part) >= rows:
            yield part
            part = []
    if part:
        yield part


def _rows(
    model: torch.nn.Module,
    part: list[Batch],
    examples: dict[str, dict[str, Any]],
    run: Run,
    training_set: TrainingSet,
) -> list[dict[str, Any]]:
    ids, _, logits = predict(model, part)
    if not np.isfinite(logits).all():
        first = ids[int(np.flatnonzero(~np.isfinite(logits))[0])]
        raise NonFiniteLogit(
            f"run '{run.run_id}' scores image {first} as NaN or infinite; train the detector again"
        )
    shared = {
        "run_id": run.run_id,
        "transform": UNTRANSFORMED,
        "collection": collection(training_set),
        "scored_at": datetime.now(UTC),
    }
    return [{**examples[image], **shared, "logit": float(logit)} for image, logit in zip(ids, logits, strict=True)]
