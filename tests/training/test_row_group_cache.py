"""Row groups kept on the machine that trains."""

import pyarrow as pa
import pytest

from training import row_group_cache
from training.row_group_cache import RowGroupCache

FILE, OTHER = "bucket/lake/training_rows/a/1.parquet", "bucket/lake/training_rows/b/1.parquet"
TABLE = pa.table({"bytes": [b"x" * 1000] * 10})


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Count what is read from the store, whose row groups are all alike."""
    monkeypatch.setenv("FORENSICS_WORK", str(tmp_path))
    monkeypatch.setattr(row_group_cache, "_LOOK_EVERY", 1)
    came: list[int] = []

    def from_store() -> pa.Table:
        came.append(1)
        return TABLE

    from_store.came = came
    return from_store


def test_a_row_group_is_read_from_the_store_once(read):
    for _ in range(3):
        assert RowGroupCache([FILE], 10**6).get(FILE, 4, read).equals(TABLE)
    assert len(read.came) == 1


def test_row_groups_of_other_numbers_and_files_are_others(read):
    cache = RowGroupCache([FILE, OTHER], 10**6)
    for file, number in ((FILE, 0), (FILE, 1), (OTHER, 0)):
        cache.get(file, number, read)
    assert len(read.came) == 3


def test_no_more_is_kept_than_there_is_room_for(read, tmp_path):
    cache = RowGroupCache([FILE], 25_000)
    for number in range(5):
        assert cache.get(FILE, number, read).equals(TABLE)
    assert len(list(tmp_path.rglob("*.arrow"))) == 2
    for number in range(5):
        cache.get(FILE, number, read)
    assert len(read.came) == 5 + 3


def test_what_other_tables_left_goes_when_room_is_short(read, tmp_path):
    old = RowGroupCache([OTHER], 25_000)
    for number in range(2):
        old.get(OTHER, number, read)
    RowGroupCache([FILE], 25_000).get(FILE, 0, read)
    assert RowGroupCache([FILE], 25_000).get(FILE, 0, read).equals(TABLE)
    assert len(read.came) == 3


def test_a_torn_file_is_read_again(read, tmp_path):
    RowGroupCache([FILE], 10**6).get(FILE, 0, read)
    kept = next(tmp_path.rglob("*.arrow"))
    kept.write_bytes(kept.read_bytes()[:500])
    assert RowGroupCache([FILE], 10**6).get(FILE, 0, read).equals(TABLE)
    assert len(read.came) == 2


def test_a_cache_that_cannot_be_written_to_is_none(read, tmp_path):
    (tmp_path / "row-groups").write_text("in the way")
    assert RowGroupCache([FILE], 10**6).get(FILE, 0, read).equals(TABLE)
