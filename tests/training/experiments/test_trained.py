"""Cells whose detector is trained."""

import shutil
from pathlib import Path

import pytest

from training.experiments import planning, running, trained

TRAIN = {"epochs": 2, "batch_size": 16, "learning_rate": 0.003, "precision": "float32"}


@pytest.fixture(scope="module")
def plan(tiny_world, tmp_path_factory, declare):
    root = tmp_path_factory.mktemp("trained") / "lake"
    shutil.copytree(tiny_world, root)
    arms = {"all": {"fakes": {"images": 40, "whose": "any", "shortage": "repeat"}}}
    detectors = {"small_cnn": {"train": TRAIN, "seeds": [1]}}
    changes = {"arms": arms, "detectors": detectors, "primary": "small_cnn", "effects": {}}
    return planning.plan(declare(str(root), **changes))


def test_a_trained_cell_is_repeatable_and_leaves_no_scratch(plan):
    first = plan.chosen[0]
    one, again = (trained.run(plan, first, first.cells[0]) for _ in range(2))
    assert one.failure is None
    assert again.scores["unseen"] == pytest.approx(one.scores["unseen"], abs=1e-6)
    assert not list((Path(plan.settings.root) / ".experiments" / "tiny" / "cells").iterdir())


def test_a_trained_cell_is_run_and_recorded_beside_linear_ones(plan):
    came = running.run(plan, None)
    assert (came.done, came.failed) == (len(plan.hashes), 0) == (3, 0)


def test_rows_beyond_a_chunk_are_shuffled_through_files(tmp_path, monkeypatch):
    monkeypatch.setattr(trained, "_ROWS_A_CHUNK", 4)
    rows = [{"position": (7 * at) % 11, "image_id": str(at)} for at in range(11)]
    chunks = list(trained._shuffled(iter(rows), tmp_path / "spilt"))
    assert [row["position"] for chunk in chunks for row in chunk] == list(range(11))
    assert not (tmp_path / "spilt").exists()
