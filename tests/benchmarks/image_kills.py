"""Kills, full disks, second writers and a vacuum under a reader, in every stage that writes tables of images.

    python tests/benchmarks/image_kills.py --work FOLDER

All happens to one lake. Each command is ended while it writes files that it has not committed, with a reader
looping beside it; then `forensics repair` and the same command run, and the lake must be whole and hold every
image. Scenarios:

ingest      SIGKILL and SIGTERM
describe    SIGKILL in the MERGE that measures images anew
duplicates  SIGKILL while the pairs are replaced
compact     SIGKILL in a compaction, and one in a clustering
vacuum      with nothing retained, while a reader holds a version that a training set names, and one that none does

and on lakes of their own:

killed_vacuum   SIGKILL among the deletions of a vacuum
two_writers     an ingest and a describe that are stopped (SIGSTOP) in their writes while other commands that would
                write there are started
full_disk       ingest, describe's MERGE and a clustering on a disk that fills up (a tmpfs, which takes root), each
                finished once there is space

Exit code 1 where a scenario fails.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
from measured import PROJECT, load_average

from etl.errors import VersionGone
from etl.lake import snapshot
from etl.lake.inspection import inspect
from etl.lake.schemas import (
    COLLECTIONS,
    DUPLICATES,
    GENERATORS,
    IMAGE_FEATURES,
    IMAGES,
    THUMBNAILS,
    TRAINING_SETS,
    Table,
)

sys.path.insert(0, str(PROJECT))
from tests.flow.commands import forensics
from tests.flow.crashes import Reader, assert_whole, ids, kill_in_a_write, noise, start, unnamed, wait_for_a_write

WAVE, COUNT = 48, 96
DISK_MB = 40
"""Less than the images take, more than the tables do without them."""
OLD_FILES = 3000
"""For the vacuum that is killed to delete: some tenths of a second's work."""

SCENARIOS = ("ingest", "describe", "duplicates", "compact", "vacuum", "killed_vacuum", "two_writers", "full_disk")


class Trial:
    """One lake, to which the scenarios happen one after another."""

    def __init__(self, work: Path):
        self.work, self.root, self.log = work, work / "lake", work / "said.log"
        self.expected = noise(work / "reals", COUNT, seed=0)
        for generator in range(4):
            self.expected |= noise(work / f"g{generator}", WAVE // 2, seed=1 + generator)

    def ingest_words(self, name: str, root: Path | None = None) -> list[str]:
        fake = ["--generator", name] if name != "reals" else []
        place = ["--root", str(root or self.root), "--path", str(self.work / name), "--collection", name]
        return ["ingest", *place, *fake, "--wave", str(WAVE)]

    def ok(self, *words: str) -> str:
        """Run a command to its end and return what it said."""
        done = forensics(*words)
        assert done.returncode == 0, (words, done.stdout, done.stderr[-2000:])
        return done.stdout

    def whole(self, root: Path | None = None) -> None:
        """Repair, since a MERGE too leaves an empty file that no version names, and see that nothing is amiss."""
        self.ok("repair", "--root", str(root or self.root))
        assert_whole(root or self.root)

    def mended(self) -> None:
        self.ok("repair", "--root", str(self.root))
        assert not any(unnamed(self.root, table) for table in (IMAGES, IMAGE_FEATURES, THUMBNAILS, DUPLICATES))

    def ingest(self) -> None:
        for with_ in (signal.SIGKILL, signal.SIGTERM):
            with Reader(self.root, IMAGES) as reader:
                process = start(self.log, *self.ingest_words("reals"))
                kill_in_a_write(process, self.root, IMAGES, with_=with_)
                assert process.returncode != 0
            assert set(reader.heights) <= {0, WAVE, COUNT}
        self.mended()
        for name in ("reals", "g0", "g1", "g2", "g3"):
            self.ok(*self.ingest_words(name))
        assert ids(self.root) == ids(self.root, COLLECTIONS) == self.expected
        self.whole()

    def full_disk(self) -> None:
        small = self.work / "small"
        small.mkdir()
        root = small / "lake"
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", small], check=True)
        try:
            self.fills_up(small, *self.ingest_words("reals", root))
            assert len(ids(root)) == COUNT
            describe = ["describe", "--root", str(root)]
            self.ok(*describe, "--backbone", "none")
            measured = snapshot.read(str(root), IMAGE_FEATURES, columns=["image_id"])
            leave_free(small, 0)
            self.fills_up(small, *describe)
            assert (
                snapshot.read(str(root), IMAGE_FEATURES, columns=["image_id"])
                .sort("image_id")
                .equals(measured.sort("image_id"))
            )
            leave_free(small, DISK_MB // 2)
            self.fills_up(small, "maintain", "--root", str(root), "--target_mb", "4", "--tables", "[images]")
            assert len(ids(root)) == COUNT
            self.whole(root)
        finally:
            subprocess.run(["umount", small], check=True)

    def fills_up(self, small: Path, *words: str) -> None:
        """A command ends in a sentence on a full disk, costs no row, and is done once there is space."""
        root = small / "lake"
        before = ids(root) if snapshot.exists(str(root), IMAGES) else set()
        done = forensics(*words)
        said = done.stderr.strip().splitlines()[-1]
        print(f"   {words[0]} ended with {done.returncode}: {said[:200]}")
        assert done.returncode not in (0, 3) and said.startswith("error: "), done.stdout
        assert ids(root) >= before
        subprocess.run(["mount", "-o", "remount,size=2g", small], check=True)
        self.ok("repair", "--root", str(root))
        self.ok(*words)

    def two_writers(self) -> None:
        root = self.work / "two"
        keepers = [["maintain", "--root", str(root)], ["repair", "--root", str(root)]]
        words = self.ingest_words("reals", root)
        self.stopped(root, words, IMAGES, [words, self.ingest_words("g0", root), *keepers])
        assert len(ids(root)) == COUNT
        words = ["describe", "--root", str(root), "--backbone", "none"]
        self.stopped(root, words, IMAGE_FEATURES, [words, *keepers])
        assert snapshot.read(str(root), IMAGE_FEATURES).height == COUNT
        self.whole(root)

    def stopped(self, root: Path, words: list[str], table: Table, others: list[list[str]]) -> None:
        """While a command is stopped in a write the others end with 5; then it ends as if they had not been."""
        process = start(self.log, *words)
        wait_for_a_write(process, root, table, seconds=800)
        os.killpg(process.pid, signal.SIGSTOP)
        held = unnamed(root, table)
        for other in others:
            done = forensics(*other)
            assert done.returncode == 5, (other, done.stdout, done.stderr[-2000:])
            print(f"   {other[0]}: {done.stderr.strip().splitlines()[-1][:120]}")
        assert unnamed(root, table) == held
        os.killpg(process.pid, signal.SIGCONT)
        assert process.wait() == 0

    def describe(self) -> None:
        words = ["describe", "--root", str(self.root)]
        self.ok(*words, "--backbone", "none")
        before = snapshot.read(str(self.root), IMAGE_FEATURES).height
        with Reader(self.root, IMAGE_FEATURES):
            kill_in_a_write(start(self.log, *words), self.root, IMAGE_FEATURES)
        self.mended()
        self.ok(*words)
        assert snapshot.read(str(self.root), IMAGE_FEATURES).height == before == len(self.expected)
        self.whole()

    def duplicates(self) -> None:
        words = ["duplicates", "--root", str(self.root), "--max_distance"]
        self.ok(*words, "0")
        kill_in_a_write(start(self.log, *words, "8"), self.root, DUPLICATES)
        self.mended()
        self.ok(*words, "8")
        self.whole()

    def compact(self) -> None:
        for target in ("4", "60"):  # the first is a clustering of large files, the second puts them together
            words = ["maintain", "--root", str(self.root), "--target_mb", target, "--tables", "[images]"]
            with Reader(self.root, IMAGES) as reader:
                kill_in_a_write(start(self.log, *words), self.root, IMAGES)
                self.mended()
                print("  ", self.ok(*words).splitlines()[0])
            assert set(reader.heights) == {len(self.expected)}
            assert ids(self.root) == self.expected
            self.whole()

    def vacuum(self) -> None:
        generators = [{"generator_id": f"g{number}"} for number in range(4)]
        snapshot.append(str(self.root), GENERATORS, generators)
        accept = ["--accept", "[format, size, bytes, quality, metadata, all]"]
        self.ok("build-training-set", "--root", str(self.root), "--name", "mine", *accept)
        pinned = snapshot.current_version(str(self.root), IMAGES)
        files = snapshot.live_files(str(self.root), IMAGES, pinned)
        old = next(v for v in range(1, pinned) if snapshot.read(str(self.root), IMAGES, v, ["image_id"]).height)
        self.ok("maintain", "--root", str(self.root), "--target_mb", "4", "--tables", "[images]")
        words = ["maintain", "--root", str(self.root), "--retention_days", "0"]
        process = start(self.log, *words)
        seen = 0
        while process.poll() is None:
            seen = sum(pq.read_table(f.removeprefix("file://"), columns=["image_id"]).num_rows for f in files)
            assert seen == len(self.expected)
        assert process.returncode == 0 and seen
        assert snapshot.read(str(self.root), IMAGES, pinned).height == len(self.expected)
        try:
            snapshot.read(str(self.root), IMAGES, old)
        except VersionGone as gone:
            print("  ", str(gone)[:120])
        else:
            raise AssertionError(f"version {old}, which nobody names, is still there")
        assert "comes out the same" in self.ok("build-training-set", "--root", str(self.root), "--again", "mine@1")
        assert snapshot.read(str(self.root), TRAINING_SETS).height == 1
        self.whole()

    def killed_vacuum(self) -> None:
        """A vacuum that is killed among its deletions has cost no file of a live version, and the next ends it."""
        root, folder = self.work / "many", self.work / "many" / DUPLICATES.name
        snapshot.append(str(root), DUPLICATES, [{"image_id": "kept"}])
        for number in range(OLD_FILES):  # as many kills leave
            (folder / f"part-{number:05}-{'0' * 32}.c000.snappy.parquet").write_bytes(b"x" * 1000)
        words = ["maintain", "--root", str(root), "--retention_days", "0"]
        process = start(self.log, *words)
        while len(list(folder.glob("*.parquet"))) > OLD_FILES:
            assert process.poll() is None, "the vacuum ended before its deletions were seen"
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        left = len(unnamed(root, DUPLICATES))
        print(f"   {OLD_FILES - left} of {OLD_FILES} files were deleted")
        assert 0 < left < OLD_FILES
        assert snapshot.read(str(root), DUPLICATES)["image_id"].to_list() == ["kept"]
        print("  ", self.ok(*words).splitlines()[-1])
        assert not unnamed(root, DUPLICATES) and inspect(str(root), DUPLICATES) == []


def leave_free(folder: Path, megabytes: int) -> None:
    """Make a tmpfs so small that it has so much left."""
    used = shutil.disk_usage(folder).used
    subprocess.run(["mount", "-o", f"remount,size={used + megabytes * 1_000_000}", folder], check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", required=True, help="a folder for the images and the lakes, made anew")
    parser.add_argument("--scenarios", nargs="+", default=SCENARIOS, choices=SCENARIOS, help="in this order")
    asked = parser.parse_args()
    work = Path(asked.work).resolve()
    shutil.rmtree(work, ignore_errors=True)
    trial, failed = Trial(work), 0
    for name in asked.scenarios:
        scenario: Callable[[], None] = getattr(trial, name)
        begin = time.monotonic()
        try:
            scenario()
            verdict = "whole"
        except AssertionError as error:
            traceback.print_exc()
            verdict, failed = f"FAILED {error}", failed + 1
        print(f"{name}: {verdict} ({time.monotonic() - begin:.0f} s; {load_average()})", flush=True)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
