"""Scoring: a finished detector's logits of the images of a target, into the table `predictions`.

An image that the run has scored, in this collection and under this transform, is not scored again; when none is
left the detector is not even loaded.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import torch

from etl.errors import ConfigError
from etl.lake import snapshot
from etl.lake.lock import table_lock
from etl.lake.schemas import PREDICTIONS
from training import inference, trained
from training.augmentations import TestTransform
from training.data import Batch, Loading, Transform, batches
from training.errors import NonFiniteLogit, RowsLost
from training.judging_settings import EvaluateSettings
from training.loop import predict
from training.sets import TrainingSet
from training.splits import open_split
from training.targets import Target, encoded
from training.tracking import Run, Tracker

UNTRANSFORMED = "none"
_ROWS_A_COMMIT = 20_000
_PATIENCE = 60.0
"""Seconds to wait while another run is scored: two trainings may end at once."""


class Scored(NamedTuple):
    """How many scores a target needs, and how many of them were made now."""

    total: int
    fresh: int


def choose_run(tracker: Tracker, training_set: TrainingSet, run_id: str | None) -> Run:
    """Return the run to judge on a training set's own images: the given one, or the newest finished one.

    Raises NothingUsable, and ConfigError for a run of another training set: between the sets neither near
    duplicates nor generators are kept apart.
    """
    if run_id is None:
        return tracker.newest_finished(training_set.name, training_set.version)
    run = tracker.finished_run(run_id)
    if set_of(run) != training_set.label:
        raise ConfigError(
            f"run '{run_id}' was trained on {set_of(run)}, and may have seen test images of {training_set.label}; "
            "choose its own set with --training_set and --version, or say by --collection that you mean it"
        )
    return run


def set_of(run: Run) -> str:
    """Return the training set of a run, as NAME@VERSION."""
    return f"{run.tags.get('training_set')}@{run.tags.get('training_set_version')}"


def score(
    settings: EvaluateSettings, target: Target, tracker: Tracker, run: Run, transforms: Sequence[str] = ()
) -> Scored:
    """Append the predictions that are missing; commits hold whole rows, so a kill loses only unfinished ones.

    Raises NonFiniteLogit, LockHeld, ConfigError for an unknown transform, and the loader's errors.
    """
    names = [UNTRANSFORMED, *transforms]
    with table_lock(settings.root, PREDICTIONS.name, wait_seconds=_PATIENCE):
        examples = {row["image_id"]: row for row in target.examples.iter_rows(named=True)}
        done = {
            name: frozenset(predictions(settings.root, target, run.run_id, name)["image_id"]) for name in names
        }
        missing = sum(len(examples) - len(ids) for ids in done.values())
        if missing:
            model, size = trained.of_run(tracker, run).load(settings.device)
        for name in names:
            if len(done[name]) == len(examples):
                continue
            for part in _parts(_batches(settings, target, transform_of(name, size), done[name]), _ROWS_A_COMMIT):
                ids, logits = finite_logits(model, part, f"run '{run.run_id}'")
                append(settings.root, run.run_id, target.name, name, examples, dict(zip(ids, logits, strict=True)))
    return Scored(len(examples) * len(names), missing)


def append(
    root: str,
    run_id: str,
    collection: str,
    transform: str,
    examples: Mapping[str, Mapping[str, Any]],
    logits: Mapping[str, float],
) -> None:
    """Append predictions by image id; those that are there stay."""
    shared = {
        "run_id": run_id,
        "transform": transform,
        "collection": collection,
        "scored_at": datetime.now(UTC),
    }
    rows = [{**examples[image], **shared, "logit": float(logit)} for image, logit in logits.items()]
    snapshot.append(root, PREDICTIONS, rows)


def predictions(root: str, target: Target, run_id: str, transform: str = UNTRANSFORMED) -> pl.DataFrame:
    """Return a run's predictions of the target's images, sorted by image. Raises TableOutdated."""
    snapshot.create(root, PREDICTIONS)
    snapshot.require_columns(root, PREDICTIONS)
    wanted = (
        (pl.col("run_id") == run_id) & (pl.col("collection") == target.name) & (pl.col("transform") == transform)
    )
    found = snapshot.scan(root, PREDICTIONS).filter(wanted).collect()
    return found.join(target.examples.select("image_id"), on="image_id", how="semi").sort("image_id")


def all_predictions(root: str, target: Target, run_id: str, transform: str = UNTRANSFORMED) -> pl.DataFrame:
    """Return the predictions of every image of the target. Raises RowsLost where some are missing."""
    found = predictions(root, target, run_id, transform)
    if found.height != target.examples.height:
        raise RowsLost(
            f"of {target.examples.height} images of {target.name} under '{transform}', {found.height} have a "
            f"prediction of run '{run_id}'; run `forensics evaluate` for it"
        )
    return found


def transform_of(name: str, size: int) -> Transform:
    """Return how images become a detector's input, after the degradation called `name`. Raises ConfigError."""
    plain = TestTransform(size)
    if name == UNTRANSFORMED:
        return plain
    from training.degraded import degraded

    return degraded(name, plain)


def finite_logits(model: torch.nn.Module, part: list[Batch], who: str) -> tuple[list[str], list[float]]:
    """Return ids and logits. Raises NonFiniteLogit: no metric can rank it."""
    ids, _, logits = predict(model, part)
    if not np.isfinite(logits).all():
        first = ids[int(np.flatnonzero(~np.isfinite(logits))[0])]
        raise NonFiniteLogit(f"{who} scores image {first} as NaN or infinite; train the detector again")
    return ids, logits.tolist()


def _batches(
    settings: EvaluateSettings, target: Target, transform: Transform, done: frozenset[str]
) -> Iterator[Batch]:
    if target.training_set is None:
        ids = set(target.examples["image_id"]) - done
        images = encoded(settings.root, target.table, target.version, ids)
        threads = settings.workers
        return inference.batches(images, transform, settings.batch_size, threads, settings.deadline_seconds)
    loading = Loading(settings.batch_size, workers=settings.workers, deadline_seconds=settings.deadline_seconds)
    split = open_split(settings.root, target.table, target.version, target.split)
    return batches(split, transform, loading, skip=done | target.left_out)


def _parts(images: Iterator[Batch], rows: int) -> Iterator[list[Batch]]:
    part: list[Batch] = []
    for batch in images:
        part.append(batch)
        if sum(len(held.image_ids) for held in part) >= rows:
            yield part
            part = []
    if part:
        yield part
