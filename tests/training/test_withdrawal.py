"""A withdrawn generator is in no set to come: what held it is said and built anew, and nothing is done twice."""

import contextlib
import io
import json
import re
import shutil
from pathlib import Path

import deltalake
import pytest
from PIL import Image

from etl.errors import AuditFailed, ConfigError, NothingUsable, SuccessorFailed
from etl.images.withdrawal import held
from etl.jobs import build_training_set, ingest
from etl.lake import snapshot
from etl.lake.schemas import (
    COLLECTIONS,
    GENERATORS,
    IMAGE_FEATURES,
    IMAGES,
    PREDICTIONS,
    REJECTS,
    TABLES,
    THUMBNAILS,
    TRAINING_SETS,
    WITHDRAWALS,
    training_rows,
)
from training.jobs import withdraw
from training.tracking import Tracker

IDS = [f"org/g{n}" for n in range(7)]
GONE = ["org/g1", "org/g2"]
ROWS = training_rows("demo")


def image(name: str, generator: str | None) -> dict:
    origin = {"label": 1, "generator_id": generator} if generator else {"label": 0, "real_source": "photos"}
    like = {"format": "PNG", "width": 1, "height": 1, "mode": "P" if generator else "RGB"}
    return {"image_id": name, "bytes": name.encode(), **like, **origin}


def fill(root: str) -> list[dict]:
    rows = [image(f"{n}-{one[-2:]}", one) for one in IDS for n in range(4)]
    rows += [image(f"real{n}", None) for n in range(40)]
    snapshot.append(root, IMAGES, rows)
    snapshot.append(root, GENERATORS, [{"generator_id": one} for one in IDS])
    ids = [row["image_id"] for row in rows]
    snapshot.append(root, COLLECTIONS, [{"collection": "c", "image_id": one} for one in ids])
    snapshot.append(root, IMAGE_FEATURES, [{"image_id": one, "feature_version": 0} for one in ids])
    snapshot.append(
        root, THUMBNAILS, [{"image_id": row["image_id"], "generator_id": row.get("generator_id")} for row in rows]
    )
    return rows


def copy_of_the_set(root: str, name: str, **recipe: object) -> None:
    """Put the set on record under another name, as if it were another recipe's."""
    shutil.copytree(f"{root}/training_rows/demo", f"{root}/training_rows/{name}")
    (build,) = snapshot.read(root, TRAINING_SETS).filter(name="demo").to_dicts()
    config = json.loads(build["config"]) | {"name": name} | recipe
    snapshot.append(root, TRAINING_SETS, [build | {"name": name, "config": json.dumps(config)}])


def versions(root: str) -> dict[str, int]:
    tables = [*TABLES, ROWS]
    return {table.name: snapshot.current_version(root, table) for table in tables if snapshot.exists(root, table)}


def of_generators(root: str, table, ids: list[str]) -> set[str]:
    """The ids of images in a table that are of these generators."""
    own = {f"{n}-{one[-2:]}" for one in ids for n in range(4)}
    return set(snapshot.read(root, table, columns=["image_id"])["image_id"]) & own


@pytest.fixture(scope="module")
def root(spark, tmp_path_factory, mlflow_database: Path) -> str:
    """A lake with a set that can be built anew and two that cannot, runs of them, and one generator whose
    withdrawal was killed after its first step."""
    root = str(tmp_path_factory.mktemp("withdrawn") / "a lake")
    fill(root)
    shutil.copy(mlflow_database, f"{root}/mlflow.db")
    assert build_training_set.main(["--root", root, "--accept", "[metadata, all]"]) == 0
    copy_of_the_set(root, "biased", accept=[])
    copy_of_the_set(root, "narrow", generators=7, strategy="random")
    tracker = Tracker(root)
    for name in ("demo", "narrow", "another"):
        tracker.start("detectors", name, {"training_set": name, "training_set_version": "1"}, {})
    score = {"transform": "none", "collection": "c", "logit": 0.0}
    seen = [("r1", "0-g1", "org/g1"), ("r1", "1-g2", "org/g2"), ("r2", "0-g3", "org/g3")]
    snapshot.append(
        root, PREDICTIONS, [{"run_id": r, "image_id": i, "generator_id": g, **score} for r, i, g in seen]
    )
    snapshot.append(root, WITHDRAWALS, [{"generator_id": GONE[0], "reason": "the first one"}])
    return root


@pytest.fixture(scope="module")
def done(root) -> dict:
    """What was said when both generators were withdrawn, and then again."""
    said = {}
    words = ["--root", root, "--generator", f"[{', '.join(GONE)}]", "--reason", "the second one"]
    for time in ("first", "again"):
        with contextlib.redirect_stdout(io.StringIO()) as lines, pytest.raises(SuccessorFailed) as failed:
            withdraw.main(words)
        said[time] = (lines.getvalue().splitlines(), str(failed.value), versions(root))
    return said


def test_sets_and_runs_that_hold_its_images_are_listed(root, done):
    lines = done["first"][0]
    before = {one.label: one.rows for one in held(root, GONE)}
    assert sum(before["demo@1"].values()) == 8 and before.keys() == {"biased@1", "demo@1", "narrow@1"}
    assert lines[0] == "training sets that hold their images: 3"
    splits = ", ".join(f"{split} {count}" for split, count in before["demo@1"].items())
    assert f"  demo@1 (newest): 8 rows, {splits}" in lines
    assert "runs that have seen them: 3" in lines and "  run r1: scored 2 of its images in c" in lines
    trained = [line.split(": ")[1] for line in lines if "trained on" in line]
    assert trained == ["trained on demo@1", "trained on narrow@1"]


def test_a_clean_successor_holds_no_row_of_it_and_the_older_version_stays(root, done):
    builds = snapshot.read(root, TRAINING_SETS).filter(name="demo").sort("version").to_dicts()
    assert [row["version"] for row in builds] == [1, 2] and builds[0]["config"] == builds[1]["config"]
    old, new = (snapshot.read(root, ROWS, version=row["rows_version"]) for row in builds)
    assert set(GONE) <= set(old["generator_id"]) and not set(GONE) & set(new["generator_id"])
    assert new.filter(label=1)["generator_id"].n_unique() == 5
    assert "withdrawals" in json.loads(builds[1]["table_versions"])
    assert any("demo@2 built" in line for line in done["first"][0])


def test_sets_that_cannot_be_built_are_said_and_do_not_keep_the_others_from_it(done):
    begin, biased, narrow = re.split("; narrow: |: biased: ", done["first"][1])
    assert begin == "withdrawn, but 2 sets have no clean successor"
    assert biased.startswith("AuditFailed: real and fake can be told apart") and "metadata 1.00 in train" in biased
    assert narrow.startswith("NothingUsable: 7 generators are asked for, and 5 with")
    assert SuccessorFailed.exit_code == AuditFailed.exit_code


def test_a_withdrawal_that_was_killed_is_finished_and_its_first_reason_stays(root, done):
    rows = snapshot.read(root, WITHDRAWALS).sort("generator_id")
    assert rows["reason"].to_list() == ["the first one", "the second one"]
    assert "withdraw: 2 generators = 1 new + 0 rejected + 1 already there; demo@2 built" in done["first"][0][-1]


def test_the_same_again_adds_nothing_and_says_so(done):
    lines, _, after = done["again"]
    assert lines[-1].startswith("withdraw: 2 generators = 0 new + 0 rejected + 2 already there; nothing to build")
    assert "  demo@1: 8 rows" in "\n".join(lines) and after == done["first"][2]


def test_a_build_of_before_comes_out_the_same_from_its_record(root, done):
    assert build_training_set.main(["--root", root, "--again", "demo@1"]) == 0


def test_ingest_refuses_its_images_by_name(root, done, tmp_path):
    Image.new("RGB", (8, 8), "red").save(tmp_path / "a.png")
    words = ["--root", root, "--path", str(tmp_path), "--collection", "more", "--generator", GONE[0]]
    assert ingest.main(words) == 3
    assert snapshot.read(root, REJECTS)["code"].to_list() == ["WITHDRAWN"]


def test_erased_images_are_gone_from_every_table_and_the_others_keep_their_bytes(root, done, tmp_path, capsys):
    erased = shutil.copytree(root, tmp_path / "copy", ignore=shutil.ignore_patterns("training_*"))
    before = snapshot.read(root, IMAGES)
    words = ["--root", str(erased), "--generator", GONE[0], "--erase"]
    assert withdraw.main(words) == 0
    assert "; 4 rows erased from collections; 4 rows erased from image_features; " in capsys.readouterr().out
    for table in (IMAGES, THUMBNAILS, COLLECTIONS, IMAGE_FEATURES):
        assert not of_generators(str(erased), table, GONE[:1])
        assert of_generators(str(erased), table, IDS[2:]) == of_generators(root, table, IDS[2:])
        settings = deltalake.DeltaTable(snapshot.address(str(erased), table)).metadata().configuration
        assert settings.get("delta.appendOnly", "false") == str(table.append_only).lower()
        assert settings["delta.enableDeletionVectors"] == "false"
    kept = snapshot.read(str(erased), IMAGES).sort("image_id")
    assert kept.equals(before.filter(before["generator_id"].fill_null("") != GONE[0]).sort("image_id"))
    there = versions(str(erased))
    assert withdraw.main(words) == 0
    assert versions(str(erased)) == there


def test_a_dry_run_writes_nothing(root, done, capsys):
    before = versions(root)
    assert withdraw.main(["--root", root, "--generator", "org/g3", "--dry_run"]) == 0
    said = capsys.readouterr().out
    assert "demo@1: 4 rows" in said and "demo@2 (newest): 4 rows" in said
    assert "1 new + 0 rejected + 0 already there; nothing written, 3 successors to build" in said
    assert versions(root) == before


def test_a_generator_that_the_lake_lacks_is_nothing_usable_with_the_nearest_name(root):
    with pytest.raises(NothingUsable, match=r"the lake knows no generator org/g11; did you mean 'org/g1'\?"):
        withdraw.main(["--root", root, "--generator", "org/g11"])


def test_without_sets_predictions_and_mlflow_nothing_is_touched(tmp_path, capsys):
    snapshot.append(str(tmp_path), GENERATORS, [{"generator_id": "org/g1"}])
    for new in (1, 0):
        assert withdraw.main(["--root", str(tmp_path), "--generator", "org/g1"]) == 0
        assert f"1 generators = {new} new" in capsys.readouterr().out
    assert not (tmp_path / "mlflow.db").exists()


def test_a_generator_must_be_named(tmp_path):
    with pytest.raises(ConfigError, match="--generator must name one, or several"):
        withdraw.main(["--root", str(tmp_path)])
