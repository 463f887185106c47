"""What a cluster loses at work: a worker, the object store, MLflow. Nothing is lost or double after it."""

import os
import time
from pathlib import Path

import pytest

from etl.lake import snapshot, storage
from etl.lake.schemas import (
    COLLECTIONS,
    GENERATION_ATTEMPTS,
    IMAGE_FEATURES,
    IMAGES,
    THUMBNAILS,
    Table,
)
from tests.cluster.conftest import Cluster, until
from tests.cluster.servers import BUCKET, Server
from tests.flow.commands import ROOT
from tests.flow.test_generate_on_spark import BROKEN, GOOD, PLAN, fill
from tests.flow.test_generate_on_spark import hub as hub

PHOTOS = ROOT / "etl" / "demo" / "photos"
INGEST = ["--path", str(PHOTOS), "--table", str(PHOTOS / "photos.csv"), "--collection", "photos"]


@pytest.fixture
def work(request, cluster, store, monkeypatch) -> str:
    """A lake of the test's own, which this process may read."""
    for key, value in store[1].items():
        monkeypatch.setenv(key, value)
    return f"s3a://{BUCKET}/{request.node.name.partition('[')[0][:40]}"


def python_of(worker: Server) -> list[int]:
    """Return the Python processes of Spark's on a worker."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line, group = (process / "cmdline").read_bytes(), os.getpgid(int(process.name))
        except (OSError, ProcessLookupError):
            continue
        if group == worker.process.pid and b"pyspark.daemon" in line:
            found.append(int(process.name))
    return found


def objects(prefix: str) -> list[str]:
    pages = storage.client().get_paginator("list_objects_v2")
    return [
        one["Key"] for page in pages.paginate(Bucket=BUCKET, Prefix=prefix) for one in page.get("Contents", ())
    ]


def rows(root: str, table: Table, *columns: str) -> list[tuple]:
    return sorted(snapshot.read(root, table, columns=list(columns)).rows(), key=str)


def test_a_worker_lost_while_models_are_sampled_costs_nothing(work, hub, cluster: Cluster):
    fill(work, hub)
    words = ["--root", work, "--endpoint", hub.endpoint, "--driver", "spark", *PLAN]
    running = cluster.submit("generation/jobs/generate.py", *words)
    prefix = work.removeprefix(f"s3a://{BUCKET}/") + "/landing/images/"
    until(lambda: any(key.endswith(".png") for key in objects(prefix)), running)
    cluster.spark.workers[0].kill()  # with all that runs on it, as when its machine goes
    try:
        running.succeed()
    finally:
        cluster.spark.workers[0].start()
    assert "generate: 32 images = 24 new + 8 rejected + 0 already there" in running.said
    assert rows(work, GENERATION_ATTEMPTS, "generator_id", "attempt", "code", "images") == sorted(
        [(BROKEN, 1, "BAD_WEIGHTS", 0), *((name, 1, "OK", 8) for name in GOOD)]
    )
    again = cluster.submit("generation/jobs/generate.py", *words).succeed()
    assert "generate: 32 images = 0 new + 8 rejected + 24 already there" in again.said
    assert len([key for key in objects(prefix) if key.endswith(".png")]) == 24


def test_a_worker_lost_while_images_are_described_costs_nothing(work, cluster: Cluster):
    cluster.submit("etl/jobs/ingest.py", "--root", work, *INGEST).succeed()
    ids = rows(work, IMAGES, "image_id")
    running = cluster.submit("etl/jobs/describe.py", "--root", work)
    until(lambda: bool(python_of(cluster.spark.workers[0])), running)
    cluster.spark.workers[0].kill()  # with all that runs on it, as when its machine goes
    try:
        code = running.wait()
    finally:
        cluster.spark.workers[0].start()
    assert code in (0, 3) or "error: " in running.said, running.said[-6000:]
    again = cluster.submit("etl/jobs/describe.py", "--root", work).succeed()
    assert f"describe: {len(ids)} images = " in again.said
    assert rows(work, IMAGE_FEATURES, "image_id") == ids
    assert rows(work, THUMBNAILS, "image_id") == ids


def test_an_object_store_that_goes_and_comes_loses_nothing(work, cluster: Cluster, store):
    running = cluster.submit("etl/jobs/ingest.py", "--root", work, *INGEST, "--wave", "30")
    until(lambda: snapshot.exists(work, IMAGES), running)
    store[0].kill()
    time.sleep(8)
    store[0].start()
    code = running.wait()
    assert code in (0, 3) or "error: the object store" in running.said, running.said[-6000:]
    again = cluster.submit("etl/jobs/ingest.py", "--root", work, *INGEST, "--wave", "30").succeed()
    assert "ingest: 150 files = " in again.said
    ids = snapshot.read(work, IMAGES, columns=["image_id"])["image_id"]
    assert ids.len() == ids.n_unique() == 150
    placed = snapshot.read(work, COLLECTIONS, columns=["collection", "image_id"])
    assert placed.height == placed.unique().height == 150


def test_an_object_store_that_stays_away_ends_a_job_with_one_sentence(work, cluster: Cluster, store):
    running = cluster.submit("etl/jobs/ingest.py", "--root", work, *INGEST, "--wave", "30")
    until(lambda: snapshot.exists(work, IMAGES), running)
    store[0].kill()
    try:
        assert running.wait(900) == 1
    finally:
        store[0].start()
    assert running.said.splitlines()[-1].startswith("error: the object store at 127.0.0.1"), running.said[-3000:]
    cluster.submit("etl/jobs/ingest.py", "--root", work, *INGEST, "--wave", "30").succeed()
    assert snapshot.read(work, IMAGES, columns=["image_id"]).height == 150
