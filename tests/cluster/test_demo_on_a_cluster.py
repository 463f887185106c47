"""The demo by spark-submit, on a lake in an object store: the same as on a laptop, and no secret anywhere."""

import os
import subprocess
import threading
from pathlib import Path
from urllib.parse import urlsplit

import polars as pl
import pytest

from etl.lake import snapshot, storage
from etl.lake.schemas import COLLECTIONS, EVALUATIONS, GENERATORS, IMAGES, MODELS, REJECTS, TRAINING_SETS
from tests.cluster.servers import BUCKET


@pytest.fixture(scope="module")
def command_lines(demo) -> set[bytes]:
    """Every command line of this machine while the demo ran."""
    seen: set[bytes] = set()
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.2):
            for process in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(process.read_bytes())
                except OSError:
                    continue

    looking = threading.Thread(target=look)
    looking.start()
    try:
        demo.succeed()
    finally:
        ended.set()
        looking.join()
    return seen


@pytest.fixture
def secrets(store, database) -> list[bytes]:
    values = [store[1]["AWS_ACCESS_KEY_ID"], store[1]["AWS_SECRET_ACCESS_KEY"], urlsplit(database).password or ""]
    assert all(values)
    return [value.encode() for value in values]


def test_no_credential_is_on_a_command_line(command_lines, secrets):
    assert any(b"etl/jobs/demo.py" in line for line in command_lines)
    assert any(b"CoarseGrainedExecutorBackend" in line for line in command_lines)
    assert not [line for line in command_lines for secret in secrets if secret in line]


def test_the_images_are_those_of_the_local_demo(lake, demo_lake):
    there, here = (snapshot.read(root, IMAGES, columns=["image_id", "label"]) for root in (lake, str(demo_lake)))
    assert sorted(there.rows()) == sorted(here.rows())
    assert there.height > 40


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        (MODELS, ["model_id", "pipeline_class"]),
        (GENERATORS, ["generator_id", "eligible", "reason"]),
        (COLLECTIONS, ["collection", "image_id"]),
        (REJECTS, ["stage", "key", "code"]),
    ],
    ids=lambda one: getattr(one, "name", ""),
)
def test_a_table_says_what_the_local_one_says(table, columns, lake, demo_lake):
    there, here = (snapshot.read(root, table, columns=columns) for root in (lake, str(demo_lake)))
    assert sorted(there.rows(), key=str) == sorted(here.rows(), key=str)


def test_the_training_set_has_the_local_one_s_checksum(lake, demo_lake):
    there, here = (snapshot.read(root, TRAINING_SETS).row(0, named=True) for root in (lake, str(demo_lake)))
    assert there["id_checksum"] == here["id_checksum"]


def test_a_detector_was_judged_by_generator(lake):
    judged = snapshot.read(lake, EVALUATIONS).filter(pl.col("slice_kind") == "generator")
    assert judged["slice"].n_unique() >= 3


def test_no_credential_is_in_what_was_said(lake, demo, cluster, mlflow, secrets):
    places = [demo.log, mlflow.log, *cluster.folder.glob("spark/**/*.log"), *cluster.folder.glob("spark/**/std*")]
    assert len(places) >= 6  # driver, MLflow, master, two workers, executors
    assert not [place for place in places for secret in secrets if secret in place.read_bytes()]


def test_no_credential_is_in_the_lake(lake, secrets):
    client, held = storage.client(), []
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        held += [one["Key"] for one in page.get("Contents", ())]
    assert any("mlartifacts" in key for key in held)
    for key in held:
        content = client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        assert not any(secret in content for secret in secrets), key


def test_no_credential_is_in_mlflow_s_database(lake, database, secrets):
    dump = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_dump"), reverse=True)))
    parts = urlsplit(database)
    environment = os.environ | {"PGPASSWORD": parts.password or ""}
    command = [dump, "-h", "127.0.0.1", "-p", str(parts.port), "-U", "mlflow", "--data-only", "postgres"]
    said = subprocess.run(command, env=environment, capture_output=True, check=True).stdout
    assert b"id_checksum" in said
    assert not any(secret in said for secret in secrets)


def test_a_second_demo_adds_nothing(lake, cluster):
    words = ["--photos", "24", "--images_per_generator", "3", "--epochs", "1"]
    again = cluster.submit("etl/jobs/demo.py", "--root", lake, "--driver", "spark", *words).succeed()
    added = [line for line in again.said.splitlines() if line.endswith("added by this run")]
    assert len(added) == 4
    assert all(", 0 added by this run" in line for line in added)
