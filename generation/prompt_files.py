"""Texts in a file of prompts: lines of a text file, or a column of a .jsonl, .csv or .parquet file.

The files may come from anybody: only these four formats are read, none of which can hold code.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from etl.errors import ConfigError

FORMATS = (".txt", ".jsonl", ".csv", ".parquet")
COLUMNS = ("prompt", "text", "caption")
"""Columns that are taken, the first that there is, where none is named."""
MAX_ROWS = 10_000_000
"""Rows of one file: a Parquet file of a few kilobytes can claim billions."""
_BATCH_ROWS = 1024


def read_texts(path: Path, column: str | None, name: str) -> Iterator[str | None]:
    """Yield the text of each row of a file, None where a row has none.

    `name` is what messages call the file. Raises ConfigError for another format, a column that is missing or not
    of text, bytes that are not UTF-8 or not of the format, more than MAX_ROWS rows.
    """
    suffix = path.suffix.lower()
    if suffix not in (*FORMATS, ""):
        raise ConfigError(
            f"prompts come from .txt files (one a line), .jsonl, .csv or .parquet, and {name} is none of these"
        )
    if suffix in (".txt", "") and column is not None:
        raise ConfigError(f"{name} is a text file, one prompt a line, without columns; leave '#{column}' out")
    read = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}.get(suffix)
    try:
        texts = read(path, column, name) if read else _lines(path)
        for row, text in enumerate(texts, start=1):
            _require_few(row, name)
            yield text
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name} is not UTF-8 (byte {error.start}: {error.reason}); save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"cannot read the prompts in {name}: {error.strerror or error}") from None
    except (csv.Error, pa.ArrowException) as error:
        said = " ".join(str(error).split())[:200]
        raise ConfigError(f"{name} is not a {suffix} file that can be read: {said}") from None


def _require_few(rows: int, name: str) -> None:
    if rows > MAX_ROWS:
        raise ConfigError(f"{name} has more than {MAX_ROWS:,} rows; name a smaller file")


def _lines(path: Path) -> Iterator[str]:
    yield from path.read_text(encoding="utf-8-sig").splitlines()


def _jsonl(path: Path, column: str | None, name: str) -> Iterator[str | None]:
    with path.open(encoding="utf-8-sig") as file:
        chosen = None
        for number, line in enumerate(file, start=1):
            row = _object(line, f"line {number} of {name}")
            if chosen is None and row:  # blank lines may come before it
                chosen = _chosen(list(row), column, name)
            text = row.get(chosen) if chosen is not None else None
            if text is not None and not isinstance(text, str):
                raise ConfigError(f"'{chosen}' in line {number} of {name} is not text but {json.dumps(text)[:40]}")
            yield text


def _object(line: str, where: str) -> dict[str, Any]:
    """Return the object that a line holds, an empty one for a blank line."""
    if not line.strip():
        return {}
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ConfigError(f"{where} is not a JSON object; a .jsonl file holds one on every line")
    return found


def _csv(path: Path, column: str | None, name: str) -> Iterator[str | None]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, strict=True)
        header = next(rows, None)
        if header is None:
            return
        place = header.index(_chosen(header, column, name))
        for row in rows:
            yield row[place] if place < len(row) else None


def _parquet(path: Path, column: str | None, name: str) -> Iterator[str | None]:
    with pq.ParquetFile(path) as file:
        _require_few(file.metadata.num_rows, name)
        schema = file.schema_arrow
        texts = [field.name for field in schema if _is_text(field.type)]
        chosen = _chosen(texts if column is None else schema.names, column, name)
        if chosen not in texts:
            raise ConfigError(f"column '{chosen}' of {name} is not text but {schema.field(chosen).type}")
        for batch in file.iter_batches(_BATCH_ROWS, columns=[chosen]):
            yield from batch.column(0).to_pylist()


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):  # pandas' categories
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _chosen(columns: Sequence[str], column: str | None, name: str) -> str:
    """Return the column that is named, else the first of COLUMNS that there is, else the only one."""
    known = repr(", ".join(columns)[:500])[1:-1] or "none of text"  # whoever wrote the file chose these names
    if column is not None:
        if column not in columns:
            raise ConfigError(f"{name} has no column '{column}'; its columns: {known}")
        return column
    usual = [name_ for name_ in COLUMNS if name_ in columns]
    if not usual and len(columns) != 1:
        raise ConfigError(
            f"which column of {name} holds the prompts? name it at the end, as in '#prompt'; its columns: {known}"
        )
    return usual[0] if usual else columns[0]
