"""The page of diversity: every section on a small lake, and what its numbers must be."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from etl.lake import schemas, snapshot
from etl.statistics.diversity import hill_number
from explorer import database, diversity, page, reading
from explorer.settings import ROOT_VARIABLE

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOSTILE = "evil/<b>model</b> $x$"
GENERATORS = {"lab/one": "SD", "lab/two": "SD", HOSTILE: "Flux"}
IMAGES = 30


@pytest.fixture(scope="module")
def diverse_lake(tmp_path_factory) -> str:
    """10 real images and 20 fakes of three generators, all described and summarised."""
    root = str(tmp_path_factory.mktemp("diverse") / "lake")
    dice = np.random.default_rng(1)
    names = list(GENERATORS)
    images = [
        {
            "image_id": f"{at:064x}",
            "place": at,
            "label": int(at >= 10),
            "generator_id": names[at % 3] if at >= 10 else None,
            "family": GENERATORS[names[at % 3]] if at >= 10 else None,
            "nsfw": False,
        }
        for at in range(IMAGES)
    ]
    features = [
        {"image_id": one["image_id"], "feature_version": 1, "embedding": dice.normal(size=8).tolist()}
        for one in images
    ]
    known = [
        {
            "generator_id": name,
            "family": family,
            "architecture": "LatDiff",
            "root_model_id": "lab/one",
            "eligible": True,
        }
        for name, family in GENERATORS.items()
    ]
    spectra = [
        {"kind": kind, "name": name, "images": 7, "spectrum": np.linspace(0, -40, 64).tolist()}
        for kind, name in [("label", "fake"), ("label", "real"), *(("generator", name) for name in names)]
    ]
    tables = {
        schemas.GENERATORS: known,
        schemas.GOLD_IMAGES: images,
        schemas.IMAGE_FEATURES: features,
        schemas.GOLD_SPECTRA: spectra,
        schemas.GOLD_SPREAD: [{"measure": "vendi", "subject": "fakes", "value": 3.5, "n": 20}],
        schemas.GOLD_COUNTS: [
            {"dimension": "family", "value": "SD", "generators": 2, "images": 14},
            {"dimension": "family", "value": "Flux", "generators": 1, "images": 6},
        ],
        schemas.GOLD_DIVERSITY: [
            {
                "dimension": "family",
                "unit": unit,
                "values": 2,
                "total": 3,
                "effective_number": 1.9,
                "simpson_number": 1.8,
            }
            for unit in ("generators", "images")
        ],
        schemas.GOLD_GENERATOR_CARDS: [
            {"generator_id": name, "family": family, "root_model_id": "lab/one", "images": 6}
            for name, family in GENERATORS.items()
        ],
        schemas.GOLD_CRAWL_HISTORY: [
            {"crawl_id": "c1", "family": family, "new": there, "gone": 0, "there": there}
            for family, there in (("SD", 6), ("Flux", 2), ("GAN", 0))
        ],
        schemas.training_rows("mine"): [
            {"image_id": "a", "label": 1, "generator_id": "lab/one", "split": "train"},
            {"image_id": "b", "label": 1, "generator_id": HOSTILE, "split": "test"},
        ],
        schemas.TRAINING_SETS: [
            {"name": "mine", "version": 1, "rows_version": 1, "created_at": NOON, "counts": json.dumps({})}
        ],
    }
    for table, rows in tables.items():
        snapshot.append(root, table, rows)
    return root


@pytest.mark.parametrize("section", ["Kinds", "Lineage", "Map", "Fingerprints", "Coverage", "By crawl"])
def test_a_section_draws_its_figure(monkeypatch, diverse_lake, section):
    monkeypatch.setenv(ROOT_VARIABLE, diverse_lake)
    app = AppTest.from_file(str(Path(page.__file__).parent / "app.py"), default_timeout=60)
    app.query_params["section"] = section
    app.switch_page("views/diversity.py").run()
    assert not app.exception and not app.warning and not app.info
    assert len(app.get("plotly_chart")) == 1


def test_an_empty_lake_says_what_to_run(monkeypatch, tmp_path):
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    app = AppTest.from_file(str(Path(page.__file__).parent / "app.py"), default_timeout=60)
    app.switch_page("views/diversity.py").run()
    assert not app.exception
    assert any("forensics summarise" in info.value for info in app.info)


def test_the_numbers_by_crawl_are_hill_numbers(diverse_lake):
    lake = reading.take(diverse_lake, schemas.GOLD_CRAWL_HISTORY)
    row = database.rows(lake, diversity.by_crawl()).row(0, named=True)
    assert (row["models"], row["order_0"]) == (8, 2)
    assert row["order_1"] == pytest.approx(hill_number([6, 2], 1))
    assert row["order_2"] == pytest.approx(hill_number([6, 2], 2))


def test_coverage_counts_the_kinds_of_the_training_split_alone(diverse_lake):
    lake = reading.take(diverse_lake, schemas.TRAINING_SETS, schemas.GENERATORS)
    found = {row["dimension"]: row for row in diversity.coverage(lake, "mine@1").iter_rows(named=True)}
    assert (found["generator"]["covered"], found["generator"]["there"]) == (1, 3)
    assert (found["family"]["covered"], found["family"]["there"]) == (1, 2)
    assert found["family"]["share"] == 0.5 and found["licence"]["share"] is None


def test_principal_axes_hold_the_largest_spread():
    dice = np.random.default_rng(0)
    points = dice.normal(size=(200, 5)) * [10, 3, 0.1, 0.1, 0.1] + 7
    places, share = diversity.principal_axes(points)
    assert share > 0.99
    assert abs(np.corrcoef(places[:, 0], points[:, 0])[0, 1]) > 0.99
    assert np.allclose(places.mean(axis=0), 0)
