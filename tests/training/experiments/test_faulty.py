"""What is wrong in an experiment's file, its lake or its features is said in a sentence, or mended."""

import json
import shutil
from datetime import UTC, datetime

import numpy as np
import pytest

from etl.errors import ConfigError, NothingUsable
from etl.lake import snapshot
from etl.lake.schemas import EXPERIMENTS, WITHDRAWALS
from training.experiments import features
from training.experiments.planning import plan


@pytest.mark.parametrize(
    ("condition", "says"),
    [("given_split + 1 > 0", "fails on the images"), ("given_split", "gives String, not true or false")],
)
def test_a_condition_that_is_none_is_named(tiny_world, declare, condition, says):
    with pytest.raises(ConfigError, match=says):
        plan(declare(tiny_world, training={"where": [condition]}))


def test_a_content_pattern_that_matches_nothing_is_refused(tiny_world, declare):
    with pytest.raises(ConfigError, match="matches no prompt"):
        plan(declare(tiny_world, content_pattern="crop"))


def test_a_detector_named_with_a_slash_is_refused(declare):
    settings = declare("lake", detectors={"a/b": {"detector": "linear_srm"}}, primary="a/b")
    assert any("a/b: a name may not hold '/'" in problem for problem in settings.problems())


def test_a_generator_withdrawn_since_the_experiment_began_is_not_learnt(tiny_world, tmp_path, declare):
    root = str(tmp_path / "lake")
    shutil.copytree(tiny_world, root)
    before = plan(declare(root))
    name = before.candidates.column("generator_id")[int(before.candidates.codes[before.chosen[0].learnt.fakes][0])]
    now = datetime(2026, 1, 1, tzinfo=UTC)
    begun = {"experiment": "tiny", "cell": "one", "cell_hash": "0", "finished_at": now}
    snapshot.append(root, EXPERIMENTS, [begun | {"table_versions": json.dumps(before.versions)}])
    snapshot.append(root, WITHDRAWALS, [{"generator_id": name, "withdrawn_at": now}])
    with pytest.raises(NothingUsable, match=f"{name} was withdrawn since tiny began"):
        plan(declare(root))
    assert name not in plan(declare(root, newest=True)).candidates.column("generator_id")


def test_a_damaged_part_of_the_features_goes_and_the_others_stay(tmp_path, capsys):
    whole, damaged = tmp_path / "part-a.npz", tmp_path / "part-b.npz"
    for path in (whole, damaged):
        np.savez(path, ids=np.array([path.stem], "S64"), rows=np.ones((1, 3), np.float32))
    damaged.write_bytes(damaged.read_bytes()[:100])
    assert features.load(tmp_path).ids.tolist() == [b"part-a"]
    assert "is damaged" in capsys.readouterr().err
    assert not damaged.exists()
