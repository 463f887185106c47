"""Loading: every row once an epoch, in a planned order, of the pinned version only."""

import threading
from collections import Counter
from itertools import chain, islice
from pathlib import Path

import deltalake
import numpy as np
import pytest

from etl.errors import TableRefused
from etl.lake import snapshot
from etl.lake.schemas import training_rows
from training import data
from training.data import Batch, Loading, batches
from training.errors import BadLabel, LoaderStalled, RowsLost, UndecodableImage
from training.plan import plan_row_groups
from training.splits import RowGroup, Split, open_split
from training.watchdog import with_deadline

TABLE = training_rows("demo")


def one_pixel(pixels: np.ndarray, image_id: str) -> np.ndarray:
    return pixels[:1, :1]


def ids(found: list[Batch]) -> list[str]:
    return [image_id for batch in found for image_id in batch.image_ids]


def wanted(rows: list[dict]) -> list[str]:
    return sorted(row["image_id"] for row in rows)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory, rows, write_rows) -> tuple[Path, int, list[dict]]:
    """60 train and 30 test rows in two files of row groups of three, some of which mix the splits."""
    root = tmp_path_factory.mktemp("mixed")
    train, test = rows("train", 60), rows("test", 30, first=500)
    write_rows(root, [*train[:40], *test[:15]], rows_a_group=3)
    version = write_rows(root, [*test[15:], *train[40:]], rows_a_group=3)
    return root, version, train


def test_two_hundred_epochs_give_every_row_exactly_once_each_in_a_new_order(mixed):
    root, version, train = mixed
    split = open_split(str(root), TABLE, version, "train")
    assert len(split.groups) >= 21
    orders = set()
    for epoch in range(200):
        came = ids(list(batches(split, one_pixel, Loading(batch_size=16, seed=3), epoch)))
        assert sorted(came) == wanted(train)
        orders.add(tuple(came))
    assert len(orders) == 200


def test_the_same_seed_and_epoch_give_the_same_order_and_another_seed_does_not(mixed):
    root, version, _ = mixed
    split = open_split(str(root), TABLE, version, "train")
    first, again, other = (ids(list(batches(split, one_pixel, Loading(seed=s), epoch=4))) for s in (7, 7, 8))
    assert first == again
    assert first != other


def test_mixed_row_groups_yield_only_the_split_that_was_asked_for(mixed):
    root, version, _ = mixed
    split = open_split(str(root), TABLE, version, "test")
    assert {group.rows for group in split.groups} > {3}
    assert split.rows == len(ids(list(batches(split, one_pixel, Loading())))) == 30


def test_two_worker_processes_share_an_epoch_without_loss_or_repetition(mixed):
    root, version, train = mixed
    split = open_split(str(root), TABLE, version, "train")
    came = ids(list(batches(split, one_pixel, Loading(workers=2))))
    assert sorted(came) == wanted(train)


def test_ranks_get_disjoint_shards_that_are_complete_together(mixed):
    root, version, train = mixed
    split = open_split(str(root), TABLE, version, "train")
    shards = [ids(list(batches(split, one_pixel, Loading(rank=rank, world=3), epoch=1))) for rank in range(3)]
    assert sorted(chain.from_iterable(shards)) == wanted(train)


@pytest.mark.parametrize(("world", "workers"), [(1, 1), (3, 2), (4, 5)])
def test_the_plan_gives_every_row_group_to_exactly_one_worker(world, workers):
    shares = [plan_row_groups(17, 5, 2, r, world, w, workers) for r in range(world) for w in range(workers)]
    assert Counter(chain.from_iterable(shares)) == Counter(range(17))


def test_a_pinned_version_ignores_newer_rows_and_the_stale_files_beside_them(tmp_path, rows, write_rows):
    old = write_rows(tmp_path, rows("train", 6))
    new = write_rows(tmp_path, rows("train", 4, first=50), mode="overwrite")
    write_rows(tmp_path, rows("train", 8, first=90))
    for version, expected in ((old, rows("train", 6)), (new, rows("train", 4, first=50))):
        split = open_split(str(tmp_path), TABLE, version, "train")
        assert sorted(ids(list(batches(split, one_pixel, Loading())))) == wanted(expected)


def test_a_table_with_deletion_vectors_is_refused(tmp_path, rows, write_rows):
    version = write_rows(tmp_path, rows("train", 6))
    address = snapshot.address(str(tmp_path), TABLE)
    deltalake.DeltaTable(address).alter.add_feature(
        deltalake.TableFeatures.DeletionVectors, allow_protocol_versions_increase=True
    )
    with pytest.raises(TableRefused, match="deletionVectors"):
        open_split(str(tmp_path), TABLE, version + 1, "train")


def test_skipped_images_do_not_come(mixed):
    root, version, train = mixed
    split = open_split(str(root), TABLE, version, "train")
    skip = frozenset(row["image_id"] for row in train[:20])
    assert sorted(ids(list(batches(split, one_pixel, Loading(), skip=skip)))) == wanted(train[20:])


def test_a_row_that_does_not_come_is_an_error(mixed):
    root, version, _ = mixed
    split = open_split(str(root), TABLE, version, "train")
    first = split.groups[0]
    short = Split("train", (RowGroup(first.file, first.number, first.rows + 1), *split.groups[1:]))
    with pytest.raises(RowsLost, match=r"gave \d rows"):
        list(batches(short, one_pixel, Loading()))


def test_a_batch_that_gets_lost_on_its_way_is_an_error(mixed, monkeypatch):
    root, version, _ = mixed
    split = open_split(str(root), TABLE, version, "train")
    complete = data._Epoch._batches
    monkeypatch.setattr(data._Epoch, "_batches", lambda self: islice(complete(self), 1))
    with pytest.raises(RowsLost, match="gave 32 rows instead of 60"):
        list(batches(split, one_pixel, Loading(batch_size=32)))


def test_files_that_hold_other_rows_than_delta_counts_are_an_error(tmp_path, rows, write_rows, monkeypatch):
    version = write_rows(tmp_path, rows("train", 6), rows_a_group=2)
    monkeypatch.setattr("training.splits.snapshot.live_files", lambda *_: [])
    with pytest.raises(RowsLost, match="hold 0 rows"):
        open_split(str(tmp_path), TABLE, version, "train")


@pytest.mark.parametrize(
    ("change", "error"),
    [({"label": None}, BadLabel), ({"label": 2}, BadLabel), ({"bytes": b"not an image"}, UndecodableImage)],
)
@pytest.mark.parametrize("workers", [0, 1])
def test_a_bad_row_ends_the_epoch_with_an_error_that_names_the_image(
    tmp_path, rows, write_rows, change, error, workers
):
    bad = rows("train", 4)
    bad[2] |= change
    split = open_split(str(tmp_path), TABLE, write_rows(tmp_path, bad), "train")
    with pytest.raises(error, match=f"^image {bad[2]['image_id']}"):
        list(batches(split, one_pixel, Loading(workers=workers)))


def test_a_stalled_loader_is_an_error_and_does_not_hang():
    released = threading.Event()

    def stalling():
        yield 1
        released.wait()
        yield 2

    items = with_deadline(stalling(), seconds=0.2)
    assert next(items) == 1
    with pytest.raises(LoaderStalled):
        next(items)
    released.set()


def test_leaving_an_epoch_early_ends_its_thread(mixed):
    root, version, _ = mixed
    split = open_split(str(root), TABLE, version, "train")
    others = set(threading.enumerate())  # such as one that another test let hang
    epoch = batches(split, one_pixel, Loading(batch_size=1))
    next(epoch)
    (thread,) = set(threading.enumerate()) - others
    epoch.close()
    thread.join(timeout=20)
    assert thread.name == "loader" and not thread.is_alive()
