"""Petastorm, which reads the row groups of a table's live files; the only module that imports it.

Its thread pool loses rows when row groups are read fast, its order with more than one worker is not repeatable,
and every epoch of one reader has the same order. So a reader lives for one epoch, takes our list of row groups,
and reads them in this process (or in one of torch's workers). Petastorm does not read Delta's log either: it gets
the live files of the pinned version. And of a row group it makes Python objects at once, which costs as much as
reading it: here the bytes stay in Arrow's memory until one image's are asked for.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow  # (before torch, which Petastorm may load: loaded after it, Arrow has crashed)
import pyarrow.parquet
from petastorm.arrow_reader_worker import (
    ArrowReaderWorker,
    ArrowReaderWorkerResultsQueueReader,
    convert_arrow_table_to_numpy_dict,
)
from petastorm.fs_utils import FilesystemResolver
from petastorm.reader import Reader
from petastorm.workers_pool import EmptyResultError
from petastorm.workers_pool.dummy_pool import DummyPool
from petastorm.workers_pool.ventilator import Ventilator

from etl.lake import storage
from training.row_group_cache import RowGroupCache
from training.splits import RowGroup, is_on_disk, local_path

# Petastorm uses what pyarrow 14, the newest that it works with, deprecates.
warnings.filterwarnings("ignore", category=FutureWarning, module=r"petastorm|training\.reader")

if "mimalloc" in pyarrow.supported_memory_backends():
    # Arrow's default gives a row group's memory back and faults it in anew: three times as slow to read.
    pyarrow.set_memory_pool(pyarrow.mimalloc_memory_pool())

COLUMNS = ("image_id", "bytes", "format", "width", "height", "label", "split")


class PlannedReader(Reader):
    """A Petastorm reader of exactly the given row groups, in their order, in the calling thread.

    A row group comes as a named tuple of columns: numpy arrays, but `bytes` as Arrow's array, whose cells
    `as_py()` copies and `as_buffer()` does not. Row groups of an object store are kept on this machine, up to
    `cache_bytes` (0 keeps none).
    """

    def __init__(self, groups: Sequence[RowGroup], columns: Sequence[str] = COLUMNS, cache_bytes: int = 0):
        files = sorted({group.file for group in groups})
        stored = not is_on_disk(files[0])
        self._planned = [(local_path(group.file), group.number) for group in groups]
        super().__init__(
            _file_system(files[0]),
            [local_path(file) for file in files],
            schema_fields=[f"^{column}$" for column in columns],
            reader_pool=DummyPool(),
            worker_class=_StoreWorker if stored else _Worker,
            cache=RowGroupCache([local_path(file) for file in files], cache_bytes if stored else 0),
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


def _file_system(file: str) -> Any:
    """Return the file system of a table's file, of the kind that Petastorm's way of reading needs."""
    if is_on_disk(file):
        return FilesystemResolver(file).filesystem()
    # With fsspec's own, pyarrow takes its new reader, which Petastorm does not know.
    from pyarrow.filesystem import S3FSWrapper

    return S3FSWrapper(storage.file_system())


class _Worker(ArrowReaderWorker):
    """Petastorm's worker, which reads a row group in few large pieces.

    Petastorm's own reads each file's footer anew for each row group, and the row group in small pieces.
    """

    def __init__(self, *settings: Any):
        super().__init__(*settings)
        self._footers: dict[str, pyarrow.parquet.FileMetaData] = {}

    def process(self, piece_index: int, worker_predicate: None, shuffle_row_drop_partition: Any) -> None:
        piece = self._split_pieces[piece_index]

        def read() -> pyarrow.Table:
            with self._opened(piece.path) as source:
                footer = self._footers.get(piece.path)
                parquet = pyarrow.parquet.ParquetFile(source, metadata=footer, pre_buffer=True)
                self._footers[piece.path] = parquet.metadata
                return parquet.read_row_group(
                    piece.row_group, columns=list(self._schema.fields), use_threads=False
                )

        self.publish_func(self._local_cache.get(piece.path, piece.row_group, read))

    def _opened(self, path: str) -> Any:
        return pyarrow.OSFile(path)

    @staticmethod
    def new_results_queue_reader() -> "_Columns":
        return _Columns()


class _StoreWorker(_Worker):
    """The same for an object store."""

    def _opened(self, path: str) -> Any:
        return storage.file_system().open(path, "rb", cache_type="none")


class _Columns(ArrowReaderWorkerResultsQueueReader):
    """Makes numpy arrays of the columns, except of the bytes."""

    def read_next(self, workers_pool: Any, schema: Any, ngram: None) -> Any:
        try:
            table = workers_pool.get_results()
        except EmptyResultError:
            raise StopIteration from None
        kept = {name: table.column(name) for name in table.column_names if name == "bytes"}
        small = convert_arrow_table_to_numpy_dict(table.drop_columns(list(kept)), schema)
        return schema.make_namedtuple(**small, **kept)


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
