"""The shortcut audit finds what tells real from fake without a look at the image, and nothing in noise."""

import json

import numpy as np
import polars as pl
import pytest

from etl.images.audit import VIEWS, Finding, as_dicts, audit, failures, report

SPLITS = ("train", "val", "test")


def rows(each: int, seed: int = 0, **columns) -> pl.DataFrame:
    """So many reals and fakes a split; a column is given by a function of (labels, random numbers)."""
    rng = np.random.default_rng(seed)
    labels = np.tile([0, 1], each * len(SPLITS))
    base = {
        "split": np.repeat(SPLITS, 2 * each),
        "label": labels,
        "format": ["PNG"] * len(labels),
        "mode": ["RGB"] * len(labels),
        "width": 64,
        "height": 64,
        "n_frames": 1,
        "exif_orientation": 1,
        "bit_depth": 8,
        "icc_profile": None,
        "byte_size": rng.integers(1000, 2000, len(labels)),
        "jpeg_quality": None,
        "jpeg_subsampling": None,
    }
    types = {"jpeg_quality": pl.Int64, "jpeg_subsampling": pl.String, "icc_profile": pl.String}
    return pl.DataFrame({**base, **{k: f(labels, rng) for k, f in columns.items()}}, schema_overrides=types)


def by_view(findings: list[Finding]) -> dict[str, dict[str, float | None]]:
    return {view: {f.split: f.auc for f in findings if f.view == view} for view in VIEWS}


SHORTCUTS = {
    "format": {"format": lambda labels, _: np.where(labels, "PNG", "JPEG")},
    "size": {"width": lambda labels, rng: np.where(labels, 512, rng.integers(300, 700, len(labels)))},
    "bytes": {"byte_size": lambda labels, rng: rng.normal(1000 + 100 * labels, 50).astype(int)},
    "quality": {"jpeg_quality": lambda labels, rng: np.where(labels, 75, rng.integers(80, 96, len(labels)))},
    "metadata": {"exif_orientation": lambda labels, rng: np.where(labels, 1, rng.integers(1, 9, len(labels)))},
}


@pytest.mark.parametrize("view", SHORTCUTS)
def test_each_shortcut_is_found_by_its_name_in_every_split(view):
    findings = audit(rows(60, **SHORTCUTS[view]), seed=1)
    failed = failures(findings, 0.6, accept=[])
    assert {f.view for f in failed} == ({view} if view == "bytes" else {view, "all"})
    assert {f.split for f in failed} == set(SPLITS)
    assert not failures(findings, 0.6, accept=[view, "all"])


@pytest.mark.parametrize("each", [3, 40, 400])
def test_noise_fails_no_build(each):
    for seed in range(2):
        assert not failures(audit(rows(each, seed), seed=seed), 0.6, accept=[])


def test_the_area_of_classes_that_nothing_tells_apart_is_about_a_half():
    found = by_view(audit(rows(2000), seed=1))
    assert found["format"] == dict.fromkeys(SPLITS, 0.5)
    assert all(abs(auc - 0.5) < 0.04 for auc in found["bytes"].values() if auc is not None)


def test_what_no_image_tells_is_null_with_a_reason():
    findings = [f for f in audit(rows(20), seed=1) if f.view == "quality"]
    assert [(f.auc, f.reason) for f in findings] == [(None, "not described")] * 3
    assert not any(f.exceeds(0.6) for f in findings)


def test_a_split_of_one_class_is_null_with_a_reason_and_the_others_are_not():
    some = rows(30, **SHORTCUTS["format"]).filter(~((pl.col("split") == "val") & (pl.col("label") == 1)))
    found = {f.split: f for f in audit(some, seed=1) if f.view == "format"}
    assert (found["val"].auc, found["val"].reason) == (None, "one class")
    assert found["train"].auc == found["test"].auc == 1.0


def test_a_shortcut_of_the_training_split_alone_is_found_there():
    both = rows(60, **SHORTCUTS["format"])
    kept = both.with_columns(
        format=pl.when(pl.col("split") == "train").then(pl.col("format")).otherwise(pl.lit("PNG"))
    )
    assert {f.split for f in failures(audit(kept, seed=1), 0.6, accept=["all"])} == {"train"}


def test_the_same_rows_give_the_same_figures_and_they_can_be_recorded():
    one, other = (audit(rows(30, **SHORTCUTS["bytes"]), seed=3) for _ in range(2))
    assert one == other
    assert json.loads(json.dumps(as_dicts(one)))[0].keys() == as_dicts(one)[0].keys()
    assert len(report(one)) == len(VIEWS)


def test_intervals_hold_their_figure_and_narrow_with_more_images():
    few, many = (
        next(f for f in audit(rows(n, **SHORTCUTS["bytes"]), seed=1) if f.view == "bytes" and f.split == "test")
        for n in (30, 600)
    )
    for found in (few, many):
        assert found.low <= found.auc <= found.high
    assert many.high - many.low < 0.5 * (few.high - few.low)
