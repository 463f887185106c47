"""Questions to the lake as data: DuckDB's SQL over the tables by their names, with values that are bound.

A page shows the same text under its figures, so that whoever doubts a number can run and change the question.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

Value = str | int | float | bool | datetime | date | tuple[str, ...] | None

_NAMED = re.compile(r"\$([a-z_][a-z0-9_]*)")


@dataclass(frozen=True)
class Condition:
    """One condition on rows; each `?` of the text stands for the value at its place."""

    text: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Query:
    """SQL with named parameters ($name). Equal questions are equal, so that answers can be kept by them."""

    text: str
    parameters: tuple[tuple[str, Value], ...] = ()

    @property
    def shown(self) -> str:
        """The question as text that runs by itself: values stand as literals."""
        values = dict(self.parameters)
        return _NAMED.sub(lambda m: _literal(values[m[1]]) if m[1] in values else m[0], self.text)


def query(text: str, where: Iterable[Condition | None] = (), **parameters: Value) -> Query:
    """Return the question; `{where}` in the text becomes the conditions that are not None, or nothing."""
    known = dict(parameters)
    clauses = []
    for condition in where:
        if condition is not None:
            clause = condition.text
            for value in condition.values:
                name = f"p{len(known) + 1}"
                clause = clause.replace("?", f"${name}", 1)
                known[name] = value
            clauses.append(clause)
    joined = " ".join(["where", " and ".join(clauses)]) if clauses else ""
    return Query(text.replace("{where}", joined).strip(), tuple(known.items()))


def equals(column: str, value: Value) -> Condition | None:
    """Rows whose column has the value; None asks for nothing."""
    return None if value is None else Condition(f"{column} = ?", (value,))


def among(column: str, values: Sequence[str]) -> Condition | None:
    """Rows whose column has one of the values; none asks for nothing."""
    return Condition(f"list_contains(?, {column})", (tuple(values),)) if values else None


def holds(columns: Sequence[str], text: str) -> Condition | None:
    """Rows of which one of the columns holds the text, in any case, taken literally; "" asks for nothing."""
    if not text:
        return None
    clauses = [f"contains(lower({column}), lower(?))" for column in columns]
    return Condition(f"({' or '.join(clauses)})", (text,) * len(columns))


def at_least(column: str, value: Value) -> Condition | None:
    return None if value is None else Condition(f"{column} >= ?", (value,))


def at_most(column: str, value: Value) -> Condition | None:
    return None if value is None else Condition(f"{column} <= ?", (value,))


def is_true(expression: str) -> Condition:
    """A condition without values, written by us."""
    return Condition(expression, ())


def _literal(value: Value) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, datetime):
        return f"timestamptz '{value.isoformat(sep=' ')}'"
    if isinstance(value, tuple):
        return f"[{', '.join(_literal(one) for one in value)}]"
    return "'" + str(value).replace("'", "''") + "'"
