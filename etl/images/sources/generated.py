"""What `forensics generate` landed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from etl.errors import NothingUsable
from etl.images.sources.entry import Entry, Files
from etl.lake.folder import Folder, folder

_RECORDS = "records.jsonl"
_NEEDED = ("file", "sha256")


class Generated(Files):
    """One plan: per generator, images beside a records.jsonl."""

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

    def __init__(self, plan: Folder, name: str):
        self.plan = plan
        self.name = name
        self.collection = name

    def entries(self) -> Iterator[Entry]:
        for place in self.plan.folders():
            for number, record in enumerate(_lines(self.plan.read(f"{place}/{_RECORDS}") or b""), start=1):
                if record is None or not isinstance(record.get("generator_id"), str):
                    key = f"{place}/{_RECORDS}:{number}"
                    yield {"key": key, "label": 1, "code": "BAD_RECORD", "detail": "the line is no image's record"}
                    continue
                yield {
                    "key": f"{place}/{record['file']}",
                    "path": self.plan.address(f"{place}/{record['file']}"),
                    "sha256": record["sha256"],
                    "label": 1,
                    "generator_id": record["generator_id"],
                    "library_versions": json.dumps(record.get("library_versions"), sort_keys=True),
                    **{field: record.get(field) for field in self.FIELDS},
                }


def generated_plans(root: str) -> list[Generated]:
    """Return the plans that have been landed under `root`. Raises NothingUsable when there are none."""
    landing = folder(root, "landing", "images")
    plans = landing.folders()
    if not plans:
        raise NothingUsable(
            f"nothing has been generated under {landing.address()}; run `forensics generate` first"
        )
    return [Generated(folder(root, "landing", "images", plan), plan) for plan in plans]


def complete_lines(content: bytes) -> Iterator[dict[str, Any]]:
    """Yield the records of a file that grows by whole lines; a torn last line and damaged ones are left out."""
    return (record for record in _lines(content) if record is not None)


def record_of(line: bytes) -> dict[str, Any] | None:
    """Return an image's record: an object whose `file` (a bare name) and `sha256` are texts; else None."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not all(isinstance(found.get(key), str) for key in _NEEDED):
        return None
    return found if Path(found["file"]).name == found["file"] else None


def _lines(content: bytes) -> Iterator[dict[str, Any] | None]:
    # Split at line feeds only: Unicode's other line ends may stand within a prompt.
    *lines, _torn = content.split(b"\n")
    return map(record_of, lines)
