"""Loading that goes wrong, or goes on: a named error within the deadline, and the same batches after a cut."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import training
from etl.errors import NothingUsable, TableDamaged
from etl.lake import snapshot
from etl.lake.schemas import training_rows
from training.augmentations import TestTransform, TrainTransform
from training.data import Batch, Loading, batches
from training.decoding import RAW
from training.errors import (
    LoaderStalled,
    SplitsOverlap,
    TransformFailed,
    UndecodableImage,
    WorkerDied,
    WrongSize,
)
from training.splits import Split, local_path, open_split, require_sound

TABLE = training_rows("demo")


def one_pixel(pixels: np.ndarray, image_id: str) -> np.ndarray:
    return pixels[:1, :1]


def raising(pixels: np.ndarray, image_id: str) -> np.ndarray:
    raise ZeroDivisionError("by itself")


def leaving(pixels: np.ndarray, image_id: str) -> np.ndarray:
    raise SystemExit(3)


def killed(pixels: np.ndarray, image_id: str) -> np.ndarray:
    os.kill(os.getpid(), signal.SIGKILL)
    return pixels


def sleeping(pixels: np.ndarray, image_id: str) -> np.ndarray:
    time.sleep(30)
    return pixels


@pytest.fixture(scope="module")
def train(tmp_path_factory, rows, write_rows) -> Split:
    """40 rows in row groups of three."""
    root = tmp_path_factory.mktemp("faults")
    return open_split(str(root), TABLE, write_rows(root, rows("train", 40), rows_a_group=3), "train")


def same(left: list[Batch], right: list[Batch]) -> bool:
    return len(left) == len(right) and all(
        one.image_ids == other.image_ids and (one.images == other.images).all()
        for one, other in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("equal", [False, True])
def test_an_epoch_that_was_cut_goes_on_with_the_same_batches(train, equal):
    transform = TrainTransform(32, seed=1, epoch=2)
    loading = Loading(batch_size=7, seed=3, equal_steps=equal)
    whole = list(batches(train, transform, loading, epoch=2))
    for start in range(len(whole) + 1):
        assert same(list(batches(train, transform, loading, epoch=2, start=start)), whole[start:])


def test_an_epoch_of_two_workers_goes_on_too(train):
    loading = Loading(batch_size=7, seed=3, workers=2)
    transform = TestTransform(32)
    whole = list(batches(train, transform, loading, epoch=2))
    assert same(list(batches(train, transform, loading, epoch=2, start=3)), whole[3:])


def test_row_groups_before_the_cut_are_not_read(train, monkeypatch):
    read = []
    monkeypatch.setattr("training.data.PlannedReader.__init__", lambda self, groups, **_: read.append(len(groups)))
    with pytest.raises(AttributeError):
        list(batches(train, one_pixel, Loading(batch_size=7), start=3))
    assert read == [len(train.groups) - 7]


def test_ranks_take_equally_many_batches_and_every_row_once(train):
    taken = [
        list(batches(train, one_pixel, Loading(6, seed=2, rank=rank, world=2, equal_steps=True), epoch=1))
        for rank in range(2)
    ]
    assert len(taken[0]) == len(taken[1])
    came = [image_id for rank in taken for batch in rank for image_id in batch.image_ids]
    assert len(came) == len(set(came)) == 40


@pytest.mark.parametrize(("transform", "workers"), [(raising, 0), (leaving, 0), (leaving, 1)])
def test_a_transform_that_raises_is_an_error_that_names_the_image(train, transform, workers):
    with pytest.raises(TransformFailed, match=r"^image [0-9a-f]{64} cannot"):
        list(batches(train, transform, Loading(workers=workers)))


def test_a_killed_worker_is_an_error_within_the_deadline(train):
    with pytest.raises(WorkerDied, match="'train'"):
        list(batches(train, killed, Loading(workers=1, deadline_seconds=60)))


def test_a_worker_that_hangs_is_an_error_within_the_deadline(train):
    start = time.monotonic()
    with pytest.raises(LoaderStalled):
        list(batches(train, sleeping, Loading(workers=0, deadline_seconds=0.5)))
    assert time.monotonic() - start < 10


_TRAINING = """
import os, sys, time
from pathlib import Path
from etl.lake.schemas import training_rows
from training.data import Loading, batches
from training.splits import open_split

def sleeping(pixels, image_id):
    Path(sys.argv[1], "pids", f"{os.getpid()}-{os.getppid()}").touch()
    time.sleep(60)

if __name__ == "__main__":
    train = open_split(sys.argv[1], training_rows("demo"), int(sys.argv[2]), "train")
    list(batches(train, sleeping, Loading(workers=2)))
"""


def test_the_processes_of_a_killed_command_end_too(tmp_path, rows, write_rows, wait_for):
    version = write_rows(tmp_path, rows("train", 12), rows_a_group=3)
    (tmp_path / "pids").mkdir()
    (tmp_path / "feed.py").write_text(_TRAINING)
    command = [sys.executable, str(tmp_path / "feed.py"), str(tmp_path), str(version)]
    main = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(Path(training.__file__).parents[1])})
    try:
        wait_for(lambda: len(list((tmp_path / "pids").iterdir())) == 2, 60)
    finally:
        main.kill()
        main.wait()
    pids = {int(pid) for file in (tmp_path / "pids").iterdir() for pid in file.name.split("-")}
    assert len(pids) == 3  # two workers and their server
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 20)


def test_a_row_without_bytes_is_an_error_that_names_it(tmp_path, rows, write_rows):
    bad = rows("train", 4)
    for row in bad:
        row |= {"bytes": None, "format": RAW}
    opened = open_split(str(tmp_path), TABLE, write_rows(tmp_path, bad), "train")
    with pytest.raises(UndecodableImage, match=r"image [0-9a-f]{64} has no bytes"):
        list(batches(opened, one_pixel, Loading()))


@pytest.mark.parametrize("left", [100, 0.5, -20, None])
def test_a_damaged_file_is_an_error_whether_it_opens_or_not(tmp_path, rows, write_rows, left):
    version = write_rows(tmp_path, rows("train", 12), rows_a_group=3)
    opened = open_split(str(tmp_path), TABLE, version, "train")
    file = Path(local_path(opened.groups[0].file))
    content = file.read_bytes()
    if left is None:
        file.unlink()
    else:
        file.write_bytes(content[: int(len(content) * left) if isinstance(left, float) else left])
    with pytest.raises(TableDamaged):
        open_split(str(tmp_path), TABLE, version, "train")
    with pytest.raises(TableDamaged):
        list(batches(opened, one_pixel, Loading()))


def test_damaged_pages_are_an_error(tmp_path, rows, write_rows):
    version = write_rows(tmp_path, rows("train", 12), rows_a_group=12)
    opened = open_split(str(tmp_path), TABLE, version, "train")
    file = Path(local_path(opened.groups[0].file))
    content = file.read_bytes()
    file.write_bytes(content[:4] + bytes(len(content) // 2) + content[4 + len(content) // 2 :])
    with pytest.raises((TableDamaged, UndecodableImage)):
        list(batches(opened, one_pixel, Loading()))


def test_stored_pixels_are_used_as_they_are_and_only_at_the_size_that_is_needed(tmp_path, rows, write_rows):
    pixels = np.random.default_rng(0).integers(0, 256, (37, 50, 3), dtype=np.uint8)
    stored = {"bytes": pixels.tobytes(), "format": "RAW", "height": 37, "width": 50}
    mixed = rows("train", 4)
    mixed[1] |= stored
    split = open_split(str(tmp_path), TABLE, write_rows(tmp_path, mixed), "train")
    (batch,) = batches(split, TestTransform(32), Loading())
    place = batch.image_ids.index(mixed[1]["image_id"])
    assert (batch.images[place].numpy() == TestTransform(32)(pixels, "id")).all()
    with pytest.raises(WrongSize, match="--rows_size 73"):
        list(batches(split, TestTransform(64), Loading()))


def test_stored_pixels_of_another_number_are_an_error(tmp_path, rows, write_rows):
    bad = rows("train", 1)
    bad[0] |= {"bytes": b"12", "format": "RAW", "height": 37, "width": 50}
    split = open_split(str(tmp_path), TABLE, write_rows(tmp_path, bad), "train")
    with pytest.raises(UndecodableImage, match="2 bytes for 50 x 37"):
        list(batches(split, one_pixel, Loading()))


def test_a_training_set_that_cannot_be_learnt_from_is_refused(tmp_path, rows, write_rows):
    def version(given):
        return write_rows(tmp_path, given, mode="overwrite")

    good = rows("train", 4)
    require_sound(str(tmp_path), TABLE, version([*good, *rows("val", 2, first=50)]))
    for bad in (rows("val", 4), [row for row in good if row["label"]]):
        with pytest.raises(NothingUsable, match="two classes"):
            require_sound(str(tmp_path), TABLE, version(bad))
    with pytest.raises(SplitsOverlap, match="in train and val"):
        require_sound(str(tmp_path), TABLE, version([*good, good[0] | {"split": "val"}]))
    with pytest.raises(SplitsOverlap, match="in train and train"):
        require_sound(str(tmp_path), TABLE, version([*good, good[0]]))


def test_an_empty_split_has_no_batches(tmp_path, rows, write_rows):
    version = write_rows(tmp_path, rows("train", 4))
    empty = open_split(str(tmp_path), TABLE, version, "val")
    assert empty.rows == 0 and list(batches(empty, one_pixel, Loading())) == []
    assert snapshot.current_version(str(tmp_path), TABLE) == version
