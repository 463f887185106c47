"""Lists of images: CSV or JSONL files whose rows name a local file or an address, and what is known of it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from etl.errors import ConfigError
from etl.images.decoding import Code, Refused
from etl.images.fetching import Fetcher
from etl.images.sources.entry import Entry, Files, Item, attempt, files_under, printable, refusal
from etl.images.sources.records import absent, described, rows

_CREDENTIALS = re.compile(r"(?<=://)[^/?#]*@")
_PLACES = ("url", "path", "file", "file_name")
"""Columns that may say where an image is, the first that is there counts."""


class Listing(Files):
    """A list of paths and addresses, read line by line.

    Paths are taken from `base` (by default the list's folder) and must stay in it: a list that came from elsewhere
    could name any file of this machine. Addresses are fetched by the executors as `fetcher` allows.
    """

    def __init__(
        self,
        path: str,
        collection: str,
        fetcher: Fetcher,
        base: str | None = None,
        generator_id: str | None = None,
        label: int | None = None,
    ):
        self.path = Path(path)
        self.name = collection
        self.collection = collection
        self.fetcher = fetcher
        self.base = Path(base).resolve() if base else self.path.resolve().parent
        self.generator_id = generator_id
        self.label = label

    def entries(self) -> Iterator[Entry]:
        for number, row in enumerate(rows(self.path), 1):
            if isinstance(row, Refused):
                yield refusal({"key": f"line {number}"}, row.code, row.detail)
                continue
            place = next((str(row[column]).strip() for column in _PLACES if not absent(row.get(column))), None)
            if number == 1 and not any(column in row for column in _PLACES):
                raise ConfigError(f"{self.path} has none of the columns {', '.join(_PLACES)}")
            yield self._entry(f"line {number}" if place is None else place, place, row)

    def open(self, entry: Entry) -> Iterator[Item]:
        is_address = "://" in entry["path"]
        yield entry, self.fetcher.fetch(entry["path"]) if is_address else attempt(entry["path"])

    def _entry(self, key: str, place: str | None, row: dict[str, Any]) -> Entry:
        # A password stands in no table: such an address is refused, under what is left of it.
        public = _CREDENTIALS.sub("", key)
        entry: Entry = {"key": printable(public)}
        try:
            if public != key:
                raise Refused(Code.NOT_ALLOWED, "an address may hold no user name and no password")
            if place is None:
                raise Refused(Code.BAD_RECORD, f"it names no image under {', '.join(_PLACES)}")
            entry["path"] = place if "://" in place else printable(self._inside(place))
            return entry | described(row, self.collection, self.label, self.generator_id)
        except Refused as refused:
            return refusal(entry, refused.code, refused.detail)

    def _inside(self, place: str) -> str:
        """Return the file's absolute path. Raises Refused(NOT_ALLOWED) where it lies outside of the base."""
        try:
            path = (self.base / place).resolve()
        except (OSError, ValueError, RuntimeError) as error:
            raise Refused(Code.UNREADABLE, str(error)) from None
        if not path.is_relative_to(self.base):
            raise Refused(Code.NOT_ALLOWED, f"it lies outside of {self.base}, which --base names")
        return str(path)


class ImageFolder(Files):
    """Image folders as Hugging Face's datasets has them: a metadata.csv or .jsonl names the files of its folder.

    The folder's first name below the root is the split where it is one of theirs (train, validation, test …).
    """

    SPLITS = ("train", "training", "validation", "val", "valid", "dev", "test", "testing", "eval")

    def __init__(self, path: str, collection: str, generator_id: str | None = None, label: int | None = None):
        self.path = Path(path)
        self.name = collection
        self.collection = collection
        self.generator_id = generator_id
        self.label = label

    def entries(self) -> Iterator[Entry]:
        empty = True
        for file in files_under(self.path, (".csv", ".jsonl")):
            if file.stem == "metadata":
                empty = False
                yield from self._listed(file)
        if empty:
            raise ConfigError(f"{self.path} has no metadata.csv or metadata.jsonl; without one use --layout")

    def _listed(self, file: Path) -> Iterator[Entry]:
        folder = file.parent.relative_to(self.path if self.path.is_dir() else self.path.parent)
        split = next((part for part in folder.parts[:1] if part.lower() in self.SPLITS), None)
        listing = Listing(str(file), self.collection, Fetcher(), None, self.generator_id, self.label)
        for entry in listing.entries():
            key = printable((folder / entry["key"]).as_posix())
            if "://" in entry.get("path", ""):
                entry = refusal(entry, Code.NOT_ALLOWED, "an image folder names files, not addresses")
            yield entry | {"key": key, "split": entry.get("split") or split}
