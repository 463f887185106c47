"""Epoch after epoch of tiny row groups by real worker processes of two ranks: every row once, in planned order.

    python tests/benchmarks/loader_exactly_once.py --epochs 200

For 1 to 4 workers: the two ranks of each epoch take equally many batches, which hold every row once; every tenth
epoch is cut at a random step and goes on from there, and gives the same rest. Ends at the first that does not.
"""

import argparse
import hashlib
import random
import sys
import tempfile
import time
from pathlib import Path

import deltalake
import numpy as np
import pyarrow as pa
from pyspark.sql.pandas.types import to_arrow_schema

from etl.lake import snapshot
from etl.lake.schemas import training_rows
from training.data import Loading, batches
from training.splits import Split, open_split

TABLE, ROWS, ROWS_A_GROUP, WORLD = training_rows("demo"), 100, 5, 2


def one_pixel(pixels: np.ndarray, image_id: str) -> np.ndarray:
    return pixels[:1, :1]


def table(root: Path) -> Split:
    """Write a hundred images of four pixels in row groups of five, and return their split."""
    snapshot.create(str(root), TABLE)
    rows = [
        {
            "image_id": hashlib.sha256(bytes([number])).hexdigest(),
            "bytes": bytes([number]) * 12, "format": "RAW",
            "width": 2, "height": 2, "label": number % 2, "split": "train", "position": number,
        }
        for number in range(ROWS)
    ]  # fmt: skip
    columns = {column: [row.get(column) for row in rows] for column in TABLE.columns}
    deltalake.write_deltalake(
        deltalake.DeltaTable(snapshot.address(str(root), TABLE)),
        pa.table(columns, schema=to_arrow_schema(TABLE.schema)),
        mode="append",
        writer_properties=deltalake.WriterProperties(max_row_group_size=ROWS_A_GROUP),
    )
    return open_split(str(root), TABLE, snapshot.current_version(str(root), TABLE), "train")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as folder:
        split = table(Path(folder))
        for workers in asked.workers:
            start, orders = time.monotonic(), set()
            for epoch in range(asked.epochs):
                orders.add(one_epoch(split, workers, epoch, asked.seed, chance))
            if len(orders) != asked.epochs:
                sys.exit(f"{workers} workers: only {len(orders)} orders in {asked.epochs} epochs")
            seconds = time.monotonic() - start
            print(f"{workers} workers x {WORLD} ranks: {asked.epochs} epochs exact ({seconds:.0f} s)", flush=True)
    return 0


def one_epoch(split: Split, workers: int, epoch: int, seed: int, chance: random.Random) -> tuple[str, ...]:
    """Return the ids of an epoch, rank after rank. Exits where a row is missing, doubled, or at another place."""
    came: list[str] = []
    steps = set()
    for rank in range(WORLD):
        loading = Loading(6, seed=seed, workers=workers, rank=rank, world=WORLD, equal_steps=True)
        taken = [batch.image_ids for batch in batches(split, one_pixel, loading, epoch)]
        steps.add(len(taken))
        came += [image_id for ids in taken for image_id in ids]
        if epoch % 10 == 0:
            cut = chance.randrange(len(taken))
            rest = [batch.image_ids for batch in batches(split, one_pixel, loading, epoch, start=cut)]
            if rest != taken[cut:]:
                sys.exit(f"{workers} workers, epoch {epoch}, rank {rank}: another rest after {cut} steps")
    if len(came) != ROWS or len(set(came)) != ROWS or len(steps) != 1:
        sys.exit(f"{workers} workers, epoch {epoch}: {len(came)} rows, {len(set(came))} different, steps {steps}")
    return tuple(came)


if __name__ == "__main__":
    raise SystemExit(main())
