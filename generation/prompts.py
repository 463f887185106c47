"""Prompts and where they come from: captions of the lake's real images, a file, or a file of a dataset of the Hub.

Prompts are text from anybody: nothing is done with them but to strip and cap them, and to drop what cannot be
stored.
"""

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import polars as pl

from etl.errors import NothingUsable
from etl.lake import snapshot
from etl.lake.schemas import IMAGES, PROMPTS
from generation.assignment import prompt_id
from generation.plan import Plan
from generation.prompt_datasets import PREFIX, download_dataset, parse_dataset
from generation.prompt_files import read_texts

MAX_CHARACTERS = 2_000
"""Longer prompts are cut. Pipelines read 77 to 512 tokens, far less than this."""


Row = tuple[str | None, str, str, str | None]
"""One row of a source: the fields of a Prompt, its text as found."""


class Prompt(NamedTuple):
    """One prompt, and the first place where it was found."""

    text: str
    source: str
    key: str
    """The image's id, or the number of the row, from 1."""
    licence: str | None


def read_prompts(root: str, spec: str | None, endpoint: str) -> list[Prompt]:
    """Return the distinct prompts, sorted by their text; `spec` as in the settings.

    Raises NothingUsable when there are none, ConfigError when the source cannot be read, HubUnreachable.
    """
    if spec is None:
        prompts = distinct(_captions(root))
    elif spec.startswith(PREFIX):
        prompts = distinct(_of_dataset(spec, endpoint))
    else:
        prompts = distinct(_of_file(spec))
    if not prompts:
        if spec is not None:
            raise NothingUsable(f"there is no prompt in {spec}; name another file with --prompts")
        raise NothingUsable(
            f"there is no prompt in the real images of the lake at {root}; ingest captioned photos, or name a "
            "file with --prompts"
        )
    return sorted(prompts, key=lambda prompt: prompt.text)


def distinct(rows: Iterable[Row]) -> list[Prompt]:
    """Return each text once, stripped and capped, from the first row that has it; say what was cut or dropped."""
    found: dict[str, Prompt] = {}
    cut = dropped = 0
    for raw, source, key, licence in rows:
        text = (raw or "").strip()
        if not _is_storable(text):
            dropped += 1
            continue
        if len(text) > MAX_CHARACTERS:
            cut += 1
            text = text[:MAX_CHARACTERS].rstrip()
        if text and text not in found:
            found[text] = Prompt(text, source, key, licence)
    if dropped:
        print(f"prompts: {dropped} dropped, which hold NUL or are no Unicode text", file=sys.stderr)
    if cut:
        print(f"prompts: {cut} cut to {MAX_CHARACTERS:,} characters", file=sys.stderr)
    return list(found.values())


def record_prompts(root: str, prompts: Iterable[Prompt], plan: Plan, now: datetime) -> int:
    """Add those of the prompts that the plan asks for to the lake's table; return how many are new there."""
    asked = {request.prompt_id for task in plan.tasks for request in task.requests}
    rows = [
        {
            "prompt_id": prompt_id(prompt.text),
            "text": prompt.text,
            "source": prompt.source,
            "source_key": prompt.key,
            "licence": prompt.licence,
            "first_seen": now,
        }
        for prompt in prompts
    ]
    wanted = [row for row in rows if row["prompt_id"] in asked]
    return snapshot.append(root, PROMPTS, wanted) if wanted else 0


def _captions(root: str) -> Iterator[Row]:
    """Yield the captions of the real images, in the order of their sources and ids."""
    if not snapshot.exists(root, IMAGES):
        return
    source = pl.concat_str(pl.lit("lake:"), pl.col("real_source").fill_null("")).alias("source")
    real = snapshot.scan(root, IMAGES).filter((pl.col("label") == 0) & pl.col("prompt").is_not_null())
    captions = real.select("prompt", source, "image_id", "licence").collect().sort("source", "image_id")
    yield from captions.iter_rows()


def _of_file(spec: str) -> Iterator[Row]:
    """Yield the rows of a local file; '#' in its name begins the column, unless there is a file of that name."""
    path, _, column = (spec, "", "") if os.path.exists(spec) else spec.partition("#")
    source = f"file:{Path(path).name}"
    for number, text in enumerate(read_texts(Path(path), column or None, path), start=1):
        yield text, source, str(number), None


def _of_dataset(spec: str, endpoint: str) -> Iterator[Row]:
    """Yield the rows of a file of the Hub, and say at which commit it was taken."""
    asked = parse_dataset(spec)
    with tempfile.TemporaryDirectory(prefix="prompts-") as folder:
        path, taken, licence = download_dataset(asked, Path(folder), endpoint)
        if asked.revision != taken.revision:
            column = f"#{asked.column}" if asked.column else ""
            print(f"prompts: taken from {taken}{column}; name this commit to get the same again", file=sys.stderr)
        for number, text in enumerate(read_texts(path, asked.column, str(taken)), start=1):
            yield text, str(taken), str(number), licence


def _is_storable(text: str) -> bool:
    """Whether every reader of the lake can hold the text: JSON can escape halves of characters, which none can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text
