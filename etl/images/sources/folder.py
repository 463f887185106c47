"""Folders of image files: of one kind with an optional table, or laid out by generator and class."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from etl.errors import ConfigError
from etl.images.decoding import Code
from etl.images.sources.entry import SUFFIXES, Entry, Files, files_under, placed, refusal
from etl.images.sources.layouts import FAKE, REAL, Layout
from etl.images.sources.records import generator_of, rows


class Folder(Files):
    """A folder of photographs or of one generator's images, optionally with a table of what is known of them.

    The table is a CSV file whose column `file` names the file; `caption`, `author` and `licence` are taken from
    it. Files are those with an image's suffix, at any depth; every other file is ignored.
    """

    SUFFIXES = SUFFIXES

    def __init__(self, path: str, collection: str, generator_id: str | None = None, table: str | None = None):
        self.path = Path(path)
        self.name = collection
        self.collection = collection
        self.generator_id = generator_id
        self.table = Path(table) if table else None

    def entries(self) -> Iterator[Entry]:
        known: dict[str, dict[str, str]] | None = None
        fake = self.generator_id is not None
        for file in files_under(self.path, SUFFIXES):
            known = self._known() if known is None else known
            entry = placed(file, self.path)
            row = known.get(entry["key"], {})
            yield entry | {
                "label": int(fake),
                "generator_id": self.generator_id,
                "real_source": None if fake else self.collection,
                "prompt": row.get("caption") or None,
                "author": row.get("author") or None,
                "licence": row.get("licence") or None,
            }

    def _known(self) -> dict[str, dict[str, str]]:
        """Return the table by file name: a table of a folder is held whole; larger ones are for --source list."""
        if self.table is None:
            return {}
        known = {}
        for row in rows(self.table):
            assert isinstance(row, dict)  # only lines of JSON can be refused
            if "file" not in row:
                raise ConfigError(f"{self.table} has no column 'file' (it has {', '.join(map(str, row))})")
            known[row["file"]] = row
        return known


class LaidOut(Files):
    """A folder in which folders tell the generator, the class and the split, as benchmarks are released.

    A file whose place tells no class is refused as UNLABELLED, and not left out.
    """

    def __init__(self, path: str, collection: str, layout: Layout):
        self.path = Path(path)
        self.name = collection
        self.collection = collection
        self.layout = layout

    def entries(self) -> Iterator[Entry]:
        for file in files_under(self.path, SUFFIXES):
            entry = placed(file, self.path)
            place = re.fullmatch(self.layout.expression, entry["key"])
            if place is None:
                yield refusal(entry, Code.UNLABELLED, f"not a place of the layout {self.layout.pattern}")
                continue
            yield self._placed(entry, {k: v for k, v in place.groupdict().items() if v})

    def _placed(self, entry: Entry, place: dict[str, str]) -> Entry:
        folder = place.get("generator", "")
        class_ = self.layout.class_of(place)
        entry["split"] = place.get("split")
        if class_ == REAL:
            paired = self.layout.pairs_of(folder)
            source = self.layout.real_source or (folder if self.layout.is_real(folder) else self.collection)
            return entry | {
                "label": 0,
                "real_source": place.get("source", source),
                "pairs": [_maker(name) for name in paired] or None,
            }
        if class_ == FAKE and folder:
            return entry | {"label": 1, "generator_id": _maker(folder)}
        return refusal(entry, Code.UNLABELLED, "its folders name no class, or of a fake no generator")


def _maker(folder: str) -> str | None:
    """Return the generator that a folder is named after, percent-encoded where its name could be no folder's."""
    return generator_of(unquote(folder))
