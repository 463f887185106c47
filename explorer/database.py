"""DuckDB over a snapshot: a view for every table, named as the table, over the Parquet files of its version.

One database in memory serves all sessions, with a schema of views for each snapshot; Parquet footers that were
read are kept. The SQL page gets a database of its own, which is locked before a visitor's first word reaches it.
"""

import threading
from collections import OrderedDict
from functools import lru_cache
from typing import Any

import duckdb
import polars as pl
from pyspark.sql.types import ArrayType, DataType, StructType

from etl.errors import TableDamaged, VersionGone
from etl.lake.schemas import Table
from etl.lake.storage import failure, file_system, is_local
from explorer.query import Query
from explorer.reading import Snapshot

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": 2,
    "memory_limit": "700MB",
    "temp_directory": "",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
_SESSION = ("set global TimeZone = 'UTC'", "set global parquet_metadata_cache = true")
_GONE = (
    "files of this version are gone: the tables were replaced or vacuumed meanwhile; reload the page, or choose a "
    "newer version"
)
_MOST_SNAPSHOTS = 64
_TYPES = {
    "string": "varchar",
    "integer": "integer",
    "long": "bigint",
    "double": "double",
    "float": "float",
    "boolean": "boolean",
    "binary": "blob",
    "timestamp": "timestamptz",
}
_lock = threading.Lock()
_schemas: "OrderedDict[Snapshot, str]" = OrderedDict()


def rows(lake: Snapshot, asked: Query) -> pl.DataFrame:
    """Return the answer.

    Raises VersionGone where files are gone, TableDamaged where they cannot be read, StorageRefused and
    StorageUnreachable for what an object store says.
    """
    cursor = _shared().cursor()
    try:
        cursor.execute(f"use {_schema_of(lake)}")
        parameters = {name: list(v) if isinstance(v, tuple) else v for name, v in asked.parameters}
        return cursor.sql(asked.text, params=parameters or None).pl()
    except duckdb.Error as error:
        raise _named(lake, error) from None
    finally:
        cursor.close()


def locked(lake: Snapshot) -> duckdb.DuckDBPyConnection:
    """Return a database of its own with the snapshot's views, that reads their files and nothing else.

    The lock cannot be undone from within: no other file, no network, no extension, no setting.
    Raises VersionGone where files are gone.
    """
    connection = duckdb.connect(":memory:", config=_SETTINGS)
    for statement in _SESSION:
        connection.execute(statement)
    try:
        _reach(connection, lake)
        files = _create_views(connection, lake)
    except duckdb.Error as error:
        connection.close()
        raise _named(lake, error) from None
    paths = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
    connection.execute(f"set allowed_paths = [{paths}]")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    return connection


def _named(lake: Snapshot, error: duckdb.Error) -> Exception:
    """Return what DuckDB's error means to who reads the lake; the error itself where that is not known."""
    if named := failure(lake.root, error):
        return named
    if isinstance(error, duckdb.IOException):
        return VersionGone(_GONE)
    if isinstance(error, duckdb.InvalidInputException):
        return TableDamaged(f"a file of the lake cannot be read: {error}")
    return error


@lru_cache(maxsize=1)
def _shared() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:", config=_SETTINGS)
    for statement in _SESSION:
        connection.execute(statement)
    return connection


def _schema_of(lake: Snapshot) -> str:
    """Return the schema that holds the snapshot's views, made at the first question."""
    with _lock:
        if lake not in _schemas:
            name = f"lake{sum(map(len, _schemas.values()))}_{abs(hash(lake))}"
            cursor = _shared().cursor()
            cursor.execute(f"create schema if not exists {name}")
            cursor.execute(f"use {name}")
            _reach(_shared(), lake)
            _create_views(cursor, lake)
            cursor.close()
            _schemas[lake] = name
            if len(_schemas) > _MOST_SNAPSHOTS:
                _, oldest = _schemas.popitem(last=False)
                _shared().cursor().execute(f"drop schema {oldest} cascade")
        _schemas.move_to_end(lake)
        return _schemas[lake]


def _create_views(connection: duckdb.DuckDBPyConnection, lake: Snapshot) -> list[str]:
    """Create a view for every table; return the files that they read. Raises as `snapshot.open_table`."""
    files: list[str] = []
    for table in lake.tables:
        content = lake.content(table)
        if content.files:
            read = connection.read_parquet(list(content.files), union_by_name=True)
            read.project(", ".join(_columns(table, content.columns))).create_view(table.name, replace=True)
            files += content.files
        else:
            empty = connection.sql(" ".join(["select", ", ".join(_columns(table, ())), "where false"]))
            empty.create_view(table.name, replace=True)
    return files


def _reach(connection: duckdb.DuckDBPyConnection, lake: Snapshot) -> None:
    """Let a database read the store in which a lake lies: its own extension for that would be a download."""
    if not is_local(lake.root):
        system = file_system()
        if not connection.filesystem_is_registered(system.protocol[0]):
            connection.register_filesystem(system)


def _columns(table: Table, there: tuple[str, ...]) -> list[str]:
    """Return the declared columns as SQL, null where an older table lacks them."""
    return [
        f'"{field.name}"' if field.name in there else f'null::{_sql_type(field.dataType)} as "{field.name}"'
        for field in table.schema.fields
    ]


def _sql_type(kind: DataType) -> str:
    if isinstance(kind, ArrayType):
        return f"{_sql_type(kind.elementType)}[]"
    if isinstance(kind, StructType):
        return f"struct({', '.join(f'{f.name} {_sql_type(f.dataType)}' for f in kind.fields)})"
    return _TYPES[kind.typeName()]


def names_of(connection: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    """Return (table, column, type) of every view, for the SQL page's list."""
    return connection.execute(
        "select table_name, column_name, data_type from information_schema.columns order by 1, ordinal_position"
    ).fetchall()
