"""The layout of the reference trainer, a tree a split: <split>/<generator>/{real,fake}/<image>, beside a list.

Images are files of their own, so a shard is done once its part of the list is there.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from etl import durable
from etl.images.exports.form import Row, file_name, record
from etl.images.sources.records import name_of

LIST = "images.jsonl"
_PARTS = ".parts"
_LONGEST_NAME = 200
"""Longer names of generators are cut, since a file system allows 255 bytes."""


class Folders:
    """A file an image, and images.jsonl."""

    name = "folders"
    splits = "{split}/**"
    notes = """\
    forensics ingest --source list --path images.jsonl --collection NAME

That list says all that is known of each image: class, generator, real source, split, prompt, licence, author,
seed, steps, guidance, SHA-256. The folders by themselves, as in

    forensics ingest --path train --layout reference --collection NAME

tell class and generator only: real sources, prompts and licences are lost. Names of generators are percent-encoded
(`owner%2Fmodel`). A set's reals belong to no generator; each lies beside the fakes of one, as many with each as
its share of the fakes, so that every generator can be judged. A file's name is the image's id in the lake that it
came from."""

    def holds(self, folder: Path, shard: str) -> bool:
        return (folder / LIST).exists() or self._part(folder, shard).exists()

    def write(self, folder: Path, shard: str, rows: Iterator[Row]) -> int:
        lines = []
        for row in rows:
            class_ = "fake" if row["label"] == 1 else "real"
            path = Path(row["split"], folder_of(row["beside"]), class_, file_name(row))
            _place(folder / path, row["bytes"])
            lines.append(json.dumps({"path": path.as_posix(), **record(row)}) + "\n")
        os.sync()  # once a shard: a sync an image would take longer than all the rest
        durable.write(self._part(folder, shard), "".join(lines).encode())
        return len(lines)

    def finish(self, folder: Path, shards: Sequence[str]) -> None:
        """Put the parts of the list together, in the order of the set."""
        if not (folder / LIST).exists():
            with durable.replaced(folder / LIST) as unfinished, unfinished.open("wb") as whole:
                for shard in shards:
                    with self._part(folder, shard).open("rb") as part:
                        shutil.copyfileobj(part, whole)
        shutil.rmtree(folder / _PARTS, ignore_errors=True)

    def _part(self, folder: Path, shard: str) -> Path:
        return folder / _PARTS / f"{shard}.jsonl"


def folder_of(generator_id: str) -> str:
    """Return a generator's folder: its name percent-encoded, so that it is one, and neither hidden nor `..`."""
    name = quote(name_of(generator_id), safe="")
    if len(name) > _LONGEST_NAME:  # the list has the id itself
        name = f"{name[:_LONGEST_NAME]}~{hashlib.sha256(generator_id.encode()).hexdigest()[:16]}"
    return f"%2E{name[1:]}" if name.startswith(".") else name


def _place(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    unfinished.write_bytes(content)
    unfinished.replace(path)
