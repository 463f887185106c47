"""The lake without a JVM: reading tables at a version, and adding rows to those that Python processes write.

Training, generation and the explorer use this; it reads through delta-rs and Polars. Readers other than Spark
get some of Delta's features wrong (deletion vectors bring deleted rows back, column mapping loses names), so a
table that uses them is refused.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import deltalake
import polars as pl
import pyarrow as pa
from deltalake.exceptions import DeltaError, TableNotFoundError
from pyspark.sql.pandas.types import to_arrow_schema

from etl.errors import (
    ConfigError,
    ForensicsError,
    LakeMissing,
    SchemaMismatch,
    TableDamaged,
    TableOutdated,
    TableRefused,
    VersionGone,
)
from etl.lake import storage
from etl.lake.lock import table_lock
from etl.lake.schemas import Table
from etl.lake.storage import is_local

_MISREAD = set("%*[]\\^|")
"""Characters in a path with which delta-rs panics or looks in another folder (measured with 1.6.6)."""
_MOST_FILES = 64
"""Live files of a table of small rows from which an append compacts them: rows that come one by one, as tries at
generators do, would make each append read thousands of files for their keys."""
_REFUSED = {"deletionVectors", "columnMapping", "v2Checkpoint", "typeWidening", "variantType"}


def address(root: str, table: Table) -> str:
    """Return where the table lies, absolute where it is a local folder.

    Raises ConfigError for a folder whose name delta-rs takes for another one.
    """
    if not is_local(root):
        return f"{storage.normal(root)}/{table.name}"
    folder = str(Path(root).resolve())
    if misread := sorted(_MISREAD & set(folder)):
        raise ConfigError(
            f"the lake cannot lie at {folder}: with --root name a folder without {' '.join(misread)}"
        )
    return f"{folder}/{table.name}"


def exists(root: str, table: Table) -> bool:
    """Whether the table has been created."""
    with _named_failures(root):
        return deltalake.DeltaTable.is_deltatable(address(root, table), storage.delta_options(root))


def delta_table(root: str, table: Table) -> deltalake.DeltaTable:
    """Return the Delta table at its newest version, as delta-rs opens it."""
    return deltalake.DeltaTable(address(root, table), storage_options=storage.delta_options(root))


def open_table(root: str, table: Table, version: int | None = None) -> deltalake.DeltaTable:
    """Return the Delta table at `version`, by default its newest.

    Raises LakeMissing (no such table or version), TableRefused (deletion vectors, column mapping), TableDamaged.
    """
    path = address(root, table)
    try:
        found = delta_table(root, table)
        newest = found.version()
        if version is not None and not 0 <= version <= newest:
            raise LakeMissing(f"{path} has no version {version}: its newest is {newest}")
        if is_local(root):
            _require_log(Path(path) / "_delta_log", newest)
        if version is not None:
            found.load_as_version(version)
    except TableNotFoundError:
        raise LakeMissing(
            f"there is no table '{table.name}' in the lake at {root}; run the stage that writes it first "
            "(`forensics --help` lists the stages in their order), or name the lake with --root"
        ) from None
    except (DeltaError, OSError) as error:
        raise _failure(root, error, f"the Delta log of {path} cannot be read") from error
    _refuse(path, found)
    return found


def require_files(root: str, table: Table, version: int | None = None) -> deltalake.DeltaTable:
    """Return the Delta table, all files of the version being there: Spark would say it by a stack trace.

    Raises as `open_table`, VersionGone where an earlier version lacks files, TableDamaged where the newest does.
    """
    found = open_table(root, table, version)
    if is_local(root) and not all(os.path.exists(unquote(file)) for file in found.file_uris()):
        if version is None or version == current_version(root, table):
            raise TableDamaged(
                f"{address(root, table)} has lost files: `forensics repair` lists them, and what can be done"
            )
        raise VersionGone(
            f"files of version {version} of {address(root, table)} are gone; `forensics maintain` keeps those of "
            "versions that training sets name, and the rest for --retention_days"
        )
    return found


def require_columns(root: str, table: Table, version: int | None = None) -> None:
    """Raise as `require_files`, and TableOutdated for a table of an older version, which lacks columns."""
    found = require_files(root, table, version)
    if lost := sorted(set(table.columns) - {field.name for field in found.schema().fields}):
        raise TableOutdated(
            f"the table {address(root, table)} was made by an older version: it lacks {', '.join(lost)}; move it "
            "away and run the stage that writes it again (what was landed stays under landing/)"
        )


def current_version(root: str, table: Table) -> int:
    """Return the table's newest Delta version. Raises as `open_table`."""
    return int(open_table(root, table).version())


def read(
    root: str, table: Table, version: int | None = None, columns: Sequence[str] | None = None
) -> pl.DataFrame:
    """Return the table's rows as a Polars frame. Raises as `require_columns`."""
    require_columns(root, table, version)
    try:
        return scan(root, table, version).select(list(columns or table.columns)).collect()
    except (OSError, pl.exceptions.ComputeError) as error:
        raise _failure(root, error, f"a file of {address(root, table)} cannot be read") from error


def scan(root: str, table: Table, version: int | None = None) -> pl.LazyFrame:
    """Return the table as a lazy Polars frame, for queries that read a part. Raises as `open_table`."""
    opened = open_table(root, table, version)
    if not is_local(root):
        return pl.scan_delta(opened, storage_options=storage.delta_options(root))
    # Not scan_delta: it takes percent-encoded addresses for names, and finds nothing in a folder with a space.
    schema = pl.Schema(opened.schema())
    files = [unquote(file) for file in sorted(opened.file_uris())]
    return pl.scan_parquet(files, schema=schema, glob=False) if files else pl.LazyFrame(schema=schema)


def live_files(root: str, table: Table, version: int | None = None) -> list[str]:
    """Return the Parquet files of one version as URLs with a scheme, sorted; spaces stand as they are.

    A reader of files must take these and not list the folder: files of other versions lie beside them.
    Raises as `require_files`.
    """
    files = sorted(require_files(root, table, version).file_uris())
    return [unquote(file) if "://" in file else f"file://{unquote(file)}" for file in files]


def append(root: str, table: Table, rows: Sequence[Mapping[str, Any]], wait_seconds: float = 60.0) -> int:
    """Append the rows whose key is not there yet, as one commit; return how many were.

    Nothing is committed when nothing is new. Creates the table where it is missing, as Spark's store would; the
    files of many appends are compacted. Raises LockHeld when another process writes to the table for longer than
    `wait_seconds`.
    """
    with table_lock(root, table.name, wait_seconds):
        create(root, table)
        offered = pl.DataFrame(_arrow(table, rows)).unique(list(table.key), keep="first", maintain_order=True)
        keys = read(root, table, columns=table.key)
        fresh = offered.join(keys, on=list(table.key), how="anti", nulls_equal=True)
        if fresh.height:
            target = delta_table(root, table)
            with _named_failures(root):
                deltalake.write_deltalake(target, _cast(table, fresh), mode="append")
                if len(target.file_uris()) >= _MOST_FILES and not table.holds_images:
                    target.optimize.compact()
        return fresh.height


def replace(root: str, table: Table, rows: Sequence[Mapping[str, Any]], where: Mapping[str, str]) -> None:
    """Replace the rows whose columns equal `where` by `rows`, as one commit; commit nothing when they are equal.

    For results that a rerun computes anew, such as a run's metrics.
    """
    with table_lock(root, table.name, wait_seconds=60):
        create(root, table)
        offered = pl.DataFrame(_arrow(table, rows))
        there = read(root, table).filter([pl.col(column) == value for column, value in where.items()])
        if offered.sort(table.key).equals(there.sort(table.key)):
            return
        predicate = " AND ".join(f"{column} = '{_quoted(value)}'" for column, value in where.items())
        target = delta_table(root, table)
        with _named_failures(root):
            deltalake.write_deltalake(target, _cast(table, offered), mode="overwrite", predicate=predicate)


def write_chunks(root: str, table: Table, chunks: Iterable[Sequence[Mapping[str, Any]]], row_group: int) -> None:
    """Append chunks of rows, a commit each, in row groups of `row_group` rows.

    For tables that one process fills from scratch: keys are not looked for.
    """
    create(root, table)
    properties = deltalake.WriterProperties(max_row_group_size=row_group)
    for chunk in chunks:
        target = delta_table(root, table)
        rows = _cast(table, pl.DataFrame(_arrow(table, chunk)))
        deltalake.write_deltalake(target, rows, mode="append", writer_properties=properties)


def create(root: str, table: Table) -> None:
    """Create the table, empty and without deletion vectors, where it is missing."""
    if exists(root, table):
        return
    with _named_failures(root):
        deltalake.DeltaTable.create(
            address(root, table),
            schema=_schema(table),
            mode="ignore",
            configuration={**table.properties},
            storage_options=storage.delta_options(root),
        )


@contextlib.contextmanager
def _named_failures(root: str) -> Iterator[None]:
    """Raise StorageRefused or StorageUnreachable for what delta-rs says of an object store."""
    try:
        yield
    except (DeltaError, OSError) as error:
        if (named := storage.failure(root, error)) is None:
            raise
        raise named from None


def _failure(root: str, error: Exception, else_: str) -> ForensicsError:
    return storage.failure(root, error) or TableDamaged(f"{else_}: {error}")


def _require_log(log: Path, newest: int) -> None:
    """Refuse a log that readers accept although its begin or its end is gone: they would see fewer rows."""
    first, last = log / f"{0:020}.json", log / f"{newest:020}.json"
    begins = first.exists() or any(log.glob("*.checkpoint*.parquet"))
    if not begins or (last.exists() and last.stat().st_size == 0):
        raise TableDamaged(
            f"the Delta log {log} has lost commits: {last.name if begins else first.name} is missing"
        )


def _refuse(path: str, table: deltalake.DeltaTable) -> None:
    protocol = table.protocol()
    used = _REFUSED & set(protocol.reader_features or []) | _REFUSED & set(protocol.writer_features or [])
    mapping = table.metadata().configuration.get("delta.columnMapping.mode", "none")
    if mapping != "none":
        used.add("columnMapping")
    if used:
        raise TableRefused(
            f"{path} uses {', '.join(sorted(used))}, which not every reader of the lake reads correctly; write "
            "the rows to a new table without it"
        )


def _schema(table: Table) -> pa.Schema:
    return to_arrow_schema(table.schema)


def _arrow(table: Table, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    schema = _schema(table)
    unknown = {key for row in rows for key in row} - set(table.columns)
    if unknown:
        declared = sorted(table.columns)
        raise SchemaMismatch(
            f"rows for '{table.name}' have the columns {sorted(unknown)}, declared are {declared}"
        )
    columns = {name: [row.get(name) for row in rows] for name in table.columns}
    return pa.table(columns, schema=schema)


def _cast(table: Table, frame: pl.DataFrame) -> pa.Table:
    """Give the columns their declared Arrow types: Petastorm silently drops the `large_string` of Polars."""
    return frame.select(table.columns).to_arrow().cast(_schema(table))


def _quoted(value: str) -> str:
    return value.replace("'", "''")
