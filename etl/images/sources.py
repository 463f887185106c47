"""Where images come from: each source lists its files with what is known of them, before anything is read.

A source yields one dictionary a file: `key` (its name in the source), `path`, `sha256` where it is promised, and
the columns of `images` that the source knows. Listing happens on the driver; bytes are read by the executors.
"""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from etl.errors import ConfigError, NothingUsable

Entry = dict[str, Any]


class Source(Protocol):
    """A named set of image files."""

    name: str
    collection: str

    def entries(self) -> Iterator[Entry]:
        """Yield one entry a file, in a stable order. Raises NothingUsable when there is nothing to list."""
        ...


class Folder:
    """A folder of photographs or of one generator's images, optionally with a table of what is known of them.

    The table is a CSV file whose column `file` names the file; `caption`, `author` and `licence` are taken from
    it. Files are those with an image's suffix, at any depth; every other file is ignored.
    """

    SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif")

    def __init__(self, path: str, collection: str, generator_id: str | None = None, table: str | None = None):
        self.path = Path(path)
        self.name = collection
        self.collection = collection
        self.generator_id = generator_id
        self.table = Path(table) if table else None

    def entries(self) -> Iterator[Entry]:
        if not self.path.is_dir():
            raise NothingUsable(f"there is no folder {self.path}; name one with --path")
        files = sorted(f for f in self.path.rglob("*") if f.suffix.lower() in self.SUFFIXES and f.is_file())
        if not files:
            raise NothingUsable(f"{self.path} holds no file that ends in {', '.join(self.SUFFIXES)}")
        known = self._known()
        fake = self.generator_id is not None
        for file in files:
            key = _printable(file.relative_to(self.path).as_posix())
            row = known.get(key, {})
            yield {
                "key": key,
                "path": _printable(str(file.resolve())),
                "label": int(fake),
                "generator_id": self.generator_id,
                "real_source": None if fake else self.collection,
                "prompt": row.get("caption") or None,
                "author": row.get("author") or None,
                "licence": row.get("licence") or None,
            }

    def _known(self) -> dict[str, dict[str, str]]:
        if self.table is None:
            return {}
        try:
            with self.table.open(newline="", encoding="utf-8-sig") as file:  # spreadsheets write a mark first
                rows = list(csv.DictReader(file))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise ConfigError(f"cannot read the table {self.table}: {error}") from None
        if rows and "file" not in rows[0]:
            raise ConfigError(f"{self.table} has no column 'file' (it has {', '.join(rows[0])})")
        return {row["file"]: row for row in rows}


class Generated:
    """What `forensics generate` landed: per plan and generator, images beside a records.jsonl."""

    FIELDS = (
        "prompt",
        "negative_prompt",
        "class_label",
        "quality",
        "subsampling",
        "licence",
        "nsfw",
        "request_id",
        "seed",
        "steps",
        "guidance",
        "scheduler",
        "dtype",
        "batch_size",
        "device",
        "model_revision",
    )

    def __init__(self, plan: Path):
        self.plan = plan
        self.name = plan.name
        self.collection = plan.name

    def entries(self) -> Iterator[Entry]:
        for manifest in sorted(self.plan.glob("*/records.jsonl")):
            for record in complete_lines(manifest):
                yield {
                    "key": f"{manifest.parent.name}/{record['file']}",
                    "path": str((manifest.parent / record["file"]).resolve()),
                    "sha256": record["sha256"],
                    "label": 1,
                    "generator_id": record["generator_id"],
                    "library_versions": json.dumps(record.get("library_versions"), sort_keys=True),
                    **{field: record.get(field) for field in self.FIELDS},
                }


def _printable(name: str) -> str:
    r"""Return a file name as Unicode; bytes that are none become `\xff`, and the file is refused as unreadable."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def generated_plans(root: str) -> list[Generated]:
    """Return the plans that have been landed under `root`. Raises NothingUsable when there are none."""
    landing = Path(root) / "landing" / "images"
    plans = sorted(p for p in landing.glob("*") if p.is_dir()) if landing.is_dir() else []
    if not plans:
        raise NothingUsable(f"nothing has been generated under {landing}; run `forensics generate` first")
    return [Generated(plan) for plan in plans]


def complete_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of a file that grows by whole lines; a torn last line, from a kill, is left out."""
    # Split at line feeds only: Unicode's other line ends may stand within a prompt.
    *lines, _torn = path.read_bytes().split(b"\n")
    for line in lines:
        yield json.loads(line)
