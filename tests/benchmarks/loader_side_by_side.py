"""Ours beside other ways to feed a training: same images, same operations, images a wall second.

    python tests/benchmarks/loader_side_by_side.py --work FOLDER                  # about four minutes on two cores
    python tests/benchmarks/loader_side_by_side.py --work FOLDER --images 24 --rounds 1 --workers 0   # to try it

Without workers CPU seconds are measured too, which tell something where other work shares the machine.

Half of the images are PNGs and half JPEGs of 512 pixels, made of the shipped photographs with noise of their own.
Every way ends in batches of 224 pixels in this process, uint8 where the augmentation is ours, to be normalised on
the device; the reference's are normalised floats, as its code has it. An epoch's start, of processes too, counts.
The ways, which take turns in each round:

- limit: bytes in memory, our decoding and augmentation, torch's workers;
- ours: a training set in Delta, Petastorm behind our plan;
- pyarrow: the same files, row groups read by pyarrow, our decoding and augmentation;
- webdataset: the same images in tar files, one for each worker, read by WebDataset, our decoding and augmentation;
- reference: files, Pillow, torchvision's transforms on Pillow images, as the paper's code composes them;
- normalised: ours, and the batches made normalised floats in this process, as on a machine without a GPU;
- resized: ours, from rows that hold pixels with the shorter edge at 256.
"""

import argparse
import io
import os
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import deltalake
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from measured import PROJECT, load_average
from PIL import Image, ImageOps
from pyspark.sql.pandas.types import to_arrow_schema
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info
from webdataset import TarWriter, WebDataset

from etl.images.resizing import RAW, shorter_edge_at
from etl.lake import snapshot
from etl.lake.schemas import training_rows
from training.augmentations import TrainTransform, to_input
from training.data import Loading, batches
from training.decoding import decode
from training.splits import Split, local_path, open_split

EDGE, CROP, BATCH, ROWS_A_GROUP = 512, 224, 64, 32
Row = dict[str, Any]
Way = Callable[[int], Iterator[int]]
"""From the epoch to the sizes of its batches."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", required=True, help="a folder for the images; what is in it is replaced")
    parser.add_argument("--images", type=int, default=768)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    work = Path(asked.work).resolve() / "loader_side_by_side"
    shutil.rmtree(work, ignore_errors=True)
    rows = encoded(asked.images)
    ways = prepared(work, rows, asked.workers)
    for name, epoch in ways.items():  # a first epoch imports and forks
        require_all(name, epoch(0), len(rows))
    clocks: dict[str, Callable[[], float]] = {"wall": time.monotonic}
    if not asked.workers:
        clocks["CPU"] = time.process_time  # all is in this process
    rates: dict[str, dict[str, list[float]]] = {clock: {name: [] for name in ways} for clock in clocks}
    for number in range(asked.rounds):
        for name in sorted(ways, reverse=bool(number % 2)):
            start = {clock: now() for clock, now in clocks.items()}
            require_all(name, ways[name](number + 1), len(rows))
            for clock, now in clocks.items():
                rates[clock][name].append(len(rows) / (now() - start[clock]))
        for clock, of in rates.items():
            shown = ", ".join(f"{name} {values[-1]:.1f}" for name, values in of.items())
            print(f"round {number + 1}: {shown} images per {clock} second; {load_average()}", flush=True)
    for clock, of in rates.items():
        print_ratios(clock, of)
    return 0


def print_ratios(clock: str, rates: dict[str, list[float]]) -> None:
    for over, under in (
        ("ours", "reference"), ("ours", "limit"), ("ours", "pyarrow"), ("ours", "webdataset"),
        ("normalised", "reference"), ("resized", "reference"), ("limit", "reference"),
    ):  # fmt: skip
        ratios = [one / other for one, other in zip(rates[over], rates[under], strict=True)]
        low, middle, high = min(ratios), statistics.median(ratios), max(ratios)
        print(f"{over} / {under} = {low:.2f} / {middle:.2f} / {high:.2f} (min / median / max) per {clock} second")


def encoded(count: int) -> list[Row]:
    """Return rows of images, PNG and JPEG in turn; qualities from 75 to 95."""
    chance, rows = np.random.default_rng(0), []
    files = sorted((PROJECT / "etl" / "demo" / "photos").glob("*.jpg"))
    for number in range(count):
        picture = ImageOps.fit(Image.open(files[number % len(files)]).convert("RGB"), (EDGE, EDGE))
        noisy = np.asarray(picture) + chance.normal(0, 2, (EDGE, EDGE, 3))
        format_, content = ("PNG", "JPEG")[number % 2], io.BytesIO()
        quality = int(chance.integers(75, 96))
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(content, format_, quality=quality)
        rows.append({
            "image_id": f"{number:08d}", "bytes": content.getvalue(), "format": format_, "width": EDGE,
            "height": EDGE, "label": number % 2, "split": "train", "position": number,
        })  # fmt: skip
    return rows


def prepared(work: Path, rows: list[Row], workers: int) -> dict[str, Way]:
    """Write the images in every form; return each way."""
    files, tars = work / "files", work / "tars"
    files.mkdir(parents=True)
    tars.mkdir()
    for row in rows:
        (files / f"{row['image_id']}-{row['label']}").write_bytes(row["bytes"])
    for number in range(max(1, workers)):
        write_tar(tars / f"{number}.tar", rows[number :: max(1, workers)])
    split = table(work / "encoded", rows)
    small = [row | pixels_of(row["bytes"]) for row in rows]
    resized = table(work / "resized", small)

    def ours(of: Split, ready: Callable[[torch.Tensor], torch.Tensor] = lambda images: images) -> Way:
        loading = Loading(BATCH, seed=1, workers=workers)
        return lambda epoch: (
            len(ready(batch.images)) for batch in batches(of, TrainTransform(CROP, 1, epoch), loading, epoch)
        )

    def in_torch(make: Callable[[int], Any], **options: Any) -> Way:
        return lambda epoch: (len(b[0]) for b in DataLoader(make(epoch), num_workers=workers, **options))

    paths = sorted(files.iterdir())
    shuffled = {"batch_size": BATCH, "shuffle": True}
    return {
        "limit": in_torch(lambda epoch: InMemory(rows, epoch), **shuffled),
        "ours": ours(split),
        "pyarrow": in_torch(lambda epoch: InRowGroups(split, epoch), batch_size=BATCH),
        "webdataset": in_torch(lambda epoch: in_tars(sorted(tars.iterdir()), epoch), batch_size=BATCH),
        "reference": in_torch(lambda epoch: InFiles(paths), **shuffled),
        "normalised": ours(split, to_floats),
        "resized": ours(resized),
    }


def to_floats(images: torch.Tensor) -> torch.Tensor:
    return to_input(images, torch.device("cpu"))


def write_tar(path: Path, rows: list[Row]) -> None:
    with TarWriter(str(path), encoder=False) as tar:
        for row in rows:
            tar.write({"__key__": row["image_id"], "img": row["bytes"], "cls": str(row["label"]).encode()})


def table(root: Path, rows: list[Row]) -> Split:
    """Write rows as a training set of row groups of 32, and return its split."""
    schema = training_rows("demo")
    snapshot.create(str(root), schema)
    columns = {column: [row.get(column) for row in rows] for column in schema.columns}
    deltalake.write_deltalake(
        deltalake.DeltaTable(snapshot.address(str(root), schema)),
        pa.table(columns, schema=to_arrow_schema(schema.schema)),
        mode="append",
        writer_properties=deltalake.WriterProperties(
            max_row_group_size=ROWS_A_GROUP,
            compression="UNCOMPRESSED",
            # As Spark writes: otherwise two images of each row group stand in the footer.
            column_properties={"bytes": deltalake.ColumnProperties(False, statistics_enabled="NONE")},
        ),
    )
    return open_split(str(root), schema, snapshot.current_version(str(root), schema), "train")


def pixels_of(data: bytes) -> Row:
    image = shorter_edge_at(data, 256)
    return {"bytes": image.tobytes(), "format": RAW, "width": image.width, "height": image.height}


class InMemory(Dataset):
    """Bytes in memory, decoded and augmented as ours are."""

    def __init__(self, rows: list[Row], epoch: int):
        self.rows, self.transform = rows, TrainTransform(CROP, 1, epoch)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, int]:
        row = self.rows[number]
        return augmented(self.transform, row["bytes"], row["image_id"]), row["label"]


class InFiles(Dataset):
    """The reference's way: a file an image, Pillow, floats."""

    def __init__(self, paths: list[Path]):
        # Our workers import this script, and have no use for torchvision.
        from loader_reference import ReferenceTransform

        self.paths, self.transform = paths, ReferenceTransform(256, CROP)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, int]:
        path = self.paths[number]
        return self.transform(Image.open(path).convert("RGB")), int(path.name[-1])


class InRowGroups(IterableDataset):
    """Row groups read by pyarrow alone."""

    def __init__(self, split: Split, epoch: int):
        self.split, self.transform = split, TrainTransform(CROP, 1, epoch)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, int]]:
        for group in mine(self.split.groups):
            read = pq.ParquetFile(local_path(group.file)).read_row_group(
                group.number, columns=["image_id", "bytes", "label"]
            )
            for row in read.to_pylist():
                yield augmented(self.transform, row["bytes"], row["image_id"]), row["label"]


def in_tars(tars: list[Path], epoch: int) -> IterableDataset:
    """Return the images of tar files, read from front to end; a worker takes whole files."""
    transform = TrainTransform(CROP, 1, epoch)
    samples = WebDataset([str(path) for path in tars], shardshuffle=False)
    return samples.map(lambda of: (augmented(transform, of["img"], of["__key__"]), int(of["cls"])))


def mine(parts: Any) -> Any:
    info = get_worker_info()
    return parts[info.id :: info.num_workers] if info else parts


def augmented(transform: TrainTransform, data: bytes, image_id: str) -> torch.Tensor:
    pixels = transform(decode(data, image_id), image_id)
    return torch.from_numpy(np.require(pixels, requirements=["W"]))  # torch warns of others


def require_all(name: str, sizes: Iterator[int], wanted: int) -> None:
    came = sum(sizes)
    if came != wanted:
        raise SystemExit(f"{name} gave {came} images instead of {wanted}")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    raise SystemExit(main())
