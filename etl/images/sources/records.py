"""What a table, a list or a JSON file says of an image: its words, in the lake's terms."""

import csv
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from etl.errors import ConfigError
from etl.images.decoding import Code, Refused
from etl.images.sources.entry import Entry

_NAMES: dict[str, tuple[str, ...]] = {
    "label": ("label", "class"),
    "generator": ("generator_id", "generator", "model_name", "model"),
    "real_source": ("real_source",),
    "split": ("split",),
    "sha256": ("sha256",),
    "architecture": ("architecture",),
    "prompt": ("prompt", "caption", "text"),
    "negative_prompt": ("negative_prompt",),
    "author": ("author",),
    "licence": ("licence", "license"),
    "nsfw": ("nsfw", "nsfw_flag"),
    "seed": ("seed",),
    "steps": ("steps",),
    "guidance": ("guidance",),
}
"""The words under which each fact may stand, the first that is there counts."""

_ABSENT = {"", "n/a", "na", "none", "null", "nan"}
_LABELS = {"0": 0, "real": 0, "1": 1, "fake": 1}
_TRUTH = {"true": True, "1": True, "false": False, "0": False}
ARCHITECTURES = {
    name.lower(): name for name in ("LatDiff", "PixDiff", "GAN", "Other", "Commercial")
}  # the paper's classes
KINDS = ("manual", "commercial", "imported")
"""What a generator is that is no model of the Hub; with a colour before its name it is its id."""


def described(
    record: Mapping[str, Any], real_source: str, label: int | None = None, generator_id: str | None = None
) -> Entry:
    """Return the columns that `record` names; the arguments hold where it says nothing of them.

    A record of a real that names a generator means the one that it stands beside. Raises Refused: BAD_RECORD for a
    value that cannot be meant, UNLABELLED for a fake without a generator and for what has no class.
    """
    facts = {name: _word(record, words) for name, words in _NAMES.items()}
    named = generator_of(facts.pop("generator"))
    said = facts.pop("label")
    if said is not None:
        label = _one_of(_LABELS, "label", said)
    elif named is not None or generator_id is not None:
        label = 1
    entry: Entry = {name: str(value) for name, value in facts.items() if value is not None}
    entry |= {"nsfw": _one_of(_TRUTH, "nsfw", facts["nsfw"]), "label": label}
    for name, kind in (("seed", int), ("steps", int), ("guidance", float)):
        entry[name] = _number(kind, name, facts[name])
    if (entry["seed"] or 0) >= 2**63 or (entry["steps"] or 0) >= 2**31:
        raise Refused(Code.BAD_RECORD, "a seed or a number of steps that is too large")
    entry["architecture"] = ARCHITECTURES.get(str(facts["architecture"]).lower())
    if label is None:
        raise Refused(Code.UNLABELLED, "nothing says whether it is real or fake; --generator or --assume_real can")
    if label == 0:
        source = entry.get("real_source", real_source)
        return entry | {"generator_id": None, "real_source": source, "pairs": [named] if named else None}
    if (named or generator_id) is None:
        raise Refused(Code.UNLABELLED, "a fake without a generator")
    return entry | {"generator_id": named or generator_id}


def generator_of(name: Any) -> str | None:
    """Return a generator's id by its name: `owner/model` of the Hub, `<kind>:<name>`, else `imported:<name>`.

    `:<id>` stands for any id, to the letter.
    """
    if name is None:
        return None
    name = str(name).strip()
    if name.startswith(":"):
        return name[1:]
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name, re.ASCII) or name.partition(":")[0] in KINDS:
        return name
    return f"imported:{name}"


def name_of(generator_id: str) -> str:
    """Return the name by which `generator_of` finds this id: itself, or behind a colon."""
    is_found = generator_of(generator_id) == generator_id and not absent(generator_id)
    return generator_id if is_found else f":{generator_id}"


def absent(value: Any) -> bool:
    """Whether a value stands for none: null, an empty word, N/A."""
    return value is None or (isinstance(value, str) and value.strip().lower() in _ABSENT) or value != value


def parsed(line: str | bytes) -> dict[str, Any]:
    """Return the JSON object of a line. Raises Refused(BAD_RECORD) where it is none."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Refused(Code.BAD_RECORD, f"no JSON: {error}") from None
    if not isinstance(record, dict):
        raise Refused(Code.BAD_RECORD, "no JSON object")
    return record


def rows(path: Path) -> Iterator[dict[str, Any] | Refused]:
    """Yield the rows of a CSV file with a header, or of a JSONL file, one at a time. Raises ConfigError."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # spreadsheets write a mark first
            if path.suffix.lower() == ".csv":
                yield from csv.DictReader(file)
                return
            for line in file:
                if line.strip():
                    try:
                        yield parsed(line)
                    except Refused as refused:
                        yield refused
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"cannot read the table {path}: {error}") from None


def _word(record: Mapping[str, Any], words: tuple[str, ...]) -> Any:
    return next((record[word] for word in words if not absent(record.get(word))), None)


def _one_of(choices: Mapping[str, Any], name: str, value: Any) -> Any:
    if value is None:
        return None
    word = str(int(value) if isinstance(value, bool | float) and value == int(value) else value).strip().lower()
    if word not in choices:
        raise Refused(Code.BAD_RECORD, f"{name} is {value!r}, not one of {', '.join(choices)}")
    return choices[word]


def _number(kind: type, name: str, value: Any) -> Any:
    try:
        return None if value is None else kind(value)
    except (TypeError, ValueError, OverflowError):
        raise Refused(Code.BAD_RECORD, f"{name} is {value!r}, no number") from None
