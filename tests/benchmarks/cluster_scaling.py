"""Describe and generate on a standalone cluster of one worker and of two, over a lake in an object store.

    python tests/benchmarks/cluster_scaling.py --work FOLDER --images 1500 --rounds 3

Store, master, workers (one core each), driver and the demo Hub share this machine: the ratio says what is left
of two cores. Each job is submitted by spark-submit to a lake of its own; its seconds are those of its stage, in
which the executors start, and the whole command's stand beside. Exit code 1 where a row is missing.
"""

import argparse
import hashlib
import os
import re
import shutil
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

from measured import PROJECT, load_average, measured

from etl.demo.hub import DemoHub
from etl.lake import snapshot
from etl.lake.schemas import GENERATION_ATTEMPTS, IMAGE_FEATURES, IMAGES

sys.path.insert(0, str(PROJECT))
from describe_beside_loop import encoded, some
from generation_overhead import SLOW, make_known

from tests.cluster.servers import BUCKET, object_store, spark_cluster
from tests.generation.tiny_pipelines import TINY, save

PLAN = ["--plan", "p", "--images_per_generator", "16", "--steps", "4", "--size", "64"]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", required=True, help="a folder for the store and the models")
    parser.add_argument("--images", type=int, default=1500)
    parser.add_argument("--models", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    work = Path(asked.work).resolve()
    names = [name for name in TINY if name not in SLOW][: asked.models]
    for name in names:
        if not (work / "hub" / "tiny" / name).exists():
            save(name, work / "hub" / "tiny" / name)
    for left in [work / "store", *work.glob("spark-*")]:
        shutil.rmtree(left, ignore_errors=True)
    seconds: dict[tuple[str, int], list[float]] = {}
    with object_store(work / "store") as (_, clients), DemoHub(work / "hub") as hub:
        os.environ.update(clients)
        for number in range(asked.rounds):
            for workers in (1, 2) if number % 2 == 0 else (2, 1):
                with spark_cluster(work / f"spark-{number}-{workers}", clients, workers) as cluster:
                    root = f"s3a://{BUCKET}/{number}-{workers}"
                    make_known(root, work, hub, names)
                    fill(root, asked.images)
                    for job, words, holds in jobs(root, hub.endpoint, asked.images, names):
                        cost = measured(submit(cluster.address, job, [*words, "--root", root]))
                        if not holds():
                            print(f"SOMETHING IS MISSING\n{cost.output[-3000:]}")
                            return 1
                        stage = float(re.findall(r"\(([0-9.]+) s\)$", cost.output, re.MULTILINE)[-1])
                        seconds.setdefault((job, workers), []).append(stage)
                        line = f"round {number + 1}, {workers} workers: {Path(job).stem} {stage:.1f} s"
                        print(f"{line}, command {cost.wall:.1f} s; {load_average()}", flush=True)
    for job in dict.fromkeys(job for job, _ in seconds):
        ratios = [one / two for one, two in zip(seconds[job, 1], seconds[job, 2], strict=True)]
        low, middle, high = min(ratios), statistics.median(ratios), max(ratios)
        print(f"{job}: one worker / two = {low:.2f} / {middle:.2f} / {high:.2f} (min / median / max)")
    return 0


def fill(root: str, images: int) -> None:
    """Add images to describe, whose captions are prompts."""
    rows = [
        {"image_id": hashlib.sha256(data).hexdigest(), "bytes": data, "label": 0, "prompt": f"{number} red apples"}
        for number, data in enumerate(some(encoded(), images, root))
    ]
    for first in range(0, images, 100):  # a file each, as ingest's waves leave them
        snapshot.append(root, IMAGES, rows[first : first + 100])


def jobs(
    root: str, endpoint: str, images: int, names: list[str]
) -> list[tuple[str, list[str], Callable[[], bool]]]:
    """Return each job with its words, and what holds when it is done."""

    def described() -> bool:
        return snapshot.read(root, IMAGE_FEATURES, columns=["image_id"]).height == images

    def sampled() -> bool:
        rows = snapshot.read(root, GENERATION_ATTEMPTS, columns=["images"])
        return rows["images"].to_list() == [16] * len(names)

    return [
        ("etl/jobs/describe.py", ["--backbone", "none"], described),
        ("generation/jobs/generate.py", ["--endpoint", endpoint, "--driver", "spark", *PLAN], sampled),
    ]


def submit(master: str, job: str, words: list[str]) -> list[str]:
    command = ["spark-submit", "--master", master, "--driver-memory", "2g"]
    command += ["--properties-file", str(PROJECT / "conf" / "cluster" / "standalone.conf")]
    for setting in ("spark.driver.host=127.0.0.1", "spark.driver.bindAddress=127.0.0.1"):
        command += ["--conf", setting]
    return [*command, str(PROJECT / job), *words]


if __name__ == "__main__":
    raise SystemExit(main())
