"""What the toy world puts into a lake besides its generators' images: prompts, real crops, splits by photo.

A prompt and a real crop both name their photograph, so that images of one photograph never lie in both splits.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from PIL import Image

from etl import durable
from etl.images import audit
from etl.lake import snapshot
from etl.lake.schemas import COLLECTIONS, IMAGES
from generation.toy_world import crops

COLLECTION = "toy"
"""The collection that holds every image of the toy world, fake and real, each with its split."""
REALS = "toy-photographs"
_FIRST_FAKE = 1_000
"""Number of the first crop that generators reconstruct; real crops have lower ones."""


def prompts(train: int, test: int) -> list[str]:
    """Return `train` prompts for crops of training photographs, then `test` for crops of test photographs."""
    return [
        crops.prompt_of(photo, number)
        for is_test in (False, True)
        for photo, number in _dealt(is_test, train, test)
    ]


def _dealt(is_test: bool, train: int, test: int) -> Iterator[tuple[crops.Photo, int]]:
    photos = [photo for photo in crops.photos().values() if photo.is_test == is_test]
    for at in range(test if is_test else train):
        yield photos[at % len(photos)], _FIRST_FAKE + at // len(photos)


def write_prompts(path: Path, train: int, test: int) -> None:
    """Write the prompts, one a line."""
    durable.write(path, "".join(f"{line}\n" for line in prompts(train, test)).encode())


def write_reals(folder: Path, each: int) -> Path:
    """Write `each` crops of every photograph as PNG files where they are missing; return their list for ingest."""
    lines = []
    for photo in crops.photos().values():
        for number in range(each):
            file = folder / f"{photo.name}-{number}.png"
            if not file.exists():
                with durable.replaced(file) as unfinished:
                    Image.fromarray(crops.crop(photo, number)).save(unfinished, "PNG")
            lines.append({
                "path": file.name, "label": "real", "real_source": REALS, "prompt": crops.prompt_of(photo, number),
                "author": photo.author, "licence": photo.licence,
            })  # fmt: skip
    listing = folder / "reals.jsonl"
    durable.write(listing, "".join(f"{json.dumps(line)}\n" for line in lines).encode())
    return listing


def assign_splits(root: str, plan: str) -> int:
    """Put every image of the world into COLLECTION, with the split of its photograph; return how many were new."""
    wanted = pl.col("prompt").is_not_null() & ((pl.col("real_source") == REALS) | (pl.col("source") == plan))
    told = snapshot.scan(root, IMAGES).filter(wanted).select("image_id", "prompt").collect()
    now = datetime.now(UTC)
    rows = [
        {"collection": COLLECTION, "image_id": image, "split": _split(prompt), "added_at": now}
        for image, prompt in told.iter_rows()
    ]
    return snapshot.append(root, COLLECTIONS, rows)


def _split(prompt: str) -> str:
    return "test" if crops.parse(prompt)[0].is_test else "train"


def shortcuts(root: str, seed: int = 1) -> list[audit.Finding]:
    """Audit the world's images: what a forest makes of format, size, JPEG quality, metadata, and bytes."""
    places = (
        snapshot.scan(root, COLLECTIONS).filter(pl.col("collection") == COLLECTION).select("image_id", "split")
    )
    facts = (
        "label",
        "format",
        "width",
        "height",
        "mode",
        "n_frames",
        "exif_orientation",
        "bit_depth",
        "icc_profile",
    )
    size = pl.col("bytes").bin.size().cast(pl.Int64).alias("byte_size")
    images = snapshot.scan(root, IMAGES).select("image_id", *facts, size)
    rows = places.join(images, on="image_id", how="inner").sort("image_id").collect()
    unknown = [pl.lit(None, pl.Int32).alias("jpeg_quality"), pl.lit(None, pl.String).alias("jpeg_subsampling")]
    return audit.audit(rows.with_columns(unknown), seed)  # all are PNG: none has a JPEG quality
