"""The lake without a JVM: the same rows, the same refusals, and never a smaller count than there is."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import deltalake
import polars as pl
import pyarrow.parquet as pq
import pytest

from etl.errors import ConfigError, LakeMissing, SchemaMismatch, TableDamaged, TableOutdated, VersionGone
from etl.lake import snapshot
from etl.lake.schemas import DUPLICATES, EVALUATIONS, MODELS, PREDICTIONS, REJECTS

NOW = datetime(2025, 3, 4, 5, 6, 7, 89012, tzinfo=UTC)


@pytest.fixture
def root(tmp_path) -> str:
    return str(tmp_path / "lake")


def pair(image_id, other_id, distance=1):
    return {"image_id": image_id, "other_id": other_id, "distance": distance}


def log(root: str) -> Path:
    return Path(root) / DUPLICATES.name / "_delta_log"


def test_an_append_adds_new_keys_once_and_a_repetition_commits_nothing(root):
    rows = [pair("a", "b", 1), pair("a", "b", 2), pair("a", None, 3), pair("a", None, 4)]
    assert snapshot.append(root, DUPLICATES, rows) == 2
    assert snapshot.read(root, DUPLICATES).rows() == [("a", "b", 1), ("a", None, 3)]
    version = snapshot.current_version(root, DUPLICATES)
    assert snapshot.append(root, DUPLICATES, rows) == 0
    assert snapshot.append(root, DUPLICATES, []) == 0
    assert snapshot.current_version(root, DUPLICATES) == version


def test_the_first_append_of_nothing_makes_an_empty_table(root):
    assert snapshot.append(root, DUPLICATES, []) == 0
    assert snapshot.read(root, DUPLICATES).columns == DUPLICATES.columns


def test_columns_that_a_row_lacks_are_null_and_unknown_ones_are_refused(root):
    snapshot.append(root, DUPLICATES, [{"image_id": "a"}])
    assert snapshot.read(root, DUPLICATES).rows() == [("a", None, None)]
    with pytest.raises(SchemaMismatch, match=r"columns \['distanse'\], declared are \['distance', 'image_id'"):
        snapshot.append(root, DUPLICATES, [{"distanse": 1}])


def test_no_file_holds_a_large_string(root):
    file = {"path": "a", "size": 2**40, "sha256": None}
    model = {
        "model_id": "m",
        "revision": "r",
        "files": [file],
        "tags": ["x"],
        "created_at": NOW,
        "is_current": True,
    }
    snapshot.append(root, MODELS, [model])
    (path,) = snapshot.live_files(root, MODELS)
    assert "large" not in str(pq.read_schema(path.removeprefix("file://")))
    assert snapshot.read(root, MODELS, columns=["files"]).item(0, 0).to_list() == [file]


def test_a_time_keeps_its_instant_whatever_its_zone(root):
    elsewhere = NOW.astimezone(timezone(timedelta(hours=5)))
    snapshot.append(root, REJECTS, [{"stage": "s", "key": "k", "ts": elsewhere}])
    assert snapshot.read(root, REJECTS, columns=["ts"]).item() == NOW


def test_an_earlier_version_stays_readable_and_one_that_is_not_there_is_named(root):
    for name in ("a", "b"):
        snapshot.append(root, DUPLICATES, [pair(name, name)])
    assert snapshot.read(root, DUPLICATES, version=1).height == 1
    assert len(snapshot.live_files(root, DUPLICATES, version=1)) == 1
    for version in (3, -1):
        with pytest.raises(LakeMissing, match=f"has no version {version}: its newest is 2"):
            snapshot.read(root, DUPLICATES, version=version)


def test_a_missing_table_is_said_with_what_to_do(root):
    assert not snapshot.exists(root, DUPLICATES)
    with pytest.raises(LakeMissing, match=r"no table 'duplicates' in the lake at .* --root"):
        snapshot.read(root, DUPLICATES)


@pytest.mark.parametrize("name", ["my lake #1", "Jürgen", "a?b=c&d", "it's", "co:lon"])
def test_a_lake_may_lie_in_a_folder_with_an_unusual_name(tmp_path, name):
    root = str(tmp_path / name)
    assert snapshot.append(root, DUPLICATES, [pair("a", "b")]) == 1
    assert snapshot.append(root, DUPLICATES, [pair("a", "b")]) == 0
    assert snapshot.read(root, DUPLICATES).height == 1
    assert all(Path(file.removeprefix("file://")).exists() for file in snapshot.live_files(root, DUPLICATES))


@pytest.mark.parametrize("name", ["100%", "a*", "a[b]", "a|b"])
def test_a_folder_that_delta_rs_takes_for_another_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match="with --root name a folder without"):
        snapshot.append(str(tmp_path / name), DUPLICATES, [pair("a", "b")])


def torn(log: Path):
    newest = log / f"{2:020}.json"
    newest.write_bytes(newest.read_bytes()[:30])


def emptied(log: Path):
    (log / f"{2:020}.json").write_bytes(b"")


def without_the_first(log: Path):
    (log / f"{0:020}.json").unlink()


def with_a_gap(log: Path):
    (log / f"{1:020}.json").unlink()


def with_garbage_after(log: Path):
    (log / f"{3:020}.json").write_text('{"add":{"path":\n')


def without_a_file(log: Path):
    next(log.parent.glob("*.parquet")).unlink()


def with_a_cut_file(log: Path):
    file = next(log.parent.glob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-40])


@pytest.mark.parametrize(
    "damage",
    [torn, emptied, without_the_first, with_a_gap, with_garbage_after, without_a_file, with_a_cut_file],
)
def test_a_damaged_table_is_an_error_and_never_fewer_rows(root, damage):
    for name in ("a", "b"):
        snapshot.append(root, DUPLICATES, [pair(name, name)])
    damage(log(root))
    with pytest.raises(TableDamaged, match="duplicates"):
        snapshot.read(root, DUPLICATES)
    with pytest.raises(TableDamaged, match="duplicates"):
        snapshot.append(root, DUPLICATES, [pair("c", "c")])


def test_a_version_whose_files_are_gone_is_named_before_anything_is_read(root):
    for name in ("a", "b"):
        snapshot.append(root, DUPLICATES, [pair(name, name)])
    table = deltalake.DeltaTable(snapshot.address(root, DUPLICATES))
    table.optimize.compact()
    table.vacuum(0, dry_run=False, enforce_retention_duration=False)
    for read in (snapshot.read, snapshot.live_files):
        with pytest.raises(VersionGone, match=r"files of version 2 of .*duplicates are gone"):
            read(root, DUPLICATES, 2)
    without_a_file(log(root))
    with pytest.raises(TableDamaged, match="has lost files: `forensics repair` lists them"):
        snapshot.live_files(root, DUPLICATES)


def test_a_log_that_begins_with_a_checkpoint_is_whole(root):
    for name in ("a", "b"):
        snapshot.append(root, DUPLICATES, [pair(name, name)])
    deltalake.DeltaTable(snapshot.address(root, DUPLICATES)).create_checkpoint()
    without_the_first(log(root))
    assert snapshot.read(root, DUPLICATES).height == 2


def test_a_replacement_touches_its_rows_only_and_a_repetition_commits_nothing(root):
    def metric(run_id: str, value: float) -> dict:
        keys = {"collection": "c", "slice_kind": "all", "slice": "all", "transform": "none", "metric": "accuracy"}
        return {"run_id": run_id, "value": value, "evaluated_at": NOW, **keys}

    snapshot.append(root, EVALUATIONS, [metric("other", 0.1), metric("it's", 0.2)])
    snapshot.replace(root, EVALUATIONS, [metric("it's", 0.3)], where={"run_id": "it's"})
    version = snapshot.current_version(root, EVALUATIONS)
    snapshot.replace(root, EVALUATIONS, [metric("it's", 0.3)], where={"run_id": "it's"})
    assert snapshot.current_version(root, EVALUATIONS) == version
    found = dict(snapshot.read(root, EVALUATIONS, columns=["run_id", "value"]).rows())
    assert found == {"other": 0.1, "it's": 0.3}


def test_an_append_only_table_refuses_a_delete(root):
    snapshot.append(root, PREDICTIONS, [{"run_id": "r", "image_id": "i", "transform": "none"}])
    with pytest.raises(Exception, match="append-only"):
        deltalake.DeltaTable(snapshot.address(root, PREDICTIONS)).delete()


def test_a_table_of_an_older_version_is_named_with_what_it_lacks(root):
    old = pl.DataFrame({"image_id": ["a"], "other_id": ["b"]})
    deltalake.write_deltalake(snapshot.address(root, DUPLICATES), old.to_arrow())
    with pytest.raises(TableOutdated, match=r"was made by an older version: it lacks distance; move it away"):
        snapshot.read(root, DUPLICATES)
