"""A set whose classes differ by their files fails its audit; made alike, the same images pass."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from etl.errors import AuditFailed, NothingUsable, NotTheSame
from etl.images.recipe import TrainingSetSettings
from etl.images.reencoding import encode, quality_of
from etl.jobs import build_training_set
from etl.lake import snapshot
from etl.lake.schemas import GENERATORS, IMAGES, TRAINING_SETS, training_rows

ALIKE = ["--reencode", "JPEG", "--reencode_size", "32", "--match", "[format, size, bytes]"]


def picture(rng, width: int, height: int, format_: str) -> bytes:
    buffer = io.BytesIO()
    small = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    image = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    noisy = np.asarray(image, dtype=np.int16) + rng.integers(-9, 10, (height, width, 3))
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(buffer, format_)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> str:
    """Fakes are PNG of 64 × 64 from six generators, reals JPEG of many sizes; what they show is alike."""
    root, rng, rows = str(tmp_path_factory.mktemp("biased")), np.random.default_rng(3), []
    for n in range(240):
        fake = n % 2
        width, height = (64, 64) if fake else (int(rng.integers(60, 120)), int(rng.integers(60, 120)))
        format_ = "PNG" if fake else "JPEG"
        origin = {"generator_id": f"g{n // 2 % 6}"} if fake else {"real_source": "p"}
        size = {"format": format_, "width": width, "height": height, "mode": "RGB", "n_frames": 1}
        content = picture(rng, width, height, format_)
        rows.append(
            {"image_id": f"{n:04}", "bytes": content, "exif_orientation": 1, "label": fake, **size, **origin}
        )
    snapshot.append(root, IMAGES, rows)
    snapshot.append(root, GENERATORS, [{"generator_id": f"g{n}"} for n in range(6)])
    return root


@pytest.fixture(scope="module")
def matched(spark, root) -> str:
    """The set, built with the classes alike."""
    assert build_training_set.main(["--root", root, "--name", "alike", *ALIKE]) == 0
    return root


def test_fakes_that_are_png_and_reals_that_are_jpeg_fail_the_build_by_name(spark, root, capsys):
    with pytest.raises(
        AuditFailed, match=r"format 1\.00 in train.*the limit is 0\.6.*--match or --reencode.*--accept"
    ):
        build_training_set.main(["--root", root, "--name", "biased"])
    assert "  format    train 1.00 [1.00, 1.00]" in capsys.readouterr().out
    assert not snapshot.exists(root, training_rows("biased"))


def test_a_shortcut_that_is_accepted_by_name_is_on_record(spark, root):
    accepted = ["format", "size", "all"]
    words = ["--root", root, "--name", "accepted", "--accept", f"[{', '.join(accepted)}]"]
    assert build_training_set.main(words) == 0
    audit = json.loads(snapshot.read(root, TRAINING_SETS).filter(name="accepted")["audit"][0])
    assert audit["accepted"] == accepted and audit["limit"] == 0.6
    assert {f["auc"] for f in audit["findings"] if f["view"] == "format"} == {1.0}


def test_the_same_images_made_alike_pass_and_the_rows_hold_the_new_files(matched):
    record = snapshot.read(matched, TRAINING_SETS).filter(name="alike").row(0, named=True)
    findings = json.loads(record["audit"])["findings"]
    assert {f["auc"] for f in findings if f["view"] in ("format", "size", "metadata")} == {0.5}
    rows = snapshot.read(matched, training_rows("alike"), version=record["rows_version"]).to_dicts()
    recipe = TrainingSetSettings(**json.loads(record["config"]))
    originals = {row["image_id"]: row["bytes"] for row in snapshot.read(matched, IMAGES).to_dicts()}
    for row in rows:
        quality = quality_of(row["image_id"], recipe)
        assert row["bytes"] == encode(originals[row["image_id"]], "JPEG", quality, 32)
        assert (row["format"], row["width"], row["height"]) == ("JPEG", 32, 32)
        assert Image.open(io.BytesIO(row["bytes"])).size == (32, 32)


def test_matched_classes_are_equal_in_every_stratum(matched):
    counts = json.loads(snapshot.read(matched, TRAINING_SETS).filter(name="alike")["counts"][0])
    assert all(counts[f"{split}/real"] == counts[f"{split}/fake"] > 3 for split in ("train", "val", "test"))
    rows = snapshot.read(matched, training_rows("alike"))
    steps = rows.with_columns(step=(rows["bytes"].map_elements(len, return_dtype=int).log(2) * 8).floor())
    by_label = {
        label: steps.filter(label=label).group_by("split", "step").len().sort("split", "step") for label in (0, 1)
    }
    assert by_label[0].equals(by_label[1])


def test_a_build_comes_out_the_same_from_its_record_after_more_images_came(matched, capsys):
    more = {"bytes": b"", "format": "JPEG", "width": 64, "height": 64, "label": 0, "real_source": "p"}
    snapshot.append(matched, IMAGES, [{"image_id": f"later{n}", **more} for n in range(30)])
    assert build_training_set.main(["--root", matched, "--again", "alike@1"]) == 0
    assert "alike@1 comes out the same" in capsys.readouterr().out


def test_a_build_that_comes_out_otherwise_is_said(matched):
    rows = snapshot.read(matched, TRAINING_SETS).filter(name="alike").to_dicts()
    changed = [{**row, "name": "other", "id_checksum": "0" * 64} for row in rows]
    snapshot.append(matched, TRAINING_SETS, changed)
    with pytest.raises(NotTheSame, match="other@1 is recorded with the checksum 000"):
        build_training_set.main(["--root", matched, "--again", "other@1"])
    with pytest.raises(NothingUsable, match="there is no training set 'alike@9'"):
        build_training_set.main(["--root", matched, "--again", "alike@9"])


def test_classes_without_a_counterpart_are_nothing_usable_with_what_to_do(spark, root):
    with pytest.raises(NothingUsable, match=r"where it matches classes, have counterparts.*--reencode"):
        build_training_set.main(["--root", root, "--name", "none", "--match", "[format]"])
