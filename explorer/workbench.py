"""Queries of visitors: one statement that reads, in a database that is locked, for a limited time and answer."""

import threading
import time
from dataclasses import dataclass

import duckdb
import polars as pl

from explorer import database
from explorer.reading import Snapshot

MOST_ROWS = 10_000
SECONDS = 20
LONGEST = 20_000
"""Characters of a query."""


class QueryRefused(Exception):
    """A query of a visitor that is not run, or that failed; the message is DuckDB's, to be shown as text."""


@dataclass(frozen=True)
class Answer:
    """The first rows of an answer."""

    rows: pl.DataFrame
    is_cut: bool
    seconds: float


def run(lake: Snapshot, text: str) -> Answer:
    """Return the answer to one SELECT. Raises QueryRefused for anything else, for errors, and after SECONDS.

    The lock is what protects: from within, no file but the lake's can be read, none written, no setting changed.
    """
    if len(text) > LONGEST:
        raise QueryRefused(f"A query may have {LONGEST:,} characters; this one has {len(text):,}.")
    connection = database.locked(lake)
    timer = threading.Timer(SECONDS, connection.interrupt)
    begun = time.perf_counter()
    try:
        statements = connection.extract_statements(text)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise QueryRefused("Only one statement that reads (SELECT, FROM, WITH, DESCRIBE, SUMMARIZE) is run.")
        timer.start()
        rows = connection.sql(text).limit(MOST_ROWS + 1).pl()
    except duckdb.InterruptException:
        raise QueryRefused(f"It was ended after {SECONDS} seconds; ask for less.") from None
    except (duckdb.Error, pl.exceptions.PolarsError, ValueError) as error:
        raise QueryRefused(str(error)[:2000]) from None
    finally:
        timer.cancel()
        connection.close()
    return Answer(rows.head(MOST_ROWS), rows.height > MOST_ROWS, time.perf_counter() - begun)


def columns(lake: Snapshot) -> pl.DataFrame:
    """Return table, column, type of everything that can be asked."""
    connection = database.locked(lake)
    try:
        names = database.names_of(connection)
    finally:
        connection.close()
    return pl.DataFrame(names, schema=["Table", "Column", "Type"], orient="row")
