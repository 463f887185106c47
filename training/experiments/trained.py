"""Cells whose detector is trained by the project's loop: the training set's rows, the epochs, the scores.

The rows are written, with bytes, to a scratch table under `<root>/.experiments/<experiment>/cells` that the
planned loader reads, and go when the cell is done; checkpoints lie beside them, so that a killed cell goes on
within a few steps or an epoch. At full scale it is the same: a cell a GPU, by `forensics experiment --cell`.
"""

import hashlib
import shutil
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from etl.lake import snapshot
from etl.lake.schemas import IMAGES, Table, training_rows
from etl.lake.storage import workplace
from training import checkpoint, detectors, inference, loop, targets
from training.data import Batch, Loading, batches
from training.errors import NonFiniteLogit
from training.experiments import judging
from training.experiments.cells import Cell, Chosen
from training.experiments.planning import Plan
from training.experiments.processing import Processed
from training.experiments.work import Result
from training.settings import TrainSettings
from training.splits import open_split

Row = dict[str, Any]
ROWS = training_rows("cell")
CHECKPOINT = "checkpoint.safetensors"
_ROWS_A_GROUP = 128
_ROWS_A_CHUNK = 4096


@dataclass(frozen=True)
class _At:
    """The processing at one epoch: each repeats an image with other random numbers."""

    processed: Processed
    epoch: int

    def __call__(self, pixels: NDArray[np.uint8], image_id: str) -> NDArray[np.uint8]:
        return self.processed(pixels, image_id, self.epoch)


def settings_of(plan: Plan, cell: Cell) -> TrainSettings:
    """Return the settings by which a cell's detector is trained: the learner's, with the cell's seed and size."""
    arm = plan.settings.design.arms[cell.arm]
    size = (arm.processing or plan.settings.design.processing).size
    name = plan.settings.design.detector(cell.detector)
    keys = {"input_size": size, "seed": cell.seed, "device": plan.settings.device, "register": None}
    given = plan.settings.design.detectors[cell.detector].train
    return TrainSettings(**{**keys, **given, "detector": name, "root": plan.settings.root})


def run(plan: Plan, chosen: Chosen, cell: Cell) -> Result:
    """Train and judge one cell; what fails is said in the result."""
    started = time.monotonic()
    settings = plan.settings
    work = workplace(settings.root) / ".experiments" / settings.name / "cells" / plan.hashes[cell.id]
    try:
        result = _trained(plan, chosen, cell, work)
        shutil.rmtree(work, ignore_errors=True)
    except Exception as error:  # the one broad catch of a cell: others go on
        result = Result(cell, failure=f"{type(error).__name__}: {' '.join(str(error).split())[:500]}")
    result.seconds = time.monotonic() - started
    return result


def _trained(plan: Plan, chosen: Chosen, cell: Cell, work: Path) -> Result:
    settings, design = settings_of(plan, cell), plan.settings.design
    _write_rows(plan, chosen, work)
    split = open_split(str(work), ROWS, snapshot.current_version(str(work), ROWS), "train")
    device = detectors.device(settings.device)
    processing = design.arms[cell.arm].processing or design.processing
    size = detectors.input_size(settings.detector, processing.size)
    model = detectors.build(settings.detector, settings.seed, settings.weights, size, settings.freeze_backbone)
    trainee = loop.new_trainee(model.to(device), settings)
    checkpoint.restore(work / CHECKPOINT, trainee)
    loading = Loading(settings.batch_size, settings.seed, settings.workers, equal_steps=True)

    def training(epoch: int, first: int) -> Iterator[Batch]:
        return batches(split, _At(Processed(processing, cell.seed), epoch), loading, epoch, start=first)

    for _ in loop.fit(trainee, settings, split.rows, training, lambda: []):
        checkpoint.save(work / CHECKPOINT, trainee)
    result = Result(cell)
    for name, test in chosen.tests.items():
        transform = Processed(design.tests[name].processing or design.testing, cell.seed)
        ids = plan.candidates.ids(test.positions)
        images = targets.encoded(plan.settings.root, IMAGES, plan.versions[IMAGES.name], ids)
        came = inference.batches(images, transform, settings.batch_size, 1, settings.deadline_seconds)
        names, _, logits = loop.predict(trainee.model, came, settings.precision)
        if not np.isfinite(logits).all():
            raise NonFiniteLogit(f"{cell.id} scored an image with NaN or infinity")
        scored = dict(zip(names, logits.tolist(), strict=True))
        result.scores[name] = np.array([scored[image_id] for image_id in ids])
        result.units[name] = judging.by_unit(result.scores[name], test.units)
    return result


def _write_rows(plan: Plan, chosen: Chosen, work: Path) -> None:
    """Write the training set's rows, in an order that its ids decide, unless all are there."""
    table: Table = ROWS
    candidates, learnt = plan.candidates, chosen.learnt
    fakes = set(candidates.ids(learnt.fakes))
    times: dict[str, int] = {}
    for image_id in candidates.ids(learnt.positions):
        times[image_id] = times.get(image_id, 0) + 1
    total = sum(times.values())
    if snapshot.exists(str(work), table):
        if snapshot.read(str(work), table, columns=["image_id"]).height == total:
            return
        shutil.rmtree(work)
    ids = sorted(times, key=lambda image_id: hashlib.sha256(f"{image_id}/{chosen.deal.seed}".encode()).digest())
    position = {image_id: at for at, image_id in enumerate(ids)}
    encoded = targets.encoded(plan.settings.root, IMAGES, plan.versions[IMAGES.name], ids)
    rows = (
        {
            "image_id": image_id if number == 0 else f"{image_id}#{number}",
            "bytes": data,
            "label": int(image_id in fakes),
            "split": "train",
            "position": position[image_id],
        }
        for image_id, data in encoded
        for number in range(times[image_id])
    )
    snapshot.write_chunks(str(work), table, _shuffled(rows, work / "spilt"), _ROWS_A_GROUP)


def _shuffled(rows: Iterable[Row], spilt: Path) -> Iterator[list[Row]]:
    """Yield rows in the order of their positions, a chunk at a time, in the memory of about two chunks.

    The lake has images generator by generator, and a batch must have of many: each chunk's rows are collected in
    files as they come.
    """
    waiting: dict[int, list[Row]] = defaultdict(list)
    held = 0
    for row in rows:
        waiting[row["position"] // _ROWS_A_CHUNK].append(row)
        held += 1
        if held > _ROWS_A_CHUNK:
            for chunk, some in waiting.items():
                (spilt / str(chunk)).mkdir(parents=True, exist_ok=True)
                count = len(list((spilt / str(chunk)).iterdir()))
                pl.DataFrame(some).write_parquet(
                    spilt / str(chunk) / f"{count}.parquet", compression="uncompressed"
                )
            waiting, held = defaultdict(list), 0
    chunks = {int(folder.name) for folder in spilt.iterdir()} if spilt.exists() else set()
    for chunk in sorted(chunks | set(waiting)):
        files = sorted((spilt / str(chunk)).iterdir()) if chunk in chunks else []
        found = [row for file in files for row in pl.read_parquet(file).to_dicts()] + waiting.get(chunk, [])
        yield sorted(found, key=lambda row: (row["position"], row["image_id"]))
    shutil.rmtree(spilt, ignore_errors=True)
