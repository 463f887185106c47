"""What `forensics generate` landed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from etl.errors import NothingUsable
from etl.images.sources.entry import Entry, Files


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
