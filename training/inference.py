"""Encoded images to a detector's batches, in threads: Pillow lets go of Python's lock while it decodes.

For images that are in no training set, which the planned loader does not read: collections of the lake, and files.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from training.data import Batch, Transform
from training.decoding import decode
from training.watchdog import with_deadline


def batches(
    images: Iterable[tuple[str, bytes]],
    transform: Transform,
    batch_size: int,
    threads: int,
    deadline_seconds: float,
) -> Iterator[Batch]:
    """Yield images by id and bytes as batches, in their order, labels -1: nobody knows.

    Raises UndecodableImage, LoaderStalled.
    """
    return with_deadline(_batches(images, transform, batch_size, max(1, threads)), deadline_seconds)


def _batches(
    images: Iterable[tuple[str, bytes]], transform: Transform, batch_size: int, threads: int
) -> Iterator[Batch]:
    squares = _squares(images, transform, threads)
    while part := list(islice(squares, batch_size)):
        ids = [image_id for image_id, _ in part]
        pixels = torch.from_numpy(np.stack([square for _, square in part]))
        yield Batch(ids, pixels, torch.full((len(ids),), -1.0))


def _squares(
    images: Iterable[tuple[str, bytes]], transform: Transform, threads: int
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    def square(image_id: str, data: bytes) -> tuple[str, NDArray[np.uint8]]:
        return image_id, transform(decode(data, image_id), image_id)

    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[tuple[str, NDArray[np.uint8]]]] = deque()
        for image_id, data in images:
            waiting.append(pool.submit(square, image_id, data))
            if len(waiting) >= 4 * threads:  # more would hold bytes in memory for nothing
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
