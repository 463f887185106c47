"""Every table is the same whoever creates it, and is declared in types that all readers read."""

import re
from datetime import UTC, datetime

import deltalake
import pyarrow.parquet as pq
import pytest
from pyspark.sql.types import ArrayType, DataType, StructType

from etl.lake import snapshot
from etl.lake.schemas import IMAGES, MODELS, TABLES, training_rows
from etl.lake.store import Lake

ALL = [*TABLES, training_rows("demo")]
VALUES = {
    "string": "ü",
    "int": -(2**31),
    "bigint": 2**63 - 1,
    "double": 0.1,
    "boolean": True,
    "binary": b"\0\xff",
    "timestamp": datetime(2025, 3, 4, 5, 6, 7, 89012, tzinfo=UTC),
}


def value(kind: DataType):
    if isinstance(kind, ArrayType):
        return [value(kind.elementType), value(kind.elementType)]
    if isinstance(kind, StructType):
        return {field.name: value(field.dataType) for field in kind}
    return VALUES[kind.simpleString()]


@pytest.mark.parametrize("table", ALL, ids=lambda table: table.name)
def test_a_key_is_made_of_columns_and_names_are_plain(table):
    assert set(table.key) <= set(table.columns) and len(set(table.columns)) == len(table.columns)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in table.columns)


def test_table_names_are_unique():
    assert len({table.name for table in ALL}) == len(ALL)


def test_spark_and_delta_rs_create_the_same_tables(spark, tmp_path):
    """Schema and properties are equal, deletion vectors are off, and appends alone are allowed where declared."""
    by_spark, by_rust = str(tmp_path / "spark"), str(tmp_path / "rust")
    for table in ALL:
        Lake(by_spark, spark).create(table)
        snapshot.create(by_rust, table)
        ours, theirs = (deltalake.DeltaTable(snapshot.address(root, table)) for root in (by_spark, by_rust))
        assert ours.schema() == theirs.schema(), table.name
        assert Lake(by_rust, spark).read(table).schema == table.schema, table.name
        for made in (ours, theirs):
            settings = made.metadata().configuration
            assert settings.pop("delta.columnMapping.mode", "none") == "none"
            assert settings == table.properties, table.name
            assert not made.metadata().partition_columns


@pytest.mark.parametrize("table", [MODELS, IMAGES], ids=lambda table: table.name)
def test_a_row_of_every_type_reads_the_same_whoever_wrote_it(spark, tmp_path, table):
    lake = Lake(str(tmp_path), spark)
    full = {field.name: value(field.dataType) for field in table.schema} | {table.key[0]: "by delta-rs"}
    empty = {table.key[0]: "empty"}
    snapshot.append(lake.root, table, [full, empty])
    mirrored = full | {table.key[0]: "by spark"}
    rows = [[mirrored[column] for column in table.columns]]
    assert lake.append(table, spark.createDataFrame(rows, table.schema)) == (1, 0)
    found = {row[table.key[0]]: row for row in snapshot.read(lake.root, table).to_dicts()}
    assert found == {
        "by delta-rs": full,
        "by spark": mirrored,
        "empty": dict.fromkeys(table.columns) | empty,
    }
    by_spark = {row[table.key[0]]: row for row in lake.read(table).drop(*times(table)).toLocalIterator()}
    kept = [name for name in table.columns if name not in times(table)]
    assert by_spark["by delta-rs"].asDict(recursive=True) == {name: full[name] for name in kept}
    for file in snapshot.live_files(lake.root, table):
        assert "large" not in str(pq.read_schema(file.removeprefix("file://")))


def times(table) -> list[str]:
    """Columns that Spark gives to Python without their zone."""
    return [field.name for field in table.schema if field.dataType.simpleString() == "timestamp"]
