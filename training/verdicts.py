"""Verdicts on images from anywhere: a detector's logit, read at an operating point whose error rate is stated.

The files are strangers': each is decoded in a child process first, as at ingest, and refused with ingest's codes.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from etl.errors import ConfigError, NothingUsable
from etl.images.decoder import shared_decoder
from etl.images.decoding import Code, Refused
from etl.images.sources.entry import SUFFIXES, attempt, files_under, printable
from training import evaluation, inference, occlusion, scoring, sets, targets, trained
from training.judging_settings import ScoreSettings
from training.operating_points import BALANCED, ZERO, Point
from training.scoring import UNTRANSFORMED
from training.tracking import Tracker

COLUMNS = (
    "source", "verdict", "probability", "logit", "operating_point", "threshold", "stated_fpr", "fpr_low",
    "fpr_high", "model", "run_id", "weights", "image_id", "code", "detail",
)  # fmt: skip
MAPPED = ("seen", "heat_map")
"""Columns that --heat_map adds: the square that the detector saw (PNG in base64), and rows of cells of it."""
_LAKE = "lake:"
Row = dict[str, Any]


@dataclass(frozen=True)
class Judge:
    """A detector and how its logits are read."""

    model: torch.nn.Module
    size: int
    name: str
    """NAME@VERSION as registered, or folder"""
    run_id: str | None
    weights: str
    """First digits of the SHA-256 of its weights"""
    point: Point
    spared: Point | None = None
    """Below this point an image is called real; between it and `point` the judge abstains"""

    def verdict(self, logit: float) -> str:
        if logit > self.point.threshold:
            return "fake"
        return "real" if self.spared is None or logit <= self.spared.threshold else "abstain"


def judge(settings: ScoreSettings) -> Judge:
    """Load the detector that the settings name.

    Raises NothingUsable, LakeMissing, ConfigError, WeightsMismatch, HubUnreachable.
    """
    if settings.model:
        chosen = trained.find(settings.root, settings.model)
    else:
        chosen = _newest(settings.root, settings.training_set)
    points = evaluation.points_of(settings.root, chosen.run_id) if chosen.run_id else {}
    points[ZERO] = Point(ZERO, 0.0)
    asked = settings.operating_point or (BALANCED if BALANCED in points else ZERO)
    if missing := [point for point in (asked, settings.abstain) if point and point not in points]:
        raise ConfigError(
            f"{chosen.name} has no operating point {', '.join(missing)} (known: {', '.join(points)}); they are "
            "fixed on the run's validation images, where those are enough to tell the rate"
        )
    model, size = chosen.load(settings.device)
    band = points[settings.abstain] if settings.abstain else None
    return Judge(model, size, chosen.name, chosen.run_id, chosen.checksum[:12], points[asked], band)


def _newest(root: str, training_set: str) -> trained.Trained:
    """Return the detector that was last trained on a training set."""
    tracker = Tracker(root)
    try:
        found = sets.find(root, training_set)
    except NothingUsable:
        raise NothingUsable(
            f"there is no training set '{training_set}' whose newest detector could score; name a detector with "
            "--model, or a training set with --training_set"
        ) from None
    return trained.of_run(tracker, tracker.newest_finished(found.name, found.version))


def score(judge: Judge, settings: ScoreSettings, paths: Sequence[str]) -> Iterator[list[Row]]:
    """Yield rows of COLUMNS, those of a batch at a time, the refused last. Raises NothingUsable for no image."""
    refused: list[Row] = []
    images = _sound(_found(settings.root, paths), refused)
    transform = scoring.transform_of(UNTRANSFORMED, judge.size)
    any_row = False
    for batch in inference.batches(
        images, transform, settings.batch_size, settings.workers, settings.deadline_seconds
    ):
        keys, logits = scoring.finite_logits(judge.model, [batch], judge.name)
        any_row = True
        rows = [_row(judge, key, logit) for key, logit in zip(keys, logits, strict=True)]
        if settings.heat_map:
            for row, square in zip(rows, batch.images, strict=True):
                row |= occlusion.seen_and_map(judge.model, square, settings.heat_map)
        yield rows
    if refused:
        yield refused
    elif not any_row:
        raise NothingUsable(f"there is no image in {', '.join(paths)} (suffixes: {', '.join(SUFFIXES)})")


def _row(judge: Judge, key: str, logit: float) -> Row:
    image_id, source = key.split(" ", 1)
    probability = float(torch.sigmoid(torch.tensor(logit, dtype=torch.float64)))
    point = judge.point
    return {
        "source": source, "verdict": judge.verdict(logit), "probability": probability, "logit": logit,
        "operating_point": point.name, "threshold": point.threshold, "stated_fpr": point.fpr,
        "fpr_low": point.fpr_low, "fpr_high": point.fpr_high, "model": judge.name, "run_id": judge.run_id,
        "weights": judge.weights, "image_id": image_id, "code": None, "detail": None,
    }  # fmt: skip


def _found(root: str, paths: Sequence[str]) -> Iterator[tuple[str, bytes | Refused]]:
    """Yield each image's name and bytes: a file that is named is tried whatever its suffix."""
    for path in paths:
        if path.startswith(_LAKE):
            target = targets.find(root, path.removeprefix(_LAKE))
            images = targets.encoded(root, target.table, target.version, target.examples["image_id"])
            yield from ((f"{path}/{image_id}", data) for image_id, data in images)
        elif Path(path).is_dir():
            try:
                yield from (
                    (printable(str(file)), attempt(str(file))) for file in files_under(Path(path), SUFFIXES)
                )
            except NothingUsable as error:
                yield printable(path), Refused(Code.UNREADABLE, str(error))
        else:
            yield printable(path), attempt(path)


def _sound(found: Iterator[tuple[str, bytes | Refused]], refused: list[Row]) -> Iterator[tuple[str, bytes]]:
    """Yield the images that decode, by SHA-256 and name; add a row to `refused` for each of the others."""
    for source, data in found:
        try:
            if isinstance(data, Refused):
                raise data
            shared_decoder().inspect(data)
        except Refused as refusal:
            refused.append({"source": source, "code": refusal.code.value, "detail": refusal.detail})
            continue
        yield f"{hashlib.sha256(data).hexdigest()} {source}", data
