"""The lake as Spark writes it: create, read, append, merge and overwrite tables by their declaration.

The only module that writes Delta through Spark. Every write selects the table's declared columns, holds the
table's lock, and is repeatable: appends leave out the keys that are there, merges touch only rows that differ.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from etl.errors import DuplicateKeys, SchemaMismatch
from etl.lake import snapshot
from etl.lake.file_settings import writing_files
from etl.lake.lock import table_lock
from etl.lake.properties import removals_allowed
from etl.lake.schemas import REJECTS, Table

_ONE_FILE = 20_000
"""Rows that are appended as one file."""


@dataclass(frozen=True)
class MergeCounts:
    """Rows that a merge inserted, updated, and left alone because they were there unchanged."""

    inserted: int
    updated: int
    unchanged: int


class Lake:
    """The tables under one root, through one Spark session."""

    def __init__(self, root: str, spark: SparkSession):
        self.root = str(root)
        self.spark = spark

    def path(self, table: Table) -> str:
        """Return the table's address, absolute where it is a local folder."""
        return snapshot.address(self.root, table)

    def exists(self, table: Table) -> bool:
        """Whether the table has been created."""
        return snapshot.exists(self.root, table)

    def version(self, table: Table) -> int:
        """Return the table's current Delta version. Raises as `snapshot.open_table`."""
        return snapshot.current_version(self.root, table)

    @contextlib.contextmanager
    def writing(self, *tables: Table) -> Iterator[None]:
        """Hold the tables' locks over a whole job, so that a second one stops at its start (LockHeld)."""
        with contextlib.ExitStack() as locks:
            for table in sorted(tables, key=lambda table: table.name):
                locks.enter_context(table_lock(self.root, table.name))
            yield

    def create(self, table: Table) -> None:
        """Create the table, empty and without deletion vectors, where it is missing."""
        with self._lock(table):
            if not self.exists(table):
                builder = DeltaTable.createIfNotExists(self.spark).location(self.path(table))
                builder = builder.addColumns(table.schema)
                for key, value in table.properties.items():
                    builder = builder.property(key, value)
                builder.execute()

    def read(self, table: Table, version: int | None = None) -> DataFrame:
        """Return the table's rows, at `version` when given.

        Raises LakeMissing where there is no such table or version, TableRefused where readers would differ on its
        rows, TableOutdated where it lacks columns, TableDamaged where its log has lost something.
        """
        # Asked of delta-rs, since Spark reports a damaged log by a Java stack trace.
        snapshot.require_columns(self.root, table, version)
        reader = self.spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        return reader.load(self.path(table))

    def read_or_empty(self, table: Table) -> DataFrame:
        """Return the table's rows, none where it has not been created."""
        return self.read(table) if self.exists(table) else self.spark.createDataFrame([], table.schema)

    def append(self, table: Table, rows: DataFrame, order: tuple[str, ...] = ()) -> tuple[int, int]:
        """Append the rows whose key is not there yet, sorted by `order`; return (appended, already there).

        Of rows that share a key within `rows`, one is kept. Nothing is committed when nothing is new.
        """
        with self._lock(table):
            self.create(table)
            rows = conform(table, rows).dropDuplicates(list(table.key)).persist()
            try:
                keys = self.read(table).select(*table.key)
                new = rows.join(keys, on=_same_key(rows, keys, table), how="left_anti").persist()
                total, fresh = rows.count(), new.count()
                if fresh:
                    # Few rows are one file: of several one is often empty, and left behind without a name.
                    placed = new.coalesce(1) if fresh <= _ONE_FILE else new
                    ordered = new.repartitionByRange(*order).sortWithinPartitions(*order) if order else placed
                    with self._files(table):
                        ordered.write.format("delta").mode("append").save(self.path(table))
                new.unpersist()
            finally:
                rows.unpersist()
            return fresh, total - fresh

    def add(self, table: Table, rows: DataFrame) -> None:
        """Append rows that the caller has found to be new, one a key, as one commit.

        For images: `append` moves every row to compare keys, which here is done on narrow rows.
        """
        with self._lock(table):
            self.create(table)
            with self._files(table):
                conform(table, rows).write.format("delta").mode("append").save(self.path(table))

    def append_batch(self, table: Table, rows: DataFrame, **batch: str) -> int:
        """Append rows that all have the values of `batch`, unless rows with them are there; return how many came.

        One commit, so that a batch is there whole or not at all: for large batches that are never added to, this
        spares the join that `append` makes. That keys are unique within the batch is the caller's word.
        """
        with self._lock(table):
            self.create(table)
            ours = _all([F.col(column) == value for column, value in batch.items()])
            if not self.read(table).where(ours).isEmpty():
                return 0
            with self._files(table):
                conform(table, rows).write.format("delta").mode("append").save(self.path(table))
            return self.read(table).where(ours).count()

    def upsert(self, table: Table, rows: DataFrame) -> None:
        """Insert or update rows that are known to be new or to differ, one a key, as one commit."""
        with self._lock(table):
            self.create(table)
            source = conform(table, rows)
            with self._files(table):
                if self.is_empty(table):
                    source.write.format("delta").mode("append").save(self.path(table))
                else:
                    self._merge(table, source)

    def is_empty(self, table: Table) -> bool:
        """Whether the table is missing or has no row."""
        return not self.exists(table) or self.read(table).select(*table.key).isEmpty()

    def merge(self, table: Table, rows: DataFrame, ignoring: tuple[str, ...] = ()) -> MergeCounts:
        """Insert new keys and update the rows that differ in any column not in `ignoring`.

        An unchanged source commits nothing: MERGE would rewrite every matched file all the same, so the source
        is reduced by a join first. Raises DuplicateKeys when rows share a key: none of them is the right one.
        """
        with self._lock(table):
            self.create(table)
            source = conform(table, rows).persist()
            try:
                total = source.count()
                if total != source.select(*table.key).distinct().count():
                    raise DuplicateKeys(f"rows to merge into '{table.name}' share a key ({', '.join(table.key)})")
                changed = self._changed(table, source, ignoring).persist()
                fresh = changed.where(~F.col("_there")).count()
                updated = changed.count() - fresh
                if fresh or updated:
                    self.upsert(table, changed.drop("_there"))
                changed.unpersist()
            finally:
                source.unpersist()
            return MergeCounts(fresh, updated, total - fresh - updated)

    def _changed(self, table: Table, source: DataFrame, ignoring: tuple[str, ...]) -> DataFrame:
        old = [F.col(c).alias(f"_old_{c}") for c in table.columns]
        there = self.read(table).select(*old, F.lit(True).alias("_found"))
        keys = [F.col(k).eqNullSafe(F.col(f"_old_{k}")) for k in table.key]
        compared = [c for c in table.columns if c not in ignoring and c not in table.key]
        same = [F.col(c).eqNullSafe(F.col(f"_old_{c}")) for c in compared]
        found = F.col("_found").isNotNull()
        joined = source.join(there, on=_all(keys), how="left").withColumn("_there", found)
        return joined.where(~(found & _all(same))).select(*table.columns, "_there")

    def _merge(self, table: Table, source: DataFrame) -> None:
        condition = " AND ".join(f"t.`{key}` <=> s.`{key}`" for key in table.key)
        target = DeltaTable.forPath(self.spark, self.path(table)).alias("t")
        merge = target.merge(source.alias("s"), condition).whenMatchedUpdateAll().whenNotMatchedInsertAll()
        merge.execute()

    def overwrite(self, table: Table, rows: DataFrame) -> int:
        """Replace the table's rows as one new version, which is returned; earlier versions stay readable."""
        with self._lock(table):
            self.create(table)
            with self._files(table):
                conform(table, rows).write.format("delta").mode("overwrite").save(self.path(table))
            return self.version(table)

    def erase(self, table: Table, where: Column) -> int:
        """Delete the rows that meet a condition, also from a table that is only appended to; return how many.

        Their files are written anew without them, the other rows as they were; the old files stay, for readers of
        earlier versions, until they are vacuumed.
        """
        with self._lock(table):
            count = self.read(table).where(where).count()
            if count:
                with removals_allowed(self.root, table), self._files(table):
                    DeltaTable.forPath(self.spark, self.path(table)).delete(where)
            return count

    def erase_keys(self, table: Table, keys: DataFrame) -> int:
        """Delete the rows that agree with a row of `keys` in all its columns, as `erase`; return how many."""
        same = " AND ".join(f"t.`{name}` = s.`{name}`" for name in keys.columns)
        with self._lock(table):
            count = self.read(table).join(keys, on=keys.columns, how="left_semi").count()
            if count:
                target = DeltaTable.forPath(self.spark, self.path(table)).alias("t")
                with removals_allowed(self.root, table), self._files(table):
                    target.merge(keys.alias("s"), same).whenMatchedDelete().execute()
            return count

    def refresh(self, table: Table, rows: DataFrame) -> bool:
        """Replace the rows of a derived table, unless they are the same already; return whether they were.

        Rows are the same when their number and the sum of their 64-bit hashes are: one pass over each side.
        """
        offered = conform(table, rows).persist()
        try:
            if self.exists(table) and _sum_of_hashes(offered) == _sum_of_hashes(self.read(table)):
                return False
            self.overwrite(table, offered)
            return True
        finally:
            offered.unpersist()

    def reject(self, stage: str, rejected: DataFrame, run_id: str) -> int:
        """Record refused inputs (columns key, sha256, code, detail) and return how many there are.

        A run that is repeated under its `run_id` records each input once.
        """
        rows = rejected.select(
            F.lit(stage).alias("stage"),
            "key",
            "sha256",
            "code",
            F.substring("detail", 1, 500).alias("detail"),
            F.lit(run_id).alias("run_id"),
            F.lit(1).alias("attempt"),
            F.lit(datetime.now(UTC)).alias("ts"),
        )
        with table_lock(self.root, REJECTS.name, wait_seconds=60):
            return sum(self.append(REJECTS, rows))

    def _lock(self, table: Table) -> contextlib.AbstractContextManager[None]:
        return table_lock(self.root, table.name)

    def _files(self, table: Table) -> contextlib.AbstractContextManager[None]:
        return writing_files(self.spark, table)


def _sum_of_hashes(rows: DataFrame) -> tuple[object, ...] | None:
    hashed = F.xxhash64(*[F.col(name) for name in rows.columns]).cast("decimal(38,0)")
    return rows.agg(F.count("*"), F.sum(hashed)).first()


def conform(table: Table, rows: DataFrame) -> DataFrame:
    """Return `rows` with the table's columns in their order; raise SchemaMismatch when any lacks or differs."""
    offered = sorted((field.name, field.dataType.simpleString()) for field in rows.schema)
    declared = sorted((field.name, field.dataType.simpleString()) for field in table.schema)
    if offered != declared:
        raise SchemaMismatch(f"rows for '{table.name}' have the columns {offered}, declared are {declared}")
    return rows.select(*table.columns)


def _same_key(left: DataFrame, right: DataFrame, table: Table) -> Column:
    return _all([left[key].eqNullSafe(right[key]) for key in table.key])


def _all(conditions: list[Column]) -> Column:
    return reduce(lambda a, b: a & b, conditions, F.lit(True))
