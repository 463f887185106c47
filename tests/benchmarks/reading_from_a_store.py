"""Petastorm's rows of a training set from an object store beside a local disk, read without decoding.

    python tests/benchmarks/reading_from_a_store.py --work FOLDER --images 2000 --rounds 5

The same Delta table of JPEGs and PNGs of about 190 kB lies in a folder and in a store on the loopback. A round
reads all its row groups by `PlannedReader` in one process, in turn: from the folder, from the store, from the
store into an empty cache, and again with that cache, as a training's later epochs do.
"""

import argparse
import hashlib
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
from measured import PROJECT, load_average
from pyspark.sql.pandas.types import to_arrow_schema

from etl.lake import snapshot
from etl.lake.schemas import training_rows
from etl.lake.storage import client, machine_folder

sys.path.insert(0, str(PROJECT))
import deltalake
from describe_beside_loop import encoded, some

from tests.cluster.servers import BUCKET, object_store
from training.reader import PlannedReader
from training.splits import open_split

TABLE = training_rows("read")
GROUP, FILE = 32, 512


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", required=True, help="a folder for the lake and the store")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    work = Path(asked.work).resolve()
    shutil.rmtree(work / "store", ignore_errors=True)
    local = write(work / "lake", asked.images)
    rates: dict[str, list[float]] = {}
    with object_store(work / "store") as (_, clients):
        os.environ.update(clients)
        for file in (work / "lake").rglob("*"):
            if file.is_file():
                client().upload_file(str(file), BUCKET, f"lake/{file.relative_to(work / 'lake')}")
        stored = f"s3a://{BUCKET}/lake"
        for number in range(asked.rounds):
            shutil.rmtree(machine_folder(), ignore_errors=True)
            turns: list[tuple[str, Callable[[], int]]] = [
                ("folder", lambda: read(local)),
                ("store", lambda: read(stored)),
                ("store, empty cache", lambda: read(stored, 1 << 40)),
                ("store, kept", lambda: read(stored, 1 << 40)),
            ]
            for name, turn in turns:
                start = time.perf_counter()
                if turn() != asked.images:
                    print("ROWS ARE MISSING")
                    return 1
                rates.setdefault(name, []).append(asked.images / (time.perf_counter() - start))
            print(
                f"round {number + 1}: " + ", ".join(f"{n} {r[-1]:.0f}" for n, r in rates.items()), load_average()
            )
    for name in list(rates)[1:]:
        ratios = [theirs / ours for theirs, ours in zip(rates[name], rates["folder"], strict=True)]
        low, middle, high = min(ratios), statistics.median(ratios), max(ratios)
        print(f"{name} / folder = {low:.2f} / {middle:.2f} / {high:.2f} (min / median / max), "
              f"{statistics.median(rates[name]):.0f} images/s")  # fmt: skip
    return 0


def write(root: Path, images: int) -> str:
    """Write a training set's rows as builds do: small row groups, some to a file."""
    shutil.rmtree(root, ignore_errors=True)
    snapshot.create(str(root), TABLE)
    schema = to_arrow_schema(TABLE.schema)
    pictures = encoded()
    for first in range(0, images, FILE):
        some_of = some(pictures, min(FILE, images - first), str(first))
        rows = [
            {"image_id": hashlib.sha256(data).hexdigest(), "bytes": data, "format": "JPEG", "split": "train"}
            | {"label": number % 2, "width": 512, "height": 512}
            for number, data in enumerate(some_of)
        ]
        deltalake.write_deltalake(
            deltalake.DeltaTable(snapshot.address(str(root), TABLE)),
            pa.table({name: [row.get(name) for row in rows] for name in schema.names}, schema=schema),
            mode="append",
            writer_properties=deltalake.WriterProperties(max_row_group_size=GROUP),
        )
    return str(root)


def read(root: str, cache_bytes: int = 0) -> int:
    """Return how many rows an epoch gave, whose bytes were looked at."""
    split = open_split(root, TABLE, snapshot.current_version(root, TABLE), "train")
    count = 0
    with PlannedReader(split.groups, cache_bytes=cache_bytes) as reader:
        for batch in reader:
            count += sum(len(data.as_py()) > 0 for data in batch.bytes)
    return count


if __name__ == "__main__":
    raise SystemExit(main())
