"""WebDataset: tar files in which an image and its .json follow each other."""

import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from etl.durable import replaced
from etl.images.exports.form import Row, file_name, record


class WebDataset:
    """<split>-<number>-of-<numbers>.tar."""

    name = "webdataset"
    splits = "{split}-*.tar"
    notes = """\
    forensics ingest --source webdataset --path . --collection NAME

Each image has its id in the lake that it came from as its name, and a .json beside it with all that is known:
class, generator, real source, split, prompt, licence, author, seed, steps, guidance, SHA-256. A generator's name
that begins with a colon is the one after it, to the letter."""

    def holds(self, folder: Path, shard: str) -> bool:
        return self._path(folder, shard).exists()

    def write(self, folder: Path, shard: str, rows: Iterator[Row]) -> int:
        count = 0
        with (
            replaced(self._path(folder, shard)) as unfinished,
            tarfile.open(unfinished, "w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for row in rows:
                _add(tar, file_name(row), row["bytes"])
                _add(tar, f"{row['image_id']}.json", json.dumps(record(row)).encode())
                count += 1
        return count

    def finish(self, folder: Path, shards: Sequence[str]) -> None:
        """Nothing is left to do."""

    def _path(self, folder: Path, shard: str) -> Path:
        return folder / f"{shard}.tar"


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a member without a time or an owner, so that the same rows give the same file."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
