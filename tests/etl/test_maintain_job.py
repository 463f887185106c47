"""Maintenance moves files and no row: sets on record come out the same, and only what nobody needs is deleted."""

import contextlib
import io
from pathlib import Path
from typing import NamedTuple

import deltalake
import pyarrow.parquet as pq
import pytest

from etl.errors import ConfigError, LakeMissing, LockHeld, VersionGone
from etl.jobs import build_training_set, maintain
from etl.lake import snapshot
from etl.lake.layout import Rewrite, live, overlap, rewrite
from etl.lake.lock import table_lock
from etl.lake.schemas import DUPLICATES, GENERATORS, IMAGES, TABLES, TRAINING_SETS, Table, training_rows
from etl.lake.vacuum import vacuum

ROWS = training_rows("demo")
GENERATOR_IDS = [f"g{number}" for number in range(6)]


class Maintained(NamedTuple):
    root: str
    pinned: dict[str, int]
    """Versions that the set demo@1 read."""
    before: list[tuple]
    """Rows of `images` before maintenance, in the order of ids."""
    said: list[str]
    """What each of three runs printed: dry, real, real once more."""
    versions: list[dict[str, int]]
    """Versions of the tables before the first run and after each."""


def image(name: str, generator: str | None) -> dict:
    origin = {"label": 1, "generator_id": generator} if generator else {"label": 0, "real_source": "photos"}
    return {"image_id": name, "bytes": name.encode(), "format": "PNG", "width": 1, "height": 1, **origin}


def fill(root: str, part: str) -> None:
    """Bring one commit with an image of every generator and as many reals."""
    fakes = [image(f"{part}-{generator}", generator) for generator in GENERATOR_IDS]
    snapshot.append(root, IMAGES, fakes + [image(f"{part}-real{number}", None) for number in range(6)])


def rows(root: str, table: Table, version: int | None = None) -> list[tuple]:
    return sorted(snapshot.read(root, table, version).rows(), key=str)


def versions_of(root: str) -> dict[str, int]:
    tables = [table for table in (*TABLES, ROWS) if snapshot.exists(root, table)]
    return {table.name: snapshot.current_version(root, table) for table in tables}


@pytest.fixture(scope="module")
def maintained(spark, tmp_path_factory) -> Maintained:
    """A lake of many small files, with a set built from it and images that came later, maintained."""
    root = str(tmp_path_factory.mktemp("maintained") / "my lake")
    for part in "fdbeca":
        fill(root, part)
    snapshot.append(root, GENERATORS, [{"generator_id": generator} for generator in GENERATOR_IDS])
    for number in range(5):
        snapshot.append(root, DUPLICATES, [{"image_id": f"{number}", "other_id": "x", "distance": 1}])
    for path in Path(root, DUPLICATES.name).glob("*.parquet"):
        path.with_name(f".{path.name}.crc").write_bytes(b"a check sum, as Hadoop leaves it")
    build_training_set.main(["--root", root])
    pinned = versions_of(root)
    fill(root, "later")
    # A table of an older version of the project does not keep its log.
    old = deltalake.DeltaTable(snapshot.address(root, IMAGES))
    old.alter.set_table_properties({"delta.logRetentionDuration": "interval 1 days"})
    before, said, versions = rows(root, IMAGES), [], [versions_of(root)]
    for more in (["--dry_run"], [], []):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            assert maintain.main(["--root", root, "--retention_days", "0", *more]) == 0
        said.append(out.getvalue())
        versions.append(versions_of(root))
    return Maintained(root, pinned, before, said, versions)


def test_small_files_are_put_together_and_no_row_changes(maintained):
    root = maintained.root
    assert [len(live(root, table)) for table in (IMAGES, DUPLICATES)] == [1, 1]
    assert rows(root, IMAGES) == maintained.before and len(rows(root, DUPLICATES)) == 5
    assert "images: 7 files clustered to 1; " in maintained.said[1]
    assert "duplicates: 5 files compacted to 1; " in maintained.said[1]


def test_images_are_sorted_by_generator_and_id(maintained):
    (file,) = snapshot.live_files(maintained.root, IMAGES)
    found = pq.read_table(file.removeprefix("file://"), columns=["generator_id", "image_id"])
    keys = [(row["generator_id"] or "", row["image_id"]) for row in found.to_pylist()]
    assert keys == sorted(keys)


def test_a_dry_run_says_what_is_to_do_and_touches_nothing(maintained):
    assert "images: 7 files to cluster; " in maintained.said[0]
    assert maintained.versions[1] == maintained.versions[0]


def test_where_nothing_is_to_do_nothing_is_committed(maintained):
    assert maintained.versions[3] == maintained.versions[2]
    assert maintained.said[2].splitlines()[-1].endswith("0 rewritten, 0 old files (0.0 MB) deleted")


def test_versions_that_a_set_names_stay_and_others_are_named_as_gone(maintained):
    root, pinned = maintained.root, maintained.pinned
    assert snapshot.read(root, IMAGES, pinned["images"]).height == 72
    assert snapshot.read(root, ROWS, pinned[ROWS.name]).height > 0
    assert "1 versions protected" in next(x for x in maintained.said[1].splitlines() if x.startswith("images:"))
    with pytest.raises(VersionGone, match=r"files of version 4 of .*duplicates are gone"):
        snapshot.read(root, DUPLICATES, 4)


def test_no_file_is_left_that_no_kept_version_names(maintained):
    root = maintained.root
    for table, kept in ((IMAGES, [None, maintained.pinned["images"]]), (DUPLICATES, [None])):
        named = {Path(file).name for version in kept for file in snapshot.live_files(root, table, version)}
        on_disk = {path.name for path in Path(root, table.name).iterdir() if path.is_file()}
        assert {name for name in on_disk if not name.startswith(".")} == named
        assert {name[1:].removesuffix(".crc") for name in on_disk if name.startswith(".")} <= named


def test_tables_keep_what_is_declared_of_them(maintained):
    properties = deltalake.DeltaTable(snapshot.address(maintained.root, IMAGES)).metadata().configuration
    assert properties.items() >= IMAGES.properties.items() and properties["delta.appendOnly"] == "true"


def test_a_set_comes_out_the_same_after_maintenance_and_later_images(maintained, capsys):
    fill(maintained.root, "latest")
    assert build_training_set.main(["--root", maintained.root, "--again", "demo@1"]) == 0
    assert "demo@1 comes out the same" in capsys.readouterr().out


def test_a_set_that_is_released_protects_nothing_any_more(maintained, capsys):
    with pytest.raises(ConfigError, match="--release: there is no training set other@1"):
        maintain.main(["--root", maintained.root, "--release", "[other@1]"])
    released = ["--root", maintained.root, "--tables", "[images]", "--retention_days", "0"]
    assert maintain.main([*released, "--release", "[demo@1]"]) == 0
    assert "images: 2 files; 6 old files" in capsys.readouterr().out
    with pytest.raises(VersionGone):
        build_training_set.main(["--root", maintained.root, "--again", "demo@1"])


def test_nothing_is_deleted_while_a_set_is_in_the_making(tmp_path, monkeypatch, capsys):
    root = str(tmp_path)
    for name in "ab":
        snapshot.append(root, DUPLICATES, [{"image_id": name}])
    Path(root, "duplicates", "part-0.parquet").write_bytes(b"left by a kill")

    def held(root: str, name: str, wait_seconds: float = 0.0):
        if name == TRAINING_SETS.name:
            raise LockHeld("held")
        return table_lock(root, name, wait_seconds)

    monkeypatch.setattr("etl.lake.maintenance.table_lock", held)
    with pytest.raises(LockHeld, match="something was left undone in duplicates"):
        maintain.main(["--root", root, "--retention_days", "0"])
    assert Path(root, "duplicates", "part-0.parquet").exists()
    assert "another process is writing" in capsys.readouterr().out


def test_files_of_a_version_that_was_replaced_stay_for_the_retention(tmp_path):
    for name in "abcd":
        snapshot.append(str(tmp_path), DUPLICATES, [{"image_id": name}])
    deltalake.DeltaTable(snapshot.address(str(tmp_path), DUPLICATES)).optimize.compact()
    assert vacuum(str(tmp_path), DUPLICATES, [], hours=168, dry_run=False).files == 0
    assert vacuum(str(tmp_path), DUPLICATES, [2], hours=0, dry_run=False).files == 2
    assert snapshot.read(str(tmp_path), DUPLICATES, 2).height == 2


def test_a_lake_without_tables_is_said(tmp_path):
    with pytest.raises(LakeMissing, match="there is no table in the lake"):
        maintain.main(["--root", str(tmp_path / "none")])
    assert not (tmp_path / "none").exists()


def test_sorted_files_do_not_overlap_also_where_one_generator_fills_many(tmp_path):
    root, target = str(tmp_path), 1
    for generator, number in (
        ("a", 0),
        ("b", 0),
        ("b" * 80, 0),
        ("b" * 80, 1),
        ("b" * 80, 2),
        (None, 0),
        (None, 1),
    ):
        snapshot.append(root, IMAGES, [image(f"{number}{i}", generator) for i in range(2)])
    files = live(root, IMAGES)
    size = max(file.size for file in files)
    assert overlap(files, size) <= 1
    for part in "xyz":
        fill(root, part)
    assert overlap(live(root, IMAGES), size) > 2
    assert rewrite(root, IMAGES, target) is Rewrite.CLUSTER
    assert rewrite(root, IMAGES, 100 * size) is Rewrite.CLUSTER  # small files are to be moved anyway


def test_a_few_large_files_are_left_alone(tmp_path):
    for part in "ab":
        fill(str(tmp_path), part)
    assert rewrite(str(tmp_path), IMAGES, 10_000) is Rewrite.NONE
