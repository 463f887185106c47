"""Lineage distance, release dates and alarms, on numbers that can be worked out by hand."""

import shutil
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from etl.lake import snapshot
from etl.lake.schemas import GOLD_ALARMS, IMAGES, PREDICTIONS
from training.experiments import surveillance, trends
from training.experiments.settings import TrendsSettings
from training.experiments.trends import Rate

BASES = {"tune": "base", "lora": "tune", "other": "base", "far": "elsewhere"}


@pytest.fixture
def lines():
    names = ["base", "tune", "lora", "other", "far", "elsewhere", "lone"]
    roots = ["base"] * 4 + ["elsewhere"] * 2 + [None]
    frame = pl.DataFrame({"generator_id": names, "model_id": names, "root_model_id": roots})
    return trends.chains(frame, BASES)


@pytest.mark.parametrize(
    ("one", "other", "steps"),
    [("lora", "lora", 0), ("lora", "tune", 1), ("lora", "base", 2), ("lora", "other", 3), ("far", "lora", None)],
)
def test_distance_counts_steps_of_lineage_through_the_common_base(lines, one, other, steps):
    assert trends.distance(lines[one], lines[other]) == steps == trends.distance(lines[other], lines[one])


def test_a_circle_of_declared_bases_ends(lines):
    frame = pl.DataFrame({"generator_id": ["a"], "model_id": ["a"], "root_model_id": ["r"]})
    assert trends.chains(frame, {"a": "b", "b": "a"})["a"] == ("a", "b", "r")


def test_generators_are_binned_by_distance_to_the_nearest_that_was_learnt(lines):
    rates = [Rate("lora", 9, 10), Rate("other", 6, 10), Rate("lone", 2, 10)]
    rows = {row["bin"]: row for row in trends.by_distance(rates, lines, ["tune"])}
    assert {name: row["value"] for name, row in rows.items()} == {"1": 0.9, "2": 0.6, "unrelated": 0.2}
    assert rows["unrelated"]["position"] is None and rows["1"]["position"] == 1


def test_months_of_release_are_in_order():
    dates = {"a": datetime(2024, 1, 5, tzinfo=UTC), "b": datetime(2023, 12, 9, tzinfo=UTC), "c": None}
    rows = trends.by_release([Rate("a", 1, 2), Rate("b", 2, 2), Rate("c", 0, 2)], dates)
    assert [(row["bin"], row["value"]) for row in rows] == [("2023-12", 1.0), ("2024-01", 0.5)]
    assert rows[1]["position"] - rows[0]["position"] == 1


def test_the_threshold_lets_no_more_reals_pass_than_asked():
    reals = np.arange(100.0)
    limit = trends.threshold(reals, 0.05)
    assert (reals > limit).mean() == pytest.approx(0.05)
    assert trends.threshold(reals, 0.0) == 99.0


def test_only_a_new_generator_far_below_the_known_ones_raises_an_alarm():
    known = [Rate(f"known-{at}", caught, 100) for at, caught in enumerate((88, 92, 90, 94, 86, 91))]
    new = [Rate("missed", 20, 100), Rate("alike", 89, 100), Rate("few", 1, 2)]
    rows = {row["generator_id"]: row for row in trends.alarms([*known, *new], {"missed", "alike", "few"}, 0, 0.05)}
    assert [name for name, row in rows.items() if row["alarm"]] == ["missed"]
    assert rows["alike"]["known_low"] < 0.86 and rows["alike"]["known_high"] > 0.94
    assert trends.known_range(known[:2]) is None


def test_few_known_generators_raise_few_false_alarms():
    random = np.random.default_rng(5)
    alarmed = 0
    for _ in range(300):
        rates = random.beta(18, 2, 9)
        measured = [Rate(str(at), int(random.binomial(64, rate)), 64) for at, rate in enumerate(rates)]
        alarmed += trends.alarms(measured, {"0"}, 0, 0.05)[0]["alarm"]
    assert alarmed / 300 < 0.05


def test_trends_of_a_run_are_written_once_from_its_predictions(tiny_world, tmp_path, monkeypatch):
    root = str(tmp_path / "lake")
    shutil.copytree(tiny_world, root)
    images = snapshot.read(root, IMAGES, columns=["image_id", "label", "generator_id"])
    rows = [
        {
            "run_id": "r", "image_id": image, "transform": "none", "collection": "tiny", "label": label,
            "generator_id": generator, "logit": float(label and not (generator or "").startswith("tiles")),
        }
        for image, label, generator in images.iter_rows()
    ]  # fmt: skip
    snapshot.append(root, PREDICTIONS, rows)
    monkeypatch.setattr(surveillance, "learnt_generators", lambda root, name: {"comb/model-0"})
    settings = TrendsSettings(root, "r", "tiny", "any@1", since="2023-06-01")
    found = surveillance.survey(settings, "any@1", datetime(2024, 1, 1, tzinfo=UTC))
    values = {row["bin"]: row["value"] for row in found.trends if row["trend"] == trends.LINEAGE}
    assert values["0"] == 1 and values["1"] == 1 and values[trends.UNRELATED] < 1
    assert {row["family"] for row in found.alarms if row["alarm"]} == {"tiles"}
    for _ in range(2):
        surveillance.write(root, found)
    assert snapshot.read(root, GOLD_ALARMS).height == 18
    assert list(surveillance.lines(found))[-1] == "3 new generators, 3 alarms"
