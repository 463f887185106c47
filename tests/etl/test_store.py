"""The lake as Spark writes it: every write is repeatable, and refuses what readers would get wrong."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyspark.sql import functions as F

from etl.errors import DuplicateKeys, LakeMissing, SchemaMismatch, TableDamaged, TableRefused
from etl.lake import snapshot
from etl.lake.schemas import DUPLICATES, GOLD_COUNTS, IMAGES, REJECTS, training_rows
from etl.lake.store import Lake, MergeCounts


def pairs(lake: Lake, *rows):
    return lake.spark.createDataFrame(rows, DUPLICATES.schema)


def content(lake: Lake, table=DUPLICATES) -> list[tuple]:
    """The rows as the readers without a JVM see them, which is quicker too."""
    return sorted(snapshot.read(lake.root, table).rows(), key=str)


def test_an_append_adds_new_keys_once_and_a_repetition_commits_nothing(lake):
    rows = pairs(lake, ("a", "b", 1), ("a", "b", 2), ("a", None, 3), ("a", None, 4), (None, None, 5))
    assert lake.append(DUPLICATES, rows) == (3, 0)
    assert [row[:2] for row in content(lake)] == [("a", "b"), ("a", None), (None, None)]
    version = lake.version(DUPLICATES)
    assert lake.append(DUPLICATES, rows) == (0, 3)
    assert lake.append(DUPLICATES, lake.read(DUPLICATES)) == (0, 3)
    assert lake.version(DUPLICATES) == version == 1


def test_an_append_of_few_rows_is_one_file_and_leaves_none_that_no_version_names(lake):
    for number in range(3):
        lake.append(DUPLICATES, pairs(lake, (f"{number}", "x", 1), (f"{number}", "y", 1)).repartition(5))
    files = list(Path(lake.root, DUPLICATES.name).glob("*.parquet"))
    assert len(files) == len(snapshot.live_files(lake.root, DUPLICATES)) == 3


def test_a_merge_inserts_updates_and_leaves_alone_and_a_repetition_commits_nothing(lake):
    snapshot.append(lake.root, DUPLICATES, [row("a", "b", 1), row("c", "d", 2), row(None, None, 3)])
    rows = pairs(lake, ("a", "b", 9), ("c", "d", 2), (None, None, 3), ("e", None, 4))
    assert lake.merge(DUPLICATES, rows) == MergeCounts(inserted=1, updated=1, unchanged=2)
    assert content(lake) == [("a", "b", 9), ("c", "d", 2), ("e", None, 4), (None, None, 3)]
    version = lake.version(DUPLICATES)
    assert lake.merge(DUPLICATES, rows) == MergeCounts(inserted=0, updated=0, unchanged=4)
    assert lake.version(DUPLICATES) == version


def test_a_merge_ignores_a_difference_in_the_columns_it_is_told_to(lake):
    snapshot.append(lake.root, DUPLICATES, [row("a", "b", 1)])
    assert lake.merge(DUPLICATES, pairs(lake, ("a", "b", 9)), ignoring=("distance",)) == MergeCounts(0, 0, 1)
    assert content(lake) == [("a", "b", 1)]


def test_rows_that_share_a_key_are_not_merged(lake):
    with pytest.raises(DuplicateKeys, match="share a key"):
        lake.merge(DUPLICATES, pairs(lake, ("a", "b", 1), ("a", "b", 2)))


def test_an_overwrite_is_a_version_and_the_earlier_ones_stay_readable(lake):
    first = lake.overwrite(DUPLICATES, pairs(lake, ("a", "b", 1)))
    second = lake.overwrite(DUPLICATES, lake.read(DUPLICATES).withColumn("distance", F.lit(2)))
    assert second == first + 1
    assert [r.distance for r in lake.read(DUPLICATES, first).collect()] == [1]
    assert [r.distance for r in lake.read(DUPLICATES).collect()] == [2]
    assert snapshot.read(lake.root, DUPLICATES, first)["distance"].to_list() == [1]
    with pytest.raises(LakeMissing, match=r"has no version 9: its newest is 2"):
        lake.read(DUPLICATES, 9)


def test_a_refresh_replaces_rows_only_when_they_differ(lake):
    def offered(*rows):
        return lake.spark.createDataFrame(rows, GOLD_COUNTS.schema)

    assert lake.refresh(GOLD_COUNTS, offered(("kind", "hub", 1, 2)))
    version = lake.version(GOLD_COUNTS)
    assert not lake.refresh(GOLD_COUNTS, offered(("kind", "hub", 1, 2)))
    assert lake.version(GOLD_COUNTS) == version
    assert lake.refresh(GOLD_COUNTS, offered())
    assert content(lake, GOLD_COUNTS) == []


def test_a_schema_mismatch_lists_the_columns_of_both_and_writes_nothing(lake):
    with pytest.raises(SchemaMismatch) as error:
        lake.append(DUPLICATES, lake.spark.createDataFrame([("a", 1)], "image_id string, distance long"))
    assert "columns [('distance', 'bigint'), ('image_id', 'string')]" in str(error.value)
    assert "declared are [('distance', 'int'), ('image_id', 'string'), ('other_id', 'string')]" in str(error.value)


def test_a_column_that_comes_twice_is_a_mismatch(lake):
    with pytest.raises(SchemaMismatch):
        lake.append(DUPLICATES, pairs(lake, ("a", "b", 1)).select("*", "image_id"))


def test_a_table_that_is_missing_is_said_with_what_to_do(lake):
    with pytest.raises(LakeMissing, match=r"no table 'images' in the lake at .*; run the stage .* --root"):
        lake.read(IMAGES)
    assert lake.read_or_empty(IMAGES).schema == IMAGES.schema


@pytest.mark.parametrize("setting", ["'delta.enableDeletionVectors'='true'", "'delta.columnMapping.mode'='name'"])
def test_a_table_that_other_readers_get_wrong_is_refused_by_all(lake, setting):
    columns = "image_id string, other_id string, distance int"
    lake.spark.sql(
        f"create table delta.`{lake.path(DUPLICATES)}` ({columns}) using delta tblproperties ({setting})"
    )
    feature = setting.split(".")[1].split("'")[0].removeprefix("enable").removesuffix(".mode")
    with pytest.raises(TableRefused, match=f"(?i){feature}"):
        lake.read(DUPLICATES)
    with pytest.raises(TableRefused, match=f"(?i){feature}"):
        snapshot.read(lake.root, DUPLICATES)


def test_a_damaged_log_is_an_error_for_spark_too(lake):
    snapshot.append(lake.root, DUPLICATES, [row("a", "b", 1)])
    newest = lake.path(DUPLICATES) + "/_delta_log/00000000000000000001.json"
    with open(newest, "r+b") as file:
        file.truncate(30)
    with pytest.raises(TableDamaged):
        lake.read(DUPLICATES)
    with pytest.raises(TableDamaged):
        lake.append(DUPLICATES, pairs(lake, ("a", "b", 1)))


def test_a_lost_file_is_an_error_for_spark_too(lake):
    snapshot.append(lake.root, DUPLICATES, [row("a", "b", 1)])
    (file,) = snapshot.live_files(lake.root, DUPLICATES)
    Path(file.removeprefix("file://")).unlink()
    with pytest.raises(TableDamaged, match="has lost files: `forensics repair` lists them"):
        lake.read(DUPLICATES)


@pytest.mark.parametrize("creator", ["spark", "delta-rs"])
def test_an_append_only_table_refuses_a_delete(lake, creator):
    lake.create(REJECTS) if creator == "spark" else snapshot.create(lake.root, REJECTS)
    with pytest.raises(Exception, match="DELTA_CANNOT_MODIFY_APPEND_ONLY"):
        lake.spark.sql(f"delete from delta.`{lake.path(REJECTS)}`")


def test_a_rejection_is_recorded_once_a_run(lake):
    rows = [("a.png", "s", "NOT_IMAGE", "d" * 900), ("a.png", "s", "NOT_IMAGE", ""), ("b.png", None, "GONE", None)]
    refused = lake.spark.createDataFrame(rows, "key string, sha256 string, code string, detail string")
    assert lake.reject("ingest", refused, "run 1") == 2
    assert lake.reject("ingest", refused, "run 1") == 2
    recorded = snapshot.read(lake.root, REJECTS)
    assert recorded.height == 2 and lake.version(REJECTS) == 1
    assert recorded["detail"].str.len_chars().max() in (0, 500)
    assert lake.reject("ingest", refused.limit(1), "run 2") == 1
    assert snapshot.read(lake.root, REJECTS).height == 3


def test_image_files_are_uncompressed_in_row_groups_of_about_8_mb(lake):
    rows = lake.spark.range(
        320
    ).select(
        F.sha2(F.col("id").cast("string"), 256).alias("image_id"),
        F.expr("cast(repeat(uuid(), 2800) as binary)").alias("bytes"),  # 100 kB
        *[F.lit(None).cast(f.dataType).alias(f.name) for f in training_rows("t").schema[2:]],
    )
    lake.overwrite(training_rows("t"), rows.coalesce(1))
    (file,) = snapshot.live_files(lake.root, training_rows("t"))
    found = pq.ParquetFile(file.removeprefix("file://")).metadata
    groups = [found.row_group(i) for i in range(found.num_row_groups)]
    columns = [group.column(i) for group in groups for i in range(group.num_columns)]
    assert {column.compression for column in columns} == {"UNCOMPRESSED"}
    assert all(6 << 20 <= group.total_byte_size <= 11 << 20 for group in groups[:-1]) and len(groups) >= 3
    assert lake.spark.conf.get("parquet.block.size", None) is None


def row(image_id: str | None, other_id: str | None, distance: int) -> dict:
    return {"image_id": image_id, "other_id": other_id, "distance": distance}
