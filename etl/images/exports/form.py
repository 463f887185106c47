"""What the forms of an export have in common, and how they say in JSON what the lake knows of an image."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from etl.images.sources.records import name_of

Row = dict[str, Any]
"""An image of the set: `bytes`, the columns of its training row, and those of contents.FACTS."""

SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "AVIF": ".avif", "GIF": ".gif"}
_PART_ROWS, _PART_BYTES = 64, 16 << 20
_SAID = (
    *("label", "architecture", "real_source", "split", "prompt", "negative_prompt", "author", "licence", "nsfw"),
    *("seed", "steps", "guidance"),
)


class Form(Protocol):
    """A way to lay out images in files. A shard is a run of a split's rows that is written by one task."""

    name: str

    @property
    def splits(self) -> str:
        """Pattern of a split's files within the folder, with `{split}`."""
        ...

    @property
    def notes(self) -> str:
        """How to ingest the folder again, and what it does not say; Markdown."""
        ...

    def holds(self, folder: Path, shard: str) -> bool:
        """Whether the shard is there, whole."""
        ...

    def write(self, folder: Path, shard: str, rows: Iterator[Row]) -> int:
        """Write a shard, which a reader sees whole or not at all, on an executor; return how many rows it has."""
        ...

    def finish(self, folder: Path, shards: Sequence[str]) -> None:
        """Do what is left once all shards are there."""
        ...


def file_name(row: Row) -> str:
    """Return an image's name: the id that it has in the lake it came from, also where the bytes are new."""
    return f"{row['image_id']}{SUFFIXES[row['format']]}"


def record(row: Row) -> dict[str, Any]:
    """Return in the words of sources/records.py what is known of an image; `image_id` tells its original."""
    said = {"image_id": row["image_id"], "sha256": hashlib.sha256(row["bytes"]).hexdigest()}
    if row["label"] == 1:
        said["generator"] = name_of(row["generator_id"])
    return said | {name: row[name] for name in _SAID if row[name] is not None}


def parts(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """Cut rows into lists that memory holds several of: of up to 64 images, and about 16 MB."""
    part: list[Row] = []
    for row in rows:
        part.append(row)
        if len(part) == _PART_ROWS or sum(len(held["bytes"]) for held in part) >= _PART_BYTES:
            yield part
            part = []
    if part:
        yield part
