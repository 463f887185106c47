"""Training sets as batches, through Petastorm: every row of a split exactly once an epoch, in a planned order.

An epoch is planned before it is read (`training.plan`): who reads which row groups, in which order, in batches of
which sizes. Its rows are counted against the plan, and every wait has a deadline.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice, repeat
from multiprocessing import get_context
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa  # (before torch: loaded after it, Arrow has crashed)
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, IterableDataset, default_collate, get_worker_info

from etl.errors import ForensicsError, TableDamaged
from etl.lake import storage
from training.decoding import RAW, decode, raw_pixels
from training.errors import BadLabel, RowsLost, TransformFailed, UndecodableImage, WorkerDied, WrongSize
from training.plan import shares, taken
from training.reader import PlannedReader
from training.splits import Split
from training.watchdog import leave_with_parent, with_deadline

Transform = Callable[[Any, str], NDArray[np.uint8]]
"""Makes a detector's input of decoded pixels [H, W, 3] (or an image of Pillow) and the image's id."""


class Batch(NamedTuple):
    """Decoded, transformed images: uint8 [B, S, S, 3], labels float32 [B] (1 fake, 0 real)."""

    image_ids: list[str]
    images: torch.Tensor
    labels: torch.Tensor


@dataclass(frozen=True)
class Loading:
    """How a split is read: all that fixes the order and the batches, except the epoch."""

    batch_size: int = 32
    seed: int = 0
    workers: int = 0
    rank: int = 0
    world: int = 1
    deadline_seconds: float = 300.0
    equal_steps: bool = False
    """Whether all ranks take equally many batches, as processes that train together must"""
    cache_bytes: int = 0
    """What is kept on this machine of row groups in an object store, to read them again in the next epoch"""


def batches(
    split: Split,
    transform: Transform,
    loading: Loading,
    epoch: int = 0,
    skip: frozenset[str] = frozenset(),
    start: int = 0,
) -> Iterator[Batch]:
    """Yield this rank's batches of one epoch, without the images in `skip` (which must belong to the split).

    `start` batches are left out as if they had been taken: row groups that lie before them are not read, images
    before them not decoded, and what follows is the same to the pixel. It does not go together with `skip`.
    Raises RowsLost when other than the planned number of rows came, LoaderStalled, WorkerDied, TableDamaged,
    UndecodableImage, TransformFailed, BadLabel, WrongSize, TooFewRows.
    """
    dataset = _Epoch(split, transform, loading, epoch, skip, start)
    context = None
    if loading.workers:
        # Forked from a clean server: a fork of this process would copy the locks of its threads.
        context = get_context("forkserver")
        context.set_forkserver_preload(["training.data", "training.augmentations"])
    loader = DataLoader(
        dataset,
        batch_size=None,
        num_workers=loading.workers,
        multiprocessing_context=context,
        worker_init_fn=leave_with_parent,
    )
    came = 0
    try:
        for item in with_deadline(loader, loading.deadline_seconds):
            if isinstance(item, ForensicsError):
                raise item
            came += len(item.image_ids)
            yield item
    except RuntimeError as error:
        if "DataLoader worker (pid" not in str(error):
            raise
        raise WorkerDied(
            f"a process that reads the split '{split.name}' ended ({str(error).splitlines()[0][:200]}); if memory "
            "was short, try fewer --workers"
        ) from error
    planned = dataset.rows_to_come() - len(skip)
    if came != planned:
        raise RowsLost(f"epoch {epoch} of the split '{split.name}' gave {came} rows instead of {planned}")


class _Epoch(IterableDataset):
    """One epoch of one rank; torch copies it into each of its workers, which share the row groups.

    An error of ours comes out as the last item, since torch would wrap it into the text of a traceback.
    """

    def __init__(
        self, split: Split, transform: Transform, loading: Loading, epoch: int, skip: frozenset[str], start: int
    ):
        self.split, self.transform, self.loading, self.epoch, self.skip = split, transform, loading, epoch, skip
        rows = [group.rows for group in split.groups]
        workers = max(1, loading.workers)
        self._shares = shares(
            rows,
            loading.seed,
            epoch,
            loading.rank,
            loading.world,
            workers,
            loading.batch_size,
            loading.equal_steps,
        )
        self._taken, self._turn = taken([len(share.sizes) for share in self._shares], start)

    def rows_to_come(self) -> int:
        return sum(sum(share.sizes[given:]) for share, given in zip(self._shares, self._taken, strict=True))

    def __iter__(self) -> Iterator[Batch | ForensicsError]:
        try:
            yield from self._batches()
        except ForensicsError as error:
            yield error

    def _batches(self) -> Iterator[Batch]:
        info = get_worker_info()
        worker = ((info.id if info else 0) + self._turn) % len(self._shares)
        groups, sizes = self._shares[worker]
        given = self._taken[worker]
        rows = self._rows(groups, first=sum(sizes[:given]))
        # With images to skip nothing is known beforehand of the sizes.
        for size in repeat(self.loading.batch_size) if self.skip else sizes[given:]:
            if not (waiting := list(islice(rows, size))):
                return
            yield _batch(waiting)
        for _ in rows:
            raise RowsLost(f"the split '{self.split.name}' gave more rows than its row groups hold")

    def _rows(self, groups: list[int], first: int) -> Iterator[tuple[str, NDArray[np.uint8], int]]:
        """Yield the rows of these row groups from the `first` on; those that end before it are not read."""
        while groups and first >= self.split.groups[groups[0]].rows:
            first -= self.split.groups[groups[0]].rows
            groups = groups[1:]
        for number, rows in self._read(groups):
            for row in self._order(number, rows)[first:]:
                image_id, label = str(rows.image_id[row]), rows.label[row]
                if label not in (0, 1):
                    raise BadLabel(f"image {image_id} has the label {label}; labels are 0 (real) and 1 (fake)")
                yield image_id, self._transformed(rows, row, image_id), int(label)
            first = 0

    def _read(self, groups: list[int]) -> Iterator[tuple[int, Any]]:
        if not groups:
            return
        try:
            planned = [self.split.groups[number] for number in groups]
            with PlannedReader(planned, cache_bytes=self.loading.cache_bytes) as reader:
                yield from zip(groups, reader, strict=True)
        except Exception as error:
            if named := storage.failure(self.split.groups[groups[0]].file, error):
                raise named from None
            if not isinstance(error, OSError | pa.ArrowException | KeyError):
                raise
            raise TableDamaged(
                f"a file of the split '{self.split.name}' cannot be read ({' '.join(str(error).split())[:300]}); "
                "look at the disk, or build the training set again"
            ) from error

    def _transformed(self, rows: Any, row: int, image_id: str) -> NDArray[np.uint8]:
        data = rows.bytes[row]
        if not data.is_valid:
            raise UndecodableImage(f"image {image_id} has no bytes")
        if rows.format[row] == RAW:
            height, width = (int(edge) if edge > 0 else 0 for edge in (rows.height[row], rows.width[row]))
            pixels = raw_pixels(memoryview(data.as_buffer()), height, width, image_id)
            self._require_size(pixels, image_id)
        else:
            pixels = decode(data.as_py(), image_id)
        try:
            return self.transform(pixels, image_id)
        except (Exception, SystemExit) as error:
            # An exit would end a worker process without a word.
            raise TransformFailed(f"image {image_id} cannot be transformed: {error!r}") from error

    def _require_size(self, pixels: NDArray[np.uint8], image_id: str) -> None:
        """Refuse to resize a second time what was stored for detectors of another input size."""
        wanted, edge = getattr(self.transform, "edge", None), min(pixels.shape[:2])
        if wanted not in (None, edge):
            raise WrongSize(
                f"image {image_id} is stored with a shorter edge of {edge} pixels and the detector needs "
                f"{wanted}: build the set with --rows_size {wanted}, or without --rows"
            )

    def _order(self, number: int, rows: Any) -> list[int]:
        """Return the split's rows of one row group, shuffled: it has the same members in every epoch."""
        mine = np.flatnonzero(rows.split == self.split.name)
        if len(mine) != self.split.groups[number].rows:
            raise RowsLost(f"{self.split.groups[number]} gave {len(mine)} rows of the split '{self.split.name}'")
        shuffled = np.random.default_rng([self.loading.seed, self.epoch, number]).permutation(mine)
        return [int(row) for row in shuffled if rows.image_id[row] not in self.skip]


def _batch(rows: list[tuple[str, NDArray[np.uint8], int]]) -> Batch:
    """Collate as torch does: in one of its workers straight into memory that the processes share."""
    ids, images, labels = zip(*rows, strict=True)
    stacked = default_collate([torch.from_numpy(np.require(image, requirements=["W"])) for image in images])
    return Batch(list(ids), stacked, torch.tensor(labels, dtype=torch.float32))
