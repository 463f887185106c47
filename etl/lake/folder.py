"""Folders of landed files, under a lake's root wherever it lies: files are written and read whole."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from etl import durable
from etl.lake import storage


class Folder(Protocol):
    """A folder by the names in it; a name may hold slashes."""

    def address(self, name: str = "") -> str:
        """Return where a file lies, as Spark and people take it: an absolute path, or s3a://…"""
        ...

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes, None where it is not there."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Put a file there in one step: readers see all of it or none."""
        ...

    def remove(self, name: str) -> None:
        """Delete a file, if it is there."""
        ...

    def folders(self) -> list[str]:
        """Return the names of the folders in it, sorted."""
        ...

    def files(self, after: str = "") -> list[tuple[str, datetime]]:
        """Return names and times of the files in it whose names come after `after`."""
        ...


def folder(root: str, *parts: str) -> Folder:
    """Return a folder under a lake's root; it need not be there yet."""
    if storage.is_local(root):
        return _OnDisk(Path(root, *parts))
    return _InBucket(root, *parts)


class _OnDisk:
    def __init__(self, path: Path):
        self._path = path

    def address(self, name: str = "") -> str:
        return str((self._path / name).resolve())

    def read(self, name: str) -> bytes | None:
        try:
            return (self._path / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, name: str, data: bytes) -> None:
        durable.write(self._path / name, data)

    def remove(self, name: str) -> None:
        (self._path / name).unlink(missing_ok=True)

    def folders(self) -> list[str]:
        try:
            with os.scandir(self._path) as inside:
                return sorted(item.name for item in inside if item.is_dir())
        except (FileNotFoundError, NotADirectoryError):
            return []

    def files(self, after: str = "") -> list[tuple[str, datetime]]:
        try:
            with os.scandir(self._path) as inside:
                found = [item for item in inside if item.is_file() and item.name > after]
                return [(item.name, datetime.fromtimestamp(item.stat().st_mtime, UTC)) for item in found]
        except (FileNotFoundError, NotADirectoryError):
            return []


class _InBucket:
    """A prefix of an object store. Raises StorageRefused and StorageUnreachable."""

    def __init__(self, root: str, *parts: str):
        self._root = storage.normal(root)
        self._bucket, prefix = storage.split(self._root)
        self._prefix = "/".join(part for part in (prefix, *parts) if part)

    def address(self, name: str = "") -> str:
        return f"s3a://{self._bucket}/{self._key(name)}"

    def read(self, name: str) -> bytes | None:
        with storage.answered(self._root):
            client = storage.client()
            try:
                found: bytes = client.get_object(Bucket=self._bucket, Key=self._key(name))["Body"].read()
                return found
            except client.exceptions.NoSuchKey:
                return None

    def write(self, name: str, data: bytes) -> None:
        with storage.answered(self._root):
            storage.client().put_object(Bucket=self._bucket, Key=self._key(name), Body=data)

    def remove(self, name: str) -> None:
        with storage.answered(self._root):
            storage.client().delete_object(Bucket=self._bucket, Key=self._key(name))

    def folders(self) -> list[str]:
        with storage.answered(self._root):
            return sorted(self._inside())

    def files(self, after: str = "") -> list[tuple[str, datetime]]:
        prefix = f"{self._prefix}/"
        with storage.answered(self._root):
            pages = storage.client().get_paginator("list_objects_v2")
            return [
                (one["Key"].removeprefix(prefix), one["LastModified"])
                for page in pages.paginate(
                    Bucket=self._bucket, Prefix=prefix, Delimiter="/", StartAfter=prefix + after
                )
                for one in page.get("Contents", ())
                if one["Key"] != prefix
            ]

    def _inside(self) -> Iterator[str]:
        prefix = f"{self._prefix}/"
        pages = storage.client().get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._bucket, Prefix=prefix, Delimiter="/"):
            for found in page.get("CommonPrefixes", ()):
                yield found["Prefix"].removeprefix(prefix).rstrip("/")

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}".rstrip("/")
