"""While another process writes to a table, a command that would write there ends with 5 and changes nothing."""

import fcntl
import os
from pathlib import Path

import pytest

from etl.errors import LockHeld
from etl.images.features import FEATURE_VERSION
from etl.jobs import build_training_set, describe, duplicates, ingest, maintain, repair
from etl.lake import snapshot
from etl.lake.schemas import DUPLICATES, GENERATORS, IMAGE_FEATURES, IMAGES, TRAINING_SETS, Table

REFUSED = [
    (ingest, IMAGES, ["--path", "PHOTOS", "--collection", "photos"]),
    (describe, IMAGE_FEATURES, ["--backbone", "none"]),
    (duplicates, DUPLICATES, []),
    (build_training_set, TRAINING_SETS, []),
    (maintain, IMAGES, ["--retention_days", "0"]),
    (repair, IMAGES, []),
]


@pytest.fixture(scope="module")
def root(spark, tmp_path_factory, good) -> str:
    """A lake in which each of the commands has something to do."""
    folder = tmp_path_factory.mktemp("busy")
    (folder / "photos").mkdir()
    (folder / "photos" / "a.png").write_bytes(good["plain.png"])
    root = str(folder / "lake")
    for number in range(9):  # so many small files that maintain would put them together
        origin = {"label": 0, "real_source": "p"} if number % 2 else {"label": 1, "generator_id": f"g{number}"}
        snapshot.append(root, IMAGES, [{"image_id": f"{number}", "bytes": good["plain.jpg"], **origin}])
        snapshot.append(root, GENERATORS, [{"generator_id": f"g{number}"}])
    near = [{"image_id": f"{n}", "phash": n, "feature_version": FEATURE_VERSION} for n in range(2)]
    snapshot.append(root, IMAGE_FEATURES, near)
    Path(root, IMAGES.name, "part-0.parquet").write_bytes(b"left by a kill")
    return root


def state(root: str, table: Table) -> tuple[int | None, list[str]]:
    version = snapshot.current_version(root, table) if snapshot.exists(root, table) else None
    return version, sorted(path.name for path in Path(root, table.name).glob("*.parquet"))


@pytest.mark.parametrize(("job", "table", "words"), REFUSED, ids=[job.__name__ for job, *_ in REFUSED])
def test_a_second_writer_ends_with_5_and_changes_nothing(root, job, table, words):
    lock = Path(root, ".locks", f"{table.name}.lock")
    lock.parent.mkdir(exist_ok=True)
    before = state(root, table)
    held = os.open(lock, os.O_RDWR | os.O_CREAT)  # the kernel tells this apart from what the job opens
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        photos = str(Path(root).parent / "photos")
        with pytest.raises(LockHeld, match=table.name) as refused:
            job.main(["--root", root, *[photos if word == "PHOTOS" else word for word in words]])
    finally:
        os.close(held)
    assert refused.value.exit_code == 5
    assert state(root, table) == before
