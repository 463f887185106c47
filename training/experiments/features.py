"""Features of images that are not learnt, each computed once and kept under the lake.

A set of features is (detector, processing, seed, weights): all that makes numbers of an image's bytes, which its
id stands for. Its folder `<root>/.experiments/features/<key>` holds parts, files of ids and rows, written whole.
"""

import hashlib
import json
import sys
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from etl.durable import replaced
from etl.lake.storage import workplace
from training import detectors, weights
from training.augmentations import to_input
from training.decoding import decode
from training.detectors import Probe
from training.experiments.processing import Processed, Processing

VERSION = 1
"""Of the way from bytes to features."""
_BATCH = 64
"""Images in every batch, the last one filled up: an image's features must not depend on its size."""
_CHUNK = 256
_CPU = torch.device("cpu")

Ids = NDArray[np.bytes_]
Floats = NDArray[np.float32]
Submit = Callable[..., "Future[int]"]


@dataclass(frozen=True)
class FeatureSet:
    """What makes the numbers, and where they are kept."""

    root: str
    detector: str
    weights: str | None
    processing: Processing
    seed: int

    @property
    def key(self) -> str:
        seed = 0 if self.processing.augmentation == "none" and not self.processing.jpeg else self.seed
        held = hashlib.sha256(weights.located(self.weights).read_bytes()).hexdigest() if self.weights else None
        identity = [VERSION, self.detector, held, asdict(self.processing), seed]
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:24]

    @property
    def folder(self) -> Path:
        return workplace(self.root) / ".experiments" / "features" / self.key


class Kept(NamedTuple):
    """What a folder holds: ids in order, and a row of features each."""

    ids: Ids
    rows: Floats

    def of(self, ids: Ids) -> Floats:
        """Return the rows of these ids. Raises KeyError for one that is not there."""
        at = np.searchsorted(self.ids, ids)
        if len(ids) and (at.max() == len(self.ids) or not np.array_equal(self.ids[at], ids)):
            raise KeyError("features of an image are missing; run the same command again")
        return self.rows[at]


@cache
def is_fixed(detector: str) -> bool:
    """Whether a registered detector is linear on features that are not learnt."""
    found = detectors.find(detector)
    return bool(found.backbone) or isinstance(found.make(found.input_size), Probe)


@lru_cache(maxsize=12)
def load(folder: Path) -> Kept:
    """Return all parts of a folder; a later call does not see what was added since."""
    parts = [part for path in sorted(folder.glob("part-*.npz")) if (part := _part(path)) is not None]
    if not parts:
        return Kept(np.zeros(0, "S64"), np.zeros((0, 0), np.float32))
    ids, rows = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    _, first = np.unique(ids, return_index=True)
    return Kept(ids[first], rows[first])


def missing(wanted: Mapping[FeatureSet, set[str]]) -> dict[frozenset[FeatureSet], list[str]]:
    """Return the images whose features are not kept yet, by the sets that lack them."""
    lacking: dict[str, set[FeatureSet]] = defaultdict(set)
    for one, ids in wanted.items():
        load.cache_clear()
        there = {name.decode() for name in load(one.folder).ids.tolist()}
        for image_id in ids - there:
            lacking[image_id].add(one)
    load.cache_clear()
    grouped: dict[frozenset[FeatureSet], list[str]] = defaultdict(list)
    for image_id in sorted(lacking):
        grouped[frozenset(lacking[image_id])].append(image_id)
    return dict(grouped)


def compute(
    lacking: Mapping[frozenset[FeatureSet], list[str]],
    encoded: Iterable[tuple[str, bytes]],
    submit: Submit,
    most: int = 6,
) -> Iterator[int]:
    """Compute what is lacking from the images' bytes by `submit`, a few chunks at a time; yield images done."""
    group_of = {image_id: group for group, ids in lacking.items() for image_id in ids}
    waiting: dict[frozenset[FeatureSet], list[tuple[str, bytes]]] = defaultdict(list)
    running: list[Future[int]] = []
    for image_id, data in encoded:
        chunk = waiting[group_of[image_id]]
        chunk.append((image_id, data))
        if len(chunk) == _CHUNK:
            running.append(submit(measure, waiting.pop(group_of[image_id]), tuple(group_of[image_id])))
            if len(running) >= most:
                yield running.pop(0).result()
    running += [submit(measure, chunk, tuple(group)) for group, chunk in waiting.items() if chunk]
    for future in running:
        yield future.result()


def measure(images: list[tuple[str, bytes]], sets: tuple[FeatureSet, ...]) -> int:
    """Compute and keep the features of some images for several sets; return how many images."""
    torch.set_num_threads(1)
    ids = [image_id for image_id, _ in images]
    decoded = [decode(data, image_id) for image_id, data in images]
    inputs: dict[tuple[Processing, int], list[torch.Tensor]] = {}
    for one in sorted(sets, key=lambda one: one.key):
        seen = one.processing, one.seed
        if seen not in inputs:
            transform = Processed(*seen)
            pixels = np.stack([transform(each, name) for each, name in zip(decoded, ids, strict=True)])
            inputs[seen] = list(_batches(pixels))
        net = extractor(one.detector, one.weights)
        with torch.inference_mode():
            rows = torch.cat([net(batch) for batch in inputs[seen]])[: len(ids)].numpy()
        _keep(one.folder, ids, rows.astype(np.float32))
    return len(ids)


@cache
def extractor(detector: str, weights: str | None = None) -> torch.nn.Module:
    """Return the part of a linear detector before its last layer: normalised [B, 3, S, S] to [B, d]."""
    model = detectors.build(detector, weights=weights)
    assert isinstance(model, Probe)
    return model.features


def _batches(pixels: NDArray[np.uint8]) -> Iterator[torch.Tensor]:
    for start in range(0, len(pixels), _BATCH):
        part = pixels[start : start + _BATCH]
        filled = np.concatenate([part, np.repeat(part[-1:], _BATCH - len(part), axis=0)])
        yield to_input(torch.from_numpy(filled), _CPU)


def _part(path: Path) -> Kept | None:
    """Return one part; one that is damaged goes, for its features are computed again."""
    try:
        with np.load(path, allow_pickle=False) as part:
            found = Kept(part["ids"], part["rows"])
            if found.rows.ndim == 2 and found.ids.shape == found.rows.shape[:1]:
                return found
            reason = "ids and rows do not fit together"
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        reason = str(error)
    print(f"experiment: {path} is damaged ({reason}); its features are computed again", file=sys.stderr)
    path.unlink(missing_ok=True)
    return None


def _keep(folder: Path, ids: list[str], rows: Floats) -> None:
    name = hashlib.sha256("\n".join(ids).encode()).hexdigest()[:24]
    with replaced(folder / f"part-{name}.npz") as path, path.open("wb") as file:
        np.savez(file, ids=np.array(ids, "S64"), rows=rows)
