"""What a machine lacks is said in one sentence with its exit code, by the real command in a process of its own."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from etl.lake import snapshot
from etl.lake.schemas import IMAGES

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def lake_root(tmp_path) -> str:
    root = str(tmp_path / "lake")
    snapshot.create(root, IMAGES)
    return root


def describe(root: str, **environment: str) -> subprocess.CompletedProcess:
    """Run `forensics describe`; a variable that is set to the empty string is removed."""
    variables = {name: value for name, value in {**os.environ, **environment}.items() if value}
    command = [sys.executable, "-m", "etl.cli", "describe", "--root", root]
    return subprocess.run(command, env=variables, cwd=REPOSITORY, capture_output=True, text=True, timeout=250)


def says(done: subprocess.CompletedProcess, code: int, *words: str) -> None:
    assert done.returncode == code, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and done.stdout == ""
    for word in words:
        assert word in line


def script(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_without_java_on_the_path_the_package_is_named(lake_root, tmp_path):
    done = describe(lake_root, PATH=str(tmp_path), JAVA_HOME="")
    says(done, 2, "no `java` is on the path", "apt-get install -y openjdk-17-jre-headless")


def test_a_wrong_java_home_is_named(lake_root, tmp_path):
    says(describe(lake_root, JAVA_HOME=str(tmp_path)), 2, f"{tmp_path}/bin/java does not run", "correct JAVA_HOME")


def test_a_java_that_fails_is_named(lake_root, tmp_path):
    java = script(tmp_path / "broken" / "bin" / "java", "exit 1")
    says(describe(lake_root, JAVA_HOME=str(tmp_path / "broken")), 2, f"{java} does not run")


@pytest.mark.parametrize("version", ["11.0.21", "1.8.0_392"])
def test_a_java_that_is_too_old_is_named(lake_root, tmp_path, version):
    java = script(tmp_path / "old" / "bin" / "java", f"echo 'openjdk version \"{version}\"' >&2")
    says(describe(lake_root, JAVA_HOME=str(tmp_path / "old")), 2, f"needs Java 17 and {java} is older")


def test_delta_jars_that_cannot_be_fetched_are_said_in_one_sentence(lake_root, tmp_path):
    settings = tmp_path / "ivysettings.xml"
    nowhere = '<ibiblio name="nowhere" m2compatible="true" root="http://127.0.0.1:9/"/>'
    settings.write_text(
        f'<ivysettings><settings defaultResolver="nowhere"/><resolvers>{nowhere}</resolvers></ivysettings>'
    )
    spark = f"--conf spark.jars.ivy={tmp_path / 'ivy'} --conf spark.jars.ivySettings={settings} pyspark-shell"
    done = describe(lake_root, PYSPARK_SUBMIT_ARGS=spark, TMPDIR=str(tmp_path))
    says(done, 2, "Spark did not start", "Delta's jars from Maven Central", f"details in {tmp_path}")
    assert "delta-spark_2.13" in next(tmp_path.glob("forensics-spark-*.log")).read_text()
