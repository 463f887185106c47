"""Near duplicates among random hashes with planted pairs: recall, precision, seconds and memory by size.

    python tests/benchmarks/duplicates_at_scale.py --work FOLDER --images 270000 2700000 --pairs 500

At each size `forensics duplicates` runs in a process of its own over a table of features in a fresh lake. The
planted pairs differ in 0 to 4 bits, as the command's default finds them.
"""

import argparse
import shutil
import sys
from pathlib import Path

import deltalake
import numpy as np
import pyarrow as pa
from measured import Cost, load_average, measured
from pyspark.sql.pandas.types import to_arrow_schema

from etl.images.features import FEATURE_VERSION
from etl.lake import snapshot
from etl.lake.schemas import DUPLICATES, IMAGE_FEATURES

Pairs = set[tuple[str, str]]
AT_A_TIME = 500_000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", required=True, help="a folder for the lake, which is made anew for each size")
    parser.add_argument("--images", type=int, nargs="+", default=[270_000, 2_700_000])
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    root = Path(asked.work).resolve() / "lake"
    for images in asked.images:
        shutil.rmtree(root, ignore_errors=True)
        planted = fill(str(root), images, asked.pairs, asked.seed)
        cost = measured([sys.executable, "-m", "etl.jobs.duplicates", "--root", str(root)])
        print(
            f"{images:,} images, {load_average()}: {cost.output.strip()}\n{line(str(root), images, planted, cost)}"
        )


def fill(root: str, images: int, pairs: int, seed: int) -> Pairs:
    """Write random hashes, some of them near others; return the pairs of those."""
    rng = np.random.default_rng(seed)
    hashes = rng.integers(-(2**63), 2**63, images, dtype=np.int64)
    ids = np.array([f"{number:064x}" for number in rng.permutation(images)])
    left, right = rng.permutation(images)[: 2 * pairs].reshape(2, pairs)
    for here, there, bits in zip(left, right, rng.integers(0, 5, pairs), strict=True):
        flipped = np.bitwise_xor.reduce(np.int64(1) << rng.permutation(64)[:bits], initial=np.int64(0))
        hashes[there] = hashes[here] ^ flipped
    snapshot.create(root, IMAGE_FEATURES)
    schema = to_arrow_schema(IMAGE_FEATURES.schema)
    for at in range(0, images, AT_A_TIME):
        some = slice(at, min(at + AT_A_TIME, images))
        count = some.stop - some.start
        known = {"image_id": pa.array(ids[some]), "phash": pa.array(hashes[some])}
        known["feature_version"] = pa.array(np.full(count, FEATURE_VERSION, dtype=np.int32))
        columns = [known.get(field.name, pa.nulls(count, field.type)) for field in schema]
        rows = pa.table(columns, schema=schema)
        deltalake.write_deltalake(snapshot.address(root, IMAGE_FEATURES), rows, mode="append")
    return {(min(pair), max(pair)) for pair in zip(ids[left].tolist(), ids[right].tolist(), strict=True)}


def line(root: str, images: int, planted: Pairs, cost: Cost) -> str:
    """Return seconds, memory, recall and precision of one run in a row of Markdown."""
    rows = snapshot.read(root, DUPLICATES, columns=("image_id", "other_id"))
    found = set(rows.iter_rows())
    hits = len(found & planted)
    return (
        f"| {images:,} | {cost.wall:.1f} | {1e6 * cost.wall / images:.1f} | {cost.peak_mb:,.0f} | "
        f"{hits / len(planted):.3f} | {hits / len(found):.3f} |"
    )


if __name__ == "__main__":
    main()
