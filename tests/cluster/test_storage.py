"""A lake in an object store without Spark: landed files, tables, leases, and what is said where it refuses."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest

from etl.errors import LeaseLost, LockHeld, StorageRefused, StorageUnreachable
from etl.lake import lease, snapshot, storage
from etl.lake.folder import folder
from etl.lake.lock import table_lock
from etl.lake.schemas import REJECTS, training_rows
from etl.models.landing import CrawlState, Landing, Walk
from generation.landing import Landing as Images
from tests.cluster.servers import BUCKET
from tests.flow.commands import ROOT, clean_environment, forensics
from training.data import Loading, batches
from training.reader import PlannedReader
from training.splits import open_split

REJECT = {"stage": "t", "key": "k", "code": "X", "detail": "", "run_id": "r", "attempt": 1}


def elsewhere(root: str, within: str = "print('got it')") -> subprocess.CompletedProcess[str]:
    """Take the lease on `images` in another process."""
    code = f"import os\nfrom etl.lake.lock import table_lock\nwith table_lock({root!r}, 'images'): {within}"
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)


def test_landed_files_are_written_read_listed_and_removed(root):
    place = folder(root, "landing", "x")
    place.write("b/1.json", b"one")
    place.write("a/1.json", b"two")
    assert place.folders() == ["a", "b"]
    assert place.read("b/1.json") == b"one"
    assert place.address("b/1.json") == f"{root}/landing/x/b/1.json"
    place.remove("b/1.json")
    assert place.read("b/1.json") is None


def test_a_table_is_appended_to_once_and_read_by_its_version(root):
    row = REJECT | {"ts": datetime.now(UTC)}
    assert snapshot.append(root, REJECTS, [row]) == 1
    assert snapshot.append(root, REJECTS, [row]) == 0
    version = snapshot.current_version(root, REJECTS)
    assert snapshot.append(root, REJECTS, [row | {"key": "l"}]) == 1
    assert snapshot.read(root, REJECTS).height == 2
    assert snapshot.read(root, REJECTS, version).height == 1


def test_a_crawl_goes_on_from_what_lies_in_the_store(root):
    state = CrawlState("20260101T000000Z", "hub", ["filter=x"], 0, walks=[Walk("filter=x")])
    Landing(root).land_page(state, "/p", [{"id": "a/b"}], {})
    Landing(root).save(state)
    found = Landing(root).crawls()
    assert found == [state]
    assert [line["model_id"] for line in Landing(root).lines(found[0], found[0].pages)] == ["a/b"]
    assert Landing(root).files(state, state.pages) == [f"{root}/landing/hub/{state.crawl_id}/page-00000.jsonl.gz"]


def test_landed_images_count_once_their_lines_are_in_the_store(root):
    images = Images(root, "p", "lab/a")
    images.open()
    for number in range(17):
        images.add(b"png", {"request_id": f"r{number}", "generator_id": "lab/a"})
    wanted = [f"r{number}" for number in range(17)]
    assert len(Images(root, "p", "lab/a").there(wanted)) == 16  # a kill here costs the last one
    images.close()
    assert Images(root, "p", "lab/a").there(wanted) == set(wanted)
    assert not list(images.folder.glob("*.png"))


def test_petastorm_reads_the_rows_from_the_store(root):
    table = training_rows("t")
    rows = [{"image_id": f"{n:02}", "bytes": b"x", "split": "train", "label": n % 2} for n in range(20)]
    snapshot.append(root, table, rows)
    split = open_split(root, table, snapshot.current_version(root, table), "train")
    with PlannedReader(split.groups) as reader:
        read = [str(image_id) for batch in reader for image_id in batch.image_id]
    assert sorted(read) == [row["image_id"] for row in rows]


def test_a_store_that_goes_away_within_an_epoch_is_told_as_that(root, monkeypatch):
    table = training_rows("t")
    rows = [{"image_id": f"{n:02}", "bytes": b"x", "split": "train", "label": n % 2} for n in range(20)]
    snapshot.append(root, table, rows)
    split = open_split(root, table, snapshot.current_version(root, table), "train")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(StorageUnreachable, match=r"127\.0\.0\.1:1 cannot be used"):
        list(batches(split, lambda pixels, _: pixels, Loading()))


def test_a_second_writer_is_told_who_writes_and_until_when(root):
    with table_lock(root, "images"):
        second = elsewhere(root)
    assert f"process {os.getpid()} of" in second.stderr
    assert "is writing to the table 'images'" in second.stderr
    assert elsewhere(root).stdout == "got it\n"


def test_a_command_whose_table_is_being_written_exits_5(root, store):
    with table_lock(root, "hub_records"):
        done = forensics("crawl", "--root", root, "--endpoint", "http://127.0.0.1:9", **store[1])
    assert done.returncode == 5, done.stderr


def test_the_lease_of_a_dead_process_of_this_machine_is_taken_at_once(root):
    elsewhere(root, "os._exit(1)")
    with table_lock(root, "images"):
        pass


def test_it_is_seen_from_outside_which_tables_are_written(root):
    with table_lock(root, "images"), table_lock(root, "training/abc"):
        assert lease.held(root) == {"images", "training/abc"}
    assert lease.held(root) == set()


def test_the_lease_of_another_machine_ends_by_itself(root, monkeypatch):
    monkeypatch.setattr(lease, "LEASE_SECONDS", 2.0)
    with monkeypatch.context() as there:
        there.setattr(lease, "_machine", lambda: "another")
        elsewhere_held = lease._Lease(root, "images")
        elsewhere_held.take(0)
    with pytest.raises(LockHeld), table_lock(root, "images"):
        pass
    with table_lock(root, "images", wait_seconds=10):
        pass


def test_a_lease_is_renewed_while_its_holder_works(root, monkeypatch):
    monkeypatch.setattr(lease, "LEASE_SECONDS", 3.0)
    with table_lock(root, "images"):
        time.sleep(4.5)
        assert elsewhere(root).returncode != 0


def test_a_holder_that_lost_its_lease_says_so(root, monkeypatch):
    monkeypatch.setattr(lease, "LEASE_SECONDS", 1.5)
    with pytest.raises(LeaseLost):
        overtaken(root)


def overtaken(root: str) -> None:
    with table_lock(root, "images"):
        folder(root, ".locks").write("images.lease", b"{}")
        time.sleep(2)


@pytest.mark.parametrize(
    ("changed", "code", "said"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "not-this-one"}, 2, "SignatureDoesNotMatch): check AWS_SECRET_ACCESS_KEY"),
        ({"AWS_ACCESS_KEY_ID": "nobody"}, 2, "InvalidAccessKeyId): check AWS_ACCESS_KEY_ID"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, 1, "cannot be used for the bucket lake"),
    ],
    ids=["secret", "key", "endpoint"],
)
def test_a_refusal_is_one_sentence_without_credentials(changed, code, said, root, store):
    done = forensics("summarise", "--root", root, **store[1] | changed)
    assert done.returncode == code
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    for value in (*store[1].values(), *changed.values()):
        assert value.startswith("http") or value not in done.stderr


def test_a_bucket_that_is_missing_is_named(root):
    with pytest.raises(StorageRefused, match="has no bucket nowhere"):
        storage.require("s3a://nowhere/lake")


def test_credentials_in_the_address_are_refused_and_not_repeated(store):
    done = forensics("summarise", "--root", f"s3a://me:hidden@{BUCKET}/lake", **store[1])
    assert done.returncode == 2
    assert "must hold no credentials" in done.stderr
    assert "hidden" not in done.stderr


@pytest.mark.parametrize(
    "odd",
    [
        *("s3a://lake/a b", "s3a://lake/a%20b", "s3a://lake/ü", "s3a://lake/main?x=1", "s3a://lake/a#b"),
        *("s3a:/lake/a", "s3a://KEY:hidden/lake"),
    ],
)
def test_a_root_that_readers_take_differently_is_wrong_usage(odd, store):
    done = forensics("summarise", "--root", odd, **store[1])
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "hidden" not in done.stderr


@pytest.mark.parametrize(
    "endpoint", ["127.0.0.1:9000", "KEY:hidden@127.0.0.1:9000", "http://KEY:hidden@127.0.0.1:9000"]
)
def test_an_endpoint_without_scheme_or_with_credentials_is_wrong_usage(endpoint, root, store):
    done = forensics("summarise", "--root", root, **store[1] | {"AWS_ENDPOINT_URL": endpoint})
    assert done.returncode == 2
    assert "AWS_ENDPOINT_URL must be" in done.stderr and len(done.stderr.splitlines()) == 1
    assert "hidden" not in done.stderr


def test_another_scheme_is_wrong_usage():
    done = subprocess.run(
        [sys.executable, "-m", "etl.cli", "summarise", "--root", "gs://bucket/x"],
        *(),
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "s3a://BUCKET/PREFIX" in done.stderr
