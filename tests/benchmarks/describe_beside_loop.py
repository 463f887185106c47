"""`forensics describe` beside a bare loop in one process that measures the same images from memory.

    python tests/benchmarks/describe_beside_loop.py --work FOLDER --images 2000 --rounds 3
    python tests/benchmarks/describe_beside_loop.py --work FOLDER --images 400 --backbone efficientnet-lite0

The images are JPEGs and PNGs of 512 pixels made from the shipped photographs, about 190 kB in the mean, each with
bytes of its own appended. The loop calls the same functions as the job's workers on bytes in memory, thumbnail and
embedding included, on one thread, and writes nothing; its rate times the cores is what the job could reach.
The job's rate is of its second run in one session, on new images: a first pays for the start of the JVM, of
Python workers and of torch, which is printed beside it. Both take turns in each round.
"""

import argparse
import hashlib
import io
import os
import random
import shutil
import statistics
import time
from functools import partial
from pathlib import Path

from measured import PROJECT, load_average
from PIL import Image, ImageOps

from etl.images.features import examine
from etl.images.features.backbone import resolve
from etl.jobs import describe
from etl.lake import snapshot
from etl.lake.schemas import IMAGE_FEATURES, IMAGES
from etl.lake.session import session
from etl.lake.store import Lake

EDGE, PNG_SHARE, FILE_ROWS, WARM_UP = 512, 0.2, 300, 128


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", required=True, help="a folder for the lakes")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backbone", default="none")
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    pictures = encoded()
    ratios = []
    with session("describe_beside_loop", f"local[{asked.cores}]") as spark:
        for number in range(asked.rounds):
            root = Path(asked.work).resolve() / f"lake-{number}"
            shutil.rmtree(root, ignore_errors=True)
            lake = Lake(str(root), spark)
            first = job(lake, some(pictures, WARM_UP, f"{number} warm"), asked.backbone)
            images = some(pictures, asked.images, str(number))
            turns = {
                "job": partial(job, lake, images, asked.backbone),
                "loop": partial(loop, images, asked.backbone),
            }
            seconds = {name: turns[name]() for name in sorted(turns, reverse=bool(number % 2))}
            if snapshot.read(str(root), IMAGE_FEATURES).height != WARM_UP + asked.images:
                print("SOME IMAGES WERE NOT MEASURED")
                return 1
            rates = {name: asked.images / value for name, value in seconds.items()}
            ratios.append(rates["job"] / (rates["loop"] * asked.cores))
            print(
                f"round {number + 1}: job {rates['job']:.1f} images/s, loop {rates['loop']:.1f} images/s x "
                f"{asked.cores} cores, ratio {ratios[-1]:.2f}; the first {WARM_UP} took {first:.1f} s; "
                f"{load_average()}",
                flush=True,
            )
            shutil.rmtree(root)
    low, middle, high = min(ratios), statistics.median(ratios), max(ratios)
    print(f"job / (loop x cores) = {low:.2f} / {middle:.2f} / {high:.2f} (min / median / max), {asked.backbone}")
    return 0


def encoded() -> list[bytes]:
    """Return the shipped photographs at 512 pixels, most as JPEGs of high quality, the others as PNGs."""
    chance, found = random.Random(0), []
    for file in sorted((PROJECT / "etl" / "demo" / "photos").glob("*.jpg")):
        picture = ImageOps.fit(Image.open(file).convert("RGB"), (EDGE, EDGE), Image.Resampling.BICUBIC)
        content = io.BytesIO()
        if chance.random() < PNG_SHARE:
            picture.save(content, "PNG")
        else:
            picture.save(content, "JPEG", quality=chance.randint(85, 97))
        found.append(content.getvalue())
    return found


def some(pictures: list[bytes], count: int, mark: str) -> list[bytes]:
    """Return as many images, each distinct by what stands after its end."""
    return [pictures[n % len(pictures)] + f"{mark} {n}".encode() for n in range(count)]


def job(lake: Lake, images: list[bytes], backbone: str) -> float:
    """Add the images to the lake as ingest would, and return the seconds that describing them takes."""
    rows = [{"image_id": hashlib.sha256(data).hexdigest(), "bytes": data, "label": 0} for data in images]
    parts = max(1, len(rows) // FILE_ROWS)
    lake.add(IMAGES, lake.spark.createDataFrame(rows, IMAGES.schema).repartition(parts))
    start = time.monotonic()
    if describe.main(["--root", lake.root, "--backbone", backbone]):
        raise SystemExit("describe ended with rejects")
    return time.monotonic() - start


def loop(images: list[bytes], backbone: str) -> float:
    """Return the seconds that one process takes on one thread for the same measures."""
    embedder = None
    if found := resolve(backbone):
        from etl.images.features.embedding import load

        embedder = load(found)
        embedder.embed([examine(images[0], None, embedder.side).square] * 32)  # type: ignore[list-item]
    start = time.monotonic()
    for at in range(0, len(images), 64):
        squares = [examine(data, 128, embedder.side if embedder else None).square for data in images[at : at + 64]]
        if embedder:
            embedder.embed(squares)  # type: ignore[arg-type]
    return time.monotonic() - start


if __name__ == "__main__":
    raise SystemExit(main())
