"""Fixtures that several folders of tests share, and the order in which files run."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from pyspark.sql import SparkSession

from etl.lake.session import session
from etl.lake.store import Lake

# Short runs spend most of a JVM's time on compiling: the first compiler alone is quicker for them.
os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")

# In the background of a shell interrupts are ignored, and so they are by all that is started: tests send some.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Tiny tables: to plan, compile and schedule costs more than the work. The flow's tests keep the jobs' settings.
TINY = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.databricks.delta.snapshotPartitions": "1",
}


def pytest_sessionstart(session: pytest.Session) -> None:
    """Fetch Delta's jars once on a new machine: Ivy's cache does not bear two processes that fill it."""
    jars = Path.home() / ".ivy2.5.2" / "jars"
    if not hasattr(session.config, "workerinput") and not list(jars.glob("io.delta_delta-spark*")):
        start = "from etl.lake.session import session\nwith session('jars', 'local[1]'): pass"
        subprocess.run([sys.executable, "-c", start], check=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the flow, whose files take longest, so that two workers end at about the same time."""
    items.sort(key=lambda item: "flow" not in item.path.parts)


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """One session for the whole run, on two cores: starting one and its first Delta write take half a minute."""
    with patch.dict("etl.lake.session._RUNTIME", TINY), session("tests", master="local[2]") as spark:
        yield spark


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Lake:
    """An empty lake of the test's own."""
    return Lake(str(tmp_path / "lake"), spark)
