"""Repair: what kills leave is listed with a code, mended where that loses nothing, and else only on demand."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from etl.errors import ConfigError, LakeMissing, LockHeld, TableDamaged
from etl.jobs import repair
from etl.lake import snapshot
from etl.lake.lock import table_lock
from etl.lake.schemas import COLLECTIONS, DUPLICATES, IMAGES, TRAINING_SETS


@pytest.fixture
def root(tmp_path) -> str:
    """A lake with a table of three rows in two files."""
    root = str(tmp_path / "my lake")
    snapshot.append(root, DUPLICATES, [{"image_id": "a"}, {"image_id": "b"}])
    snapshot.append(root, DUPLICATES, [{"image_id": "c"}])
    return root


def folder(root: str) -> Path:
    return Path(root, DUPLICATES.name)


def first_file(root: str) -> Path:
    """The file of the first two rows."""
    (url,) = snapshot.live_files(root, DUPLICATES, 1)
    return Path(url.removeprefix("file://"))


def ids(root: str) -> list[str]:
    return sorted(snapshot.read(root, DUPLICATES)["image_id"])


def torn(root: str) -> Path:
    """Cut the last commit, as a power cut does."""
    commit = folder(root) / "_delta_log" / f"{2:020}.json"
    commit.write_bytes(commit.read_bytes()[:-40])
    commit.with_suffix(".crc").write_text("{}")
    return commit


def test_a_whole_lake_has_no_findings(root, capsys):
    assert repair.main(["--root", root]) == 0
    assert capsys.readouterr().out == "repair: 1 tables, 0 findings, 0 damages stand\n"


def test_files_that_no_version_names_are_listed_first_and_then_deleted(root, capsys):
    snapshot.append(root, TRAINING_SETS, [])
    left = [folder(root) / name for name in ("part-9.parquet", ".part-9.parquet.crc", ".part-8.parquet.crc")]
    left.append(folder(root) / "_delta_log" / "_commit_x.json.tmp")
    for path in left:
        path.write_bytes(b"x" * 10)
    notes = folder(root) / "notes.txt"
    notes.write_text("a file of the user's")
    assert repair.main(["--root", root, "--dry_run"]) == 0
    assert all(path.exists() for path in left)
    said = capsys.readouterr().out
    assert (
        "ORPHAN duplicates part-9.parquet (10 bytes): no version names it: `forensics repair` deletes it" in said
    )
    assert "LEFTOVER duplicates/_delta_log _commit_x.json.tmp: unfinished" in said
    assert repair.main(["--root", root]) == 0
    assert not any(path.exists() for path in left) and notes.exists()
    assert ids(root) == ["a", "b", "c"]


def test_files_of_earlier_versions_are_no_orphans(root):
    old = first_file(root)
    snapshot.replace(root, DUPLICATES, [{"image_id": "a", "other_id": "n"}], where={"image_id": "a"})
    assert repair.main(["--root", root]) == 0
    assert old.exists() and snapshot.read(root, DUPLICATES, 2).height == 3


def test_unfinished_files_of_the_stages_go_once_they_are_an_hour_old(root):
    old, young = (Path(root, "landing", "hub", name) for name in (".page.tmp", "half.partial"))
    old.parent.mkdir(parents=True)
    for path in (old, young):
        path.write_bytes(b"x")
    os.utime(old, (0, 0))
    assert repair.main(["--root", root]) == 0
    assert not old.exists() and young.exists()


def test_a_torn_commit_is_moved_away_and_the_table_is_at_the_version_before(root, capsys):
    commit = torn(root)
    whole = set(folder(root).glob("*.parquet"))
    assert repair.main(["--root", root, "--dry_run"]) == 3 and commit.exists()
    assert f"LOG_TORN duplicates {commit.name}: the last commit is unfinished" in capsys.readouterr().out
    with pytest.raises(TableDamaged):
        ids(root)
    assert repair.main(["--root", root]) == 0
    aside = Path(root, ".damaged", "duplicates", commit.name)
    assert f"is at version 1 again: moved its torn commit to {aside}" in capsys.readouterr().out
    assert aside.exists() and not commit.exists() and not commit.with_suffix(".crc").exists()
    assert ids(root) == ["a", "b"] and set(folder(root).glob("*.parquet")) == whole
    assert snapshot.append(root, DUPLICATES, [{"image_id": "c"}]) == 1
    assert ids(root) == ["a", "b", "c"]


def missing(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def overwritten(path: Path) -> None:
    path.write_bytes(b"x" * path.stat().st_size)


@pytest.mark.parametrize(
    ("damage", "code"), [(missing, "FILE_MISSING"), (cut, "FILE_SIZE"), (overwritten, "FILE_UNREADABLE")]
)
def test_lost_rows_stand_until_they_are_given_up_and_are_said(root, damage: Callable, code: str, capsys):
    file = first_file(root)
    damage(file)
    assert repair.main(["--root", root]) == 3
    said = capsys.readouterr().out
    assert f"{code} duplicates {file.name} (" in said and "1 damages stand" in said
    with contextlib.suppress(TableDamaged):
        assert len(ids(root)) == 3
    assert repair.main(["--root", root, "--drop_lost"]) == 0
    assert "repaired: duplicates has lost 2 rows with 1 files" in capsys.readouterr().out
    assert ids(root) == ["c"]
    assert (Path(root, ".damaged", "duplicates", file.name).exists()) == (damage is not missing)
    assert repair.main(["--root", root]) == 0


def test_a_file_with_other_rows_than_the_log_counts_is_damage(root, capsys):
    file, other = (Path(url.removeprefix("file://")) for url in snapshot.live_files(root, DUPLICATES))
    data = other.read_bytes()
    log = folder(root) / "_delta_log"
    for commit in log.glob("*.json"):
        text = commit.read_text()
        commit.write_text(
            text.replace(f'"size":{file.stat().st_size}', f'"size":{len(data)}') if file.name in text else text
        )
    file.write_bytes(data)
    assert repair.main(["--root", root]) == 3
    assert f"FILE_ROWS duplicates {file.name}" in capsys.readouterr().out


def test_a_log_with_a_gap_is_said_and_left_alone(root, capsys):
    (folder(root) / "_delta_log" / f"{1:020}.json").unlink()
    assert repair.main(["--root", root, "--drop_lost"]) == 3
    assert "LOG_LOST duplicates _delta_log (version 1 is missing): cannot be mended" in capsys.readouterr().out
    assert len(list(folder(root).glob("*.parquet"))) == 2


def test_lost_images_are_named_by_the_collections_to_ingest_again(tmp_path, capsys):
    root = str(tmp_path)
    for name in "ab":
        snapshot.append(root, IMAGES, [{"image_id": name, "bytes": b"x"}])
        snapshot.append(root, COLLECTIONS, [{"collection": "photos", "image_id": name}])
    (url,) = snapshot.live_files(root, IMAGES, 1)
    Path(url.removeprefix("file://")).unlink()
    assert repair.main(["--root", root, "--drop_lost"]) == 0
    said = capsys.readouterr().out
    assert "repaired: images has lost 1 rows with 1 files" in said
    assert "repaired: ingest the collection 'photos' again: 1 of its images are missing" in said
    assert Path(root, ".damaged", "lost_images.csv").read_text() == "collection,image_id\nphotos,a\n"


def test_a_version_that_a_set_names_and_that_is_gone_is_listed(root, capsys):
    build = {"name": "mine", "version": 1, "table_versions": '{"duplicates": 1}', "rows_version": 0}
    snapshot.append(root, TRAINING_SETS, [build])
    snapshot.replace(root, DUPLICATES, [{"image_id": "a", "other_id": "n"}], where={"image_id": "a"})
    (url,) = snapshot.live_files(root, DUPLICATES, 1)
    Path(url.removeprefix("file://")).unlink()
    assert repair.main(["--root", root]) == 0
    assert "VERSION_GONE duplicates duplicates (version 1): training sets name it" in capsys.readouterr().out


def test_a_table_that_is_being_written_to_is_not_looked_at(root, monkeypatch, capsys):
    def held(root: str, name: str, wait_seconds: float = 0.0):
        if name == DUPLICATES.name:
            raise LockHeld("held")
        return table_lock(root, name, wait_seconds)

    orphan = folder(root) / "part-9.parquet"
    orphan.write_bytes(b"being written")
    monkeypatch.setattr("etl.lake.repair.table_lock", held)
    with pytest.raises(LockHeld, match="other processes were writing to duplicates"):
        repair.main(["--root", root])
    assert orphan.exists()


def test_a_lake_elsewhere_or_without_tables_is_said(tmp_path):
    with pytest.raises(ConfigError, match="--root must be a folder"):
        repair.main(["--root", "s3a://bucket/lake"])
    with pytest.raises(LakeMissing, match="there is no table in the lake"):
        repair.main(["--root", str(tmp_path)])
