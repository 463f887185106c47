"""The pages of training sets, of two detectors beside each other, and of experiments: what stands there is so."""

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from etl.lake import schemas, snapshot
from explorer import comparing, database, experiments, page, reading, training_sets
from explorer.settings import ROOT_VARIABLE

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
A, B, JUDGED = "run-a", "run-b", "mine@1/test"
HOSTILE = "evil/<script>alert(1)</script> **bold** `tick`"
GENERATORS = ["lab/one", "lab/two", HOSTILE]


def image(number: int) -> str:
    return f"{number:064x}"


def rows_of_the_set() -> list[dict]:
    """12 reals and 4 fakes of each generator; the second generator lies in two splits, as none should."""
    splits = {"lab/one": ["train"] * 4, "lab/two": ["train", "train", "val", "val"], HOSTILE: ["test"] * 4}
    fakes = [(name, split) for name in GENERATORS for split in splits[name]]
    reals = [(None, split) for split in ["train"] * 6 + ["val"] * 2 + ["test"] * 4]
    return [
        {
            "image_id": image(number), "label": int(name is not None), "generator_id": name, "split": split,
            "real_source": None if name else "photos", "position": number, "bytes": b"", "format": "PNG",
        }
        for number, (name, split) in enumerate(fakes + reals)
    ]  # fmt: skip


def build() -> dict:
    finding = {"view": "bytes", "split": "test", "auc": 0.7, "low": 0.6, "high": 0.8, "n_real": 4, "n_fake": 4}
    return {
        "name": "mine", "version": 1, "config": json.dumps({"name": "mine", "seed": 1}), "config_hash": "c0ffee",
        "table_versions": json.dumps({"images": 3}), "rows_version": 1, "id_checksum": "beef", "created_at": NOON,
        "counts": json.dumps({"train/fake": 6, "train/real": 6, "test/fake": 4, "test/real": 4, "val/fake": 2}),
        "audit": json.dumps({
            "limit": 0.6, "accepted": ["bytes"], "findings": [finding], "left_out": {"odd": 7},
            "effective": {"train": {"generators": [3.0, 2.5, 2.2]}},
        }),
    }  # fmt: skip


def predictions() -> list[dict]:
    """A calls the first two test fakes real; B calls all fakes fake, and one real too."""
    shared = {"collection": JUDGED, "transform": "none", "scored_at": NOON, "format": "PNG"}
    rows = []
    for run, logits in (
        (A, [-2.0, -1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -1.0]),
        (B, [1.0, 1.5, 1.0, 1.0, 0.9, -1, -1, -1]),
    ):
        for place, logit in enumerate(logits):
            fake = place < 4
            who = {"generator_id": HOSTILE if fake else None, "real_source": None if fake else "photos"}
            rows.append(
                {**shared, **who, "run_id": run, "image_id": image(place), "label": int(fake), "logit": logit}
            )
    return rows


def evaluations() -> list[dict]:
    shared = {
        "collection": JUDGED,
        "transform": "none",
        "pool": "all",
        "evaluated_at": NOON,
        "n_real": 4,
        "n_fake": 4,
    }
    rows = []
    for run, value in ((A, 0.6), (B, 0.9)):
        for kind, name in (("generator", HOSTILE), ("all", "all"), ("mean", "mean")):
            rows.append(
                {
                    **shared,
                    "run_id": run,
                    "slice_kind": kind,
                    "slice": name,
                    "metric": "average_precision",
                    "value": value,
                }
            )
    return rows


def cells() -> tuple[list[dict], list[dict]]:
    found, units = [], []
    for x, seed, value in ((1.0, 1, 0.6), (1.0, 2, 0.7), (8.0, 1, 0.9), (8.0, 2, 0.8)):
        cell = f"families/x{x:g}/s{seed}/f0/d0/linear_srm"
        keys = {"experiment": "toy", "cell": cell, "cell_hash": "h"}
        more = {"arm": "families", "x": x, "seed": seed, "fold": 0, "draw": 0, "detector": "linear_srm"}
        found.append({**keys, **more, "run_id": "r", "metrics": "{}", "seconds": 1.0, "finished_at": NOON})
        units.append(
            {
                **keys,
                "test": "unseen",
                "unit": HOSTILE,
                "average_precision": value,
                "accuracy": value,
                "n_fake": 4,
                "n_real": 4,
            }
        )
    return found, units


@pytest.fixture(scope="module")
def judged_lake(tmp_path_factory) -> str:
    root = str(tmp_path_factory.mktemp("judged") / "lake")
    known = [
        {"generator_id": name, "family": "SD", "root_model_id": "lab/one", "eligible": True} for name in GENERATORS
    ]
    effect = {
        "experiment": "toy", "effect": "more families", "detector": "linear_srm", "is_headline": True,
        "test": "unseen", "difference": 0.2, "ci_low": 0.1, "ci_high": 0.3, "level": 0.95, "minimum": 0.02,
        "units": 1, "seeds": 2, "verdict": "shown", "decided_at": NOON,
    }  # fmt: skip
    snapshot.append(root, schemas.GENERATORS, known)
    snapshot.append(root, schemas.training_rows("mine"), rows_of_the_set())
    snapshot.append(root, schemas.TRAINING_SETS, [build()])
    asked = {"subject": "mine@1", "rank": 1, "generator_id": "lab/next", "strategy": "spread", "images": 8}
    snapshot.append(root, schemas.GOLD_ADDITIONS, [asked])
    snapshot.append(root, schemas.EVALUATIONS, evaluations())
    snapshot.append(root, schemas.PREDICTIONS, predictions())
    found, units = cells()
    snapshot.append(root, schemas.EXPERIMENTS, found)
    snapshot.append(root, schemas.EXPERIMENT_UNITS, units)
    snapshot.append(root, schemas.EXPERIMENT_EFFECTS, [effect])
    images = [image(number) for number in range(4)]
    snapshot.append(root, schemas.EXPERIMENT_IMAGES, [{"images": "i", "image_ids": images}])
    scores = {"experiment": "toy", "cell": found[0]["cell"], "cell_hash": "h", "test": "unseen", "images": "i"}
    snapshot.append(root, schemas.EXPERIMENT_SCORES, [{**scores, "logits": [1.0, -3.0, 0.5, 2.0]}])
    kept = [
        {"image_id": one, "label": at % 2, "bytes": b"", "generator_id": None} for at, one in enumerate(images)
    ]
    snapshot.append(root, schemas.IMAGES, kept)
    return root


def opened(monkeypatch, root: str, name: str, **query: str) -> AppTest:
    monkeypatch.setenv(ROOT_VARIABLE, root)
    app = AppTest.from_file(str(Path(page.__file__).parent / "app.py"), default_timeout=60).run()
    for key, value in query.items():
        app.query_params[key] = value
    return app.switch_page(f"views/{name}.py").run()


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def test_a_set_is_shown_with_what_crosses_its_splits(monkeypatch, judged_lake):
    app = opened(monkeypatch, judged_lake, "training_sets")
    assert not app.exception and not app.warning
    told = metrics(app)
    assert told["Generators"] == "1" and told["Families"] == "1"
    assert told["Duplicate clusters"] == "–", "they were not looked for"
    assert "forensics build-training-set --again mine@1" in [code.value for code in app.code]


def test_members_add_up_to_the_rows_of_the_set(judged_lake):
    lake = reading.take(judged_lake, schemas.TRAINING_SETS, schemas.GENERATORS, schemas.DUPLICATE_CLUSTERS)
    members = training_sets.members(lake, "mine", 1)
    rows = snapshot.read(judged_lake, schemas.training_rows("mine"))
    assert members["images"].sum() == rows.height
    assert members.filter(generator_id="lab/two").select("split", "images").sort("split").rows() == [
        ("train", 2),
        ("val", 2),
    ]


def test_what_to_add_next_is_shown_for_the_build_that_was_asked_about(judged_lake):
    lake = reading.take(judged_lake, schemas.GOLD_ADDITIONS)
    assert training_sets.additions(lake, "mine@1")["generator_id"].to_list() == ["lab/next"]
    assert training_sets.additions(lake, "mine@2").is_empty()


def test_rows_that_are_gone_are_said_and_the_record_stays(monkeypatch, judged_lake, tmp_path):
    root = str(tmp_path / "lake")
    snapshot.append(root, schemas.TRAINING_SETS, [build()])
    app = opened(monkeypatch, root, "training_sets")
    assert not app.exception
    assert any("rows of this version cannot be read" in info.value for info in app.info)
    assert "beef" in [text.value for text in app.text]


def test_two_detectors_are_compared_by_generator_and_by_image(monkeypatch, judged_lake):
    app = opened(monkeypatch, judged_lake, "compare")
    assert not app.exception and not app.warning
    told = metrics(app)
    assert told["Mean over generators, A"] == "0.600" and told["Mean over generators, B"] == "0.900"
    assert told["Flipped verdicts"] == "3"


def test_flipped_images_are_those_that_the_predictions_tell(judged_lake):
    lake = reading.take(judged_lake, schemas.EVALUATIONS, schemas.PREDICTIONS, schemas.GENERATORS)
    found = comparing.with_verdicts(database.rows(lake, comparing.flipped(A, B, JUDGED, "none", 50, 0)))
    scores = snapshot.read(judged_lake, schemas.PREDICTIONS)
    sides = [scores.filter(run_id=run).select("image_id", (pl.col("logit") > 0).alias(run)) for run in (A, B)]
    both = sides[0].join(sides[1], on="image_id").filter(pl.col(A) != pl.col(B))
    assert sorted(found["image_id"]) == sorted(both["image_id"])
    assert found.row(0, named=True)["image_id"] == image(0), "the furthest apart first"
    assert set(found["total"]) == {both.height}


def test_an_experiment_shows_its_verdict_and_its_cells(monkeypatch, judged_lake):
    app = opened(monkeypatch, judged_lake, "experiments")
    assert not app.exception and not app.warning
    assert any("more families" in one.value and "+0.200" in one.value for one in app.markdown)


def test_the_curve_is_the_mean_over_seeds_with_their_deviation(judged_lake):
    lake = reading.take(judged_lake, schemas.EXPERIMENTS, schemas.EXPERIMENT_UNITS)
    asked = experiments.points("toy", "unseen", "average_precision", ("linear_srm",))
    found = database.rows(lake, asked).select("x", "value", "spread", "seeds").rows()
    assert [row[0] for row in found] == [1.0, 8.0] and [row[3] for row in found] == [2, 2]
    assert [row[1] for row in found] == pytest.approx([0.65, 0.85])
    assert [row[2] for row in found] == pytest.approx([0.5**0.5 / 10] * 2)


def test_the_images_that_a_cell_got_most_wrong_come_first(judged_lake):
    lake = reading.take(judged_lake, schemas.EXPERIMENT_SCORES, schemas.EXPERIMENT_IMAGES, schemas.IMAGES)
    cell = cells()[0][0]["cell"]
    found = database.rows(lake, experiments.worst_images("toy", cell, "unseen", 10))
    assert found.select("image_id", "logit").rows()[:2] == [(image(1), -3.0), (image(0), 1.0)]


@pytest.mark.parametrize("name", ["training_sets", "compare", "experiments"])
def test_a_page_of_an_empty_lake_says_what_to_run(monkeypatch, tmp_path, name):
    app = opened(monkeypatch, str(tmp_path), name)
    assert not app.exception
    assert any("forensics" in info.value for info in app.info)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("training_sets", "set", "../../etc/passwd"),
        ("compare", "a", "' OR 1=1 --"),
        ("compare", "images", "x" * 10_000),
        ("experiments", "experiment", "<script>alert(1)</script>"),
    ],
    ids=["path", "SQL", "long", "script"],
)
def test_an_address_that_asks_for_what_is_not_there_is_refused(monkeypatch, judged_lake, name, key, value):
    app = opened(monkeypatch, judged_lake, name, **{key: value})
    assert not app.exception
    assert any("was not followed" in one.value for one in app.warning)
    assert app.title
