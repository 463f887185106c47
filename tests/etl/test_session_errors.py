"""What a machine lacks is said in one sentence with its exit code, by the real command in a process of its own."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from etl.lake import snapshot
from etl.lake.schemas import IMAGES

REPOSITORY = Path(__file__).parents[2]
# One process for all cases, since importing Spark and Delta takes seconds; none but the last starts a JVM.
PROGRAM = """
import contextlib, io, json, os, sys
from etl import cli
found = {}
for name, environment in json.loads(sys.argv[1]):
    saved = dict(os.environ)
    os.environ.update(environment)
    with contextlib.redirect_stderr(io.StringIO()) as said:
        code = cli.main(["describe", "--root", sys.argv[2]])
    found[name] = [code, said.getvalue()]
    os.environ.clear()
    os.environ.update(saved)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("machine")


@pytest.fixture(scope="module")
def outcomes(folder) -> dict[str, tuple[int, str]]:
    """Exit code and message of `forensics describe` on each broken machine."""
    settings = folder / "ivysettings.xml"
    nowhere = '<ibiblio name="nowhere" m2compatible="true" root="http://127.0.0.1:9/"/>'
    settings.write_text(
        f'<ivysettings><settings defaultResolver="nowhere"/><resolvers>{nowhere}</resolvers></ivysettings>'
    )
    ivy = f"--conf spark.jars.ivy={folder / 'ivy'} --conf spark.jars.ivySettings={settings} pyspark-shell"
    cases = [
        ("no java", {"PATH": str(folder), "JAVA_HOME": ""}),
        ("wrong home", {"JAVA_HOME": str(folder)}),
        ("broken", {"JAVA_HOME": java(folder / "broken", "exit 1")}),
        ("java 11", {"JAVA_HOME": java(folder / "eleven", "echo 'openjdk version \"11.0.21\"' >&2")}),
        ("java 8", {"JAVA_HOME": java(folder / "eight", "echo 'java version \"1.8.0_392\"' >&2")}),
        ("no jars", {"PYSPARK_SUBMIT_ARGS": ivy}),
    ]
    snapshot.create(str(folder / "lake"), IMAGES)  # what `describe` asks for before it starts Spark
    command = [sys.executable, "-c", PROGRAM, json.dumps(cases), str(folder / "lake")]
    variables = {**os.environ, "TMPDIR": str(folder)}
    done = subprocess.run(command, env=variables, cwd=REPOSITORY, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    return {name: (code, said) for name, (code, said) in json.loads(done.stdout.splitlines()[-1]).items()}


def java(home: Path, body: str) -> str:
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(home)


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        (
            "no java",
            "no `java` is on the path; install Java 17 or 21 (Debian/Ubuntu: `apt-get install -y openjdk-17",
        ),
        ("wrong home", "machine0/bin/java does not run; install Java"),
        ("broken", "broken/bin/java does not run; install Java"),
        ("java 11", "eleven/bin/java is older; install Java"),
        ("java 8", "eight/bin/java is older; install Java"),
        ("no jars", "Delta's jars from Maven Central"),
    ],
)
def test_what_a_machine_lacks_is_said_in_one_line_with_exit_code_2(outcomes, machine, words):
    code, said = outcomes[machine]
    assert code == 2
    assert said.startswith("error: ") and said.count("\n") == 1 and words in said


def test_the_log_that_the_message_names_says_which_jar_was_not_found(outcomes, folder):
    log = folder / f"forensics-spark-{os.getuid()}.log"
    assert f"details in {log}" in outcomes["no jars"][1]
    assert "delta-spark_2.13" in log.read_text()
