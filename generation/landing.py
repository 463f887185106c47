"""Where sampled images land: one folder a generator, image files and one line of JSON for each.

An image counts only when its line is there and its file has the line's size, and its SHA-256 where the generator
is sampled again. The file is written first, so a kill between the two costs one image, which the next run
samples again to the same bytes. In an object store the lines come some at a time, after their images: a kill
costs as many.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable
from typing import Any

from etl import durable
from etl.faults import fault_point
from etl.images.sources import record_of
from etl.lake import storage
from etl.lake.folder import folder
from generation.encoding import SUFFIXES

RECORDS = "records.jsonl"
_RECORDS_AT_A_TIME = 16
"""Images whose lines go to an object store together: it writes the file of lines anew each time."""
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?")

Record = dict[str, Any]


class Landing:
    """The landed images of one generator; one process writes to it at a time."""

    def __init__(self, root: str, plan_id: str, generator_id: str):
        parts = ("landing", "images", plan_id, slug(generator_id))
        self.folder = storage.workplace(root).joinpath(*parts)
        """Where files are made; under a root in an object store, each goes on to there."""
        self._store = None if storage.is_local(root) else folder(root, *parts)
        self._waiting = 0

    def there(self, request_ids: Iterable[str]) -> set[str]:
        """Return which of the requests have their image, of the size that was landed.

        Its hash is looked at where the bytes are read: by `open`, and by ingest. Here it would mean to read all
        that a plan has made each time that it goes on.
        """
        records = {record["request_id"]: record for record in self._records()}
        return {key for key in request_ids if key in records and self._has_its_size(records[key])}

    def open(self) -> dict[str, str]:
        """Make the folder ready for `add`: drop unfinished files, and lines that are torn or lost their image.

        Return the SHA-256 of each image that was lost, by its request's id.
        """
        if self._store is not None:
            shutil.rmtree(self.folder, ignore_errors=True)  # of another try on this machine
        self.folder.mkdir(parents=True, exist_ok=True)
        for unfinished in self.folder.glob("*.tmp"):
            unfinished.unlink()
        records = self._records()
        kept = {r["request_id"]: r for r in records if self._is_whole(r)}
        content = "".join(_line(record) for record in kept.values())
        manifest = self.folder / RECORDS
        if not manifest.exists() or manifest.read_bytes() != content.encode():
            durable.write(manifest, content.encode())
        return {r["request_id"]: r["sha256"] for r in records if r["request_id"] not in kept}

    def add(self, content: bytes, record: Record) -> str:
        """Land one image: its file in one step, then its line, both on disk when this returns its SHA-256.

        Raises OSError.
        """
        file = f"{record['request_id']}.{SUFFIXES[record.get('format') or 'PNG']}"
        durable.write(self.folder / file, content)
        fault_point("generate:between-file-and-record")
        sha256 = hashlib.sha256(content).hexdigest()
        known = {"file": file, "sha256": sha256, "bytes": len(content)}
        line = _line({**known, **record})
        with open(self.folder / RECORDS, "a", encoding="utf-8") as manifest:
            manifest.write(line)
            manifest.flush()
            os.fsync(manifest.fileno())
        if self._store is not None:
            self._store.write(file, content)
            (self.folder / file).unlink()
            self._waiting += 1
            if self._waiting >= _RECORDS_AT_A_TIME:
                self.close()
        fault_point("generate:after-first-image")
        return sha256

    def close(self) -> None:
        """Bring the lines of what was added to the object store, where the images lie; on disk they are there."""
        if self._store is not None and self._waiting:
            self._store.write(RECORDS, (self.folder / RECORDS).read_bytes())
            self._waiting = 0

    def _records(self) -> list[Record]:
        """The complete lines; a torn last one, from a kill, and what a damaged disk left are not counted."""
        *lines, _ = self._manifest().split(b"\n")
        records = [record for line in lines if (record := record_of(line)) is not None]
        return [record for record in records if isinstance(record.get("request_id"), str)]

    def _manifest(self) -> bytes:
        manifest = self.folder / RECORDS
        if self._store is not None and not self._waiting:
            return self._store.read(RECORDS) or b""
        return manifest.read_bytes() if manifest.exists() else b""

    def _has_its_size(self, record: Record) -> bool:
        if self._store is not None:  # lines go there after their images
            return True
        file = self.folder / record["file"]
        if "bytes" not in record:  # of an older version
            return self._is_whole(record)
        return file.is_file() and file.stat().st_size == record["bytes"]

    def _is_whole(self, record: Record) -> bool:
        if self._store is not None:
            return True
        file = self.folder / record["file"]
        return file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == record["sha256"]


def slug(generator_id: str) -> str:
    """Return the generator's folder name: `owner--name`, with a hash where that could be unsafe or ambiguous."""
    if _PLAIN.fullmatch(generator_id) and "--" not in generator_id and len(generator_id) <= 150:
        return generator_id.replace("/", "--")
    readable = re.sub(r"[^A-Za-z0-9]+", "-", generator_id).strip("-")[:100]
    return f"{readable}--{hashlib.sha256(generator_id.encode()).hexdigest()[:12]}"


def _line(record: Record) -> str:
    return json.dumps(record) + "\n"
