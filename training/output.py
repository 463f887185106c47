"""Rows for people or programs: a table, CSV, or JSON with one object a line."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any


class Printer:
    """Turns rows of the same columns into lines, as they come."""

    def __init__(self, columns: Sequence[str], format_: str, widths: Mapping[str, int] | None = None):
        self._columns, self._format, self._widths = list(columns), format_, widths or {}

    def head(self) -> Iterator[str]:
        """Yield the line of the columns' names, where the format has one."""
        if self._format != "json":
            yield self._line({column: column for column in self._columns})

    def lines(self, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        """Yield a line a row; what is no column is left out."""
        for row in rows:
            yield self._line({column: row.get(column) for column in self._columns})

    def _line(self, row: Mapping[str, Any]) -> str:
        if self._format == "json":
            return json.dumps(row, ensure_ascii=True)
        if self._format == "csv":
            text = io.StringIO()
            csv.writer(text, lineterminator="").writerow("" if value is None else value for value in row.values())
            return text.getvalue()
        return "  ".join(
            f"{_shown(value):<{self._widths.get(column, 8)}}" for column, value in row.items()
        ).rstrip()


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    return "".join(letter if letter.isprintable() else "?" for letter in text)  # names are others' words
