"""The Spark session: the only place with Spark's and Delta's settings that jobs share.

The settings that a cluster may change stand in conf/spark-defaults.conf too, for `spark-submit`; what is set here
holds whoever started the session.
"""

import contextlib
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from etl.errors import DeltaJarsMissing, DiskFull, JavaMissing
from etl.lake import storage

LOG = Path(tempfile.gettempdir()) / f"forensics-spark-{os.getuid()}.log"
"""What the JVM of the last session says, jar resolution included; errors reach the caller as exceptions."""

OLDEST_JAVA = 17
"""What Spark 4 is compiled for; an older one ends in a class version error."""


# Static settings: they act only when the session starts.
_STATIC = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.memory": "3g",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.log.level": "ERROR",
}
_OF_CLUSTER = "spark.sql.shuffle.partitions"
"""Which of the settings below the configuration of a cluster decides."""
# Set on every session, borrowed ones too.
_RUNTIME = {
    # Adaptive execution prints the plan at every step of a query, with the plans of all that is cached below it.
    "spark.sql.maxPlanStringLength": "10000",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "4",
    "spark.databricks.delta.snapshotPartitions": "2",
    # Image columns: batches are cut by rows and by bytes, since 10,000 rows (the default) of images are gigabytes.
    "spark.sql.execution.arrow.maxRecordsPerBatch": "64",
    "spark.sql.execution.arrow.maxBytesPerBatch": str(16 << 20),
    # Every reader of the lake must see the rows that Spark sees.
    "spark.databricks.delta.properties.defaults.enableDeletionVectors": "false",
    "spark.databricks.delta.properties.defaults.columnMapping.mode": "none",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
}


@contextlib.contextmanager
def session(app_name: str, master: str | None = None, root: str = "") -> Iterator[SparkSession]:
    """Borrow the active session, or start one and stop it at the end; only what was started is stopped.

    `master` applies to a session started here outside `spark-submit`; by default `local[*]`. `root` is the lake
    that is worked on: one in an object store needs Hadoop's connector, and the store's settings.
    Raises JavaMissing, DeltaJarsMissing, and DiskFull, StorageRefused and StorageUnreachable for what Spark says
    of them in the block.
    """
    active = SparkSession.getActiveSession()
    spark = active or _start(app_name, master, root)
    try:
        _prepare(spark, root)
        yield spark
    except (PySparkException, Py4JError) as error:
        if named := storage.failure(root, error) or storage.away(root):
            raise named from None
        if DiskFull.SAID not in str(error):
            raise
        raise DiskFull from error
    finally:
        if active is None:
            spark.stop()


def _start(app_name: str, master: str | None, root: str) -> SparkSession:
    _require_java()
    # Workers must run this interpreter: by default Spark takes whatever `python3` the path names.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName(app_name)
    try:
        if "PYSPARK_GATEWAY_PORT" in os.environ:  # under spark-submit the JVM runs and its jars are given
            return builder.getOrCreate()
        from delta import configure_spark_with_delta_pip

        builder = builder.master(master or "local[*]")
        for key, value in _STATIC.items():
            builder = builder.config(key, value)
        with _stderr_to(LOG):
            further = [] if storage.is_local(root) else [storage.S3_CONNECTOR]
            return configure_spark_with_delta_pip(builder, extra_packages=further).getOrCreate()
    except (PySparkException, RuntimeError) as error:
        raise DeltaJarsMissing(
            f"Spark did not start ({_first_line(error)}); a first start fetches Delta's jars from Maven Central: "
            f"check the network (details in {LOG}), or put delta-spark_2.13-4.0.1, delta-storage-4.0.1 and "
            "antlr4-runtime-4.13.1 into the folder 'jars' of pyspark"
        ) from error


def _prepare(spark: SparkSession, root: str) -> None:
    # PySpark writes the JVM's whole stack to stderr when SQL is wrong; the exception says it too.
    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        logging.getLogger(name).disabled = True
    extensions = spark.conf.get("spark.sql.extensions", "")
    if "io.delta.sql.DeltaSparkSessionExtension" not in str(extensions):
        raise DeltaJarsMissing(
            "this Spark session has no Delta extension; submit with --properties-file conf/spark-defaults.conf"
        )
    of_store = {} if storage.is_local(root) else storage.spark_settings()
    for key, value in (_RUNTIME | of_store).items():
        if key != _OF_CLUSTER or spark.conf.get("spark.master", "").startswith("local"):
            spark.conf.set(key, value)


def _require_java() -> None:
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    remedy = "install Java 17 or 21 (Debian/Ubuntu: `apt-get install -y openjdk-17-jre-headless`)"
    if java is None:
        raise JavaMissing(f"Spark needs Java and no `java` is on the path; {remedy}")
    try:
        done = subprocess.run([java, "-version"], capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        done = None
    if done is None or done.returncode != 0:
        raise JavaMissing(f"Spark needs Java and {java} does not run; {remedy}, or correct JAVA_HOME")
    version = re.search(rb'version "(\d+)', done.stderr)
    if version and int(version[1]) < OLDEST_JAVA:
        raise JavaMissing(f"Spark needs Java 17 and {java} is older; {remedy}, or correct JAVA_HOME")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__


@contextlib.contextmanager
def _stderr_to(path: Path) -> Iterator[None]:
    """Let processes started in the block write their stderr to `path`: the JVM is one and keeps it."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    log, saved = os.open(path, flags, 0o600), os.dup(2)
    sys.stderr.flush()
    os.dup2(log, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(saved, 2)
        os.close(saved)
        os.close(log)
