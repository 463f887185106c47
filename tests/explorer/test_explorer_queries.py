"""The explorer's questions on evaluations and scores, on a lake whose rows are known."""

import pytest

from etl.lake import schemas
from explorer.reading import WRITERS, Snapshot, take


@pytest.fixture(scope="module")
def lake(full_lake: str) -> Snapshot:
    return take(full_lake, *schemas.TABLES)


@pytest.fixture
def nothing(tmp_path) -> Snapshot:
    return take(str(tmp_path / "none"), *schemas.TABLES)


def test_every_table_with_a_writer_is_a_table_of_the_lake():
    assert set(WRITERS) <= {table.name for table in schemas.TABLES}
