"""Training sets as batches, through Petastorm: every row of a split exactly once an epoch, in a planned order.

The only importer of Petastorm. Its thread pool loses rows when row groups are read fast, its order with more
than one worker is not repeatable, and every epoch of one reader has the same order. So a reader lives for one
epoch, takes our list of row groups, and reads them in this process (or in one of torch's workers); rows are
counted. Petastorm does not read Delta's log either: it gets the live files of the pinned version.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, NamedTuple

import numpy as np
import pyarrow  # noqa: F401  (before torch: loaded after it, Arrow has crashed)
import torch
from numpy.typing import NDArray
from petastorm.arrow_reader_worker import ArrowReaderWorker
from petastorm.fs_utils import FilesystemResolver
from petastorm.reader import Reader
from petastorm.workers_pool.dummy_pool import DummyPool
from petastorm.workers_pool.ventilator import Ventilator
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from etl.errors import ForensicsError
from training.decoding import decode
from training.errors import BadLabel, RowsLost
from training.splits import RowGroup, Split, local_path
from training.watchdog import with_deadline

# Petastorm uses what pyarrow 14, the newest that it works with, deprecates.
warnings.filterwarnings("ignore", category=FutureWarning, module="petastorm")

COLUMNS = ("image_id", "bytes", "label", "split")

Transform = Callable[[Image.Image, str], NDArray[np.uint8]]


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


def plan_row_groups(
    n: int, seed: int, epoch: int, rank: int = 0, world: int = 1, worker: int = 0, workers: int = 1
) -> list[int]:
    """Return which of `n` row groups this worker of this rank reads in this epoch, in order.

    Over all workers and ranks every row group comes once; the order is a function of (seed, epoch) alone.
    """
    order = np.random.default_rng([seed, epoch]).permutation(n)
    return [int(group) for group in order[rank * workers + worker :: world * workers]]


def batches(
    split: Split, transform: Transform, loading: Loading, epoch: int = 0, skip: frozenset[str] = frozenset()
) -> Iterator[Batch]:
    """Yield this rank's batches of one epoch, without the images in `skip` (which must belong to the split).

    Raises RowsLost when other than the planned number of rows came, LoaderStalled, UndecodableImage, BadLabel.
    """
    dataset = _Epoch(split, transform, loading, epoch, skip)
    context = None
    if loading.workers:
        # Forked from a clean server: a fork of this process would copy the locks of its threads.
        context = get_context("forkserver")
        context.set_forkserver_preload(["training.data"])
    loader = DataLoader(dataset, batch_size=None, num_workers=loading.workers, multiprocessing_context=context)
    came = 0
    for item in with_deadline(loader, loading.deadline_seconds):
        if isinstance(item, ForensicsError):
            raise item
        came += len(item.image_ids)
        yield item
    planned = sum(split.groups[group].rows for group in dataset.shard()) - len(skip)
    if came != planned:
        raise RowsLost(f"epoch {epoch} of the split '{split.name}' gave {came} rows instead of {planned}")


class PlannedReader(Reader):
    """A Petastorm reader of exactly the given row groups, in their order, in the calling thread."""

    def __init__(self, groups: Sequence[RowGroup], columns: Sequence[str] = COLUMNS):
        files = sorted({group.file for group in groups})
        self._planned = [(local_path(group.file), group.number) for group in groups]
        super().__init__(
            FilesystemResolver(files[0]).filesystem(),
            [local_path(file) for file in files],
            schema_fields=[f"^{column}$" for column in columns],
            reader_pool=DummyPool(),
            worker_class=ArrowReaderWorker,
            is_batched_reader=True,
            shuffle_row_groups=False,
            num_epochs=1,
        )

    def cleanup_cache(self) -> None:
        """Nothing is cached; Petastorm's own would print a line an epoch."""

    def _filter_row_groups(self, dataset: Any, row_groups: Any, *_: Any) -> tuple[list[int], None]:
        found = {(piece.path, piece.row_group): number for number, piece in enumerate(row_groups)}
        return [found[planned] for planned in self._planned], None

    def _create_ventilator(self, row_group_indexes: list[int], *_: Any) -> "_AllAtOnce":
        whole = (0, 1)
        items = [
            {"piece_index": index, "worker_predicate": None, "shuffle_row_drop_partition": whole}
            for index in row_group_indexes
        ]
        return _AllAtOnce(self._workers_pool.ventilate, items)


class _AllAtOnce(Ventilator):
    """Queues all row groups (their indexes) at the start; the pool reads one when a result is asked for.

    Petastorm's own ventilator queues them from a thread. Its last row group may be read before the thread notes
    that it was the last; the in-process pool then waits for another one for ever.
    """

    def __init__(self, ventilate: Callable[..., None], items: list[dict[str, Any]]):
        super().__init__(ventilate)
        self._items = items

    def start(self) -> None:
        for item in self._items:
            self._ventilate_fn(**item)

    def processed_item(self) -> None:
        """Nothing waits for free places in the queue."""

    def completed(self) -> bool:
        return True

    def stop(self) -> None:
        """No thread to stop."""


class _Epoch(IterableDataset):
    """One epoch of one rank; torch copies it into each of its workers, which share the row groups.

    An error of ours comes out as the last item, since torch would wrap it into the text of a traceback.
    """

    def __init__(self, split: Split, transform: Transform, loading: Loading, epoch: int, skip: frozenset[str]):
        self.split, self.transform, self.loading, self.epoch, self.skip = split, transform, loading, epoch, skip

    def shard(self, worker: int = 0, workers: int = 1) -> list[int]:
        loading = self.loading
        return plan_row_groups(
            len(self.split.groups), loading.seed, self.epoch, loading.rank, loading.world, worker, workers
        )

    def __iter__(self) -> Iterator[Batch | ForensicsError]:
        try:
            yield from self._batches()
        except ForensicsError as error:
            yield error

    def _batches(self) -> Iterator[Batch]:
        waiting: list[tuple[str, NDArray[np.uint8], int]] = []
        for row in self._rows():
            waiting.append(row)
            if len(waiting) == self.loading.batch_size:
                yield _batch(waiting)
                waiting = []
        if waiting:
            yield _batch(waiting)

    def _rows(self) -> Iterator[tuple[str, NDArray[np.uint8], int]]:
        info = get_worker_info()
        plan = self.shard(info.id, info.num_workers) if info else self.shard()
        if not plan:
            return
        with PlannedReader([self.split.groups[number] for number in plan]) as reader:
            for number, rows in zip(plan, reader, strict=True):
                for row in self._order(number, rows):
                    image_id, label = str(rows.image_id[row]), rows.label[row]
                    if label not in (0, 1):
                        raise BadLabel(f"image {image_id} has the label {label}; labels are 0 (real) and 1 (fake)")
                    yield image_id, self.transform(decode(rows.bytes[row], image_id), image_id), int(label)

    def _order(self, number: int, rows: Any) -> list[int]:
        """Return the split's rows of one row group, shuffled: it has the same members in every epoch."""
        mine = np.flatnonzero(rows.split == self.split.name)
        if len(mine) != self.split.groups[number].rows:
            raise RowsLost(f"{self.split.groups[number]} gave {len(mine)} rows of the split '{self.split.name}'")
        shuffled = np.random.default_rng([self.loading.seed, self.epoch, number]).permutation(mine)
        return [int(row) for row in shuffled if rows.image_id[row] not in self.skip]


def _batch(rows: list[tuple[str, NDArray[np.uint8], int]]) -> Batch:
    ids, images, labels = zip(*rows, strict=True)
    return Batch(list(ids), torch.from_numpy(np.stack(images)), torch.tensor(labels, dtype=torch.float32))
