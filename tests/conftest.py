"""Fixtures that several folders of tests share."""

from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from etl.lake.session import session
from etl.lake.store import Lake


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """One session for the whole run, on two cores: starting one and its first Delta write take half a minute."""
    with session("tests", master="local[2]") as spark:
        yield spark


@pytest.fixture
def lake(spark: SparkSession, tmp_path) -> Lake:
    """An empty lake of the test's own."""
    return Lake(str(tmp_path / "lake"), spark)
