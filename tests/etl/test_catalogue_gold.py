"""The catalogue's gold over a handful of models, against numbers worked out by hand."""

from datetime import UTC, datetime

import pytest
from pyspark.sql import DataFrame

from etl.lake.schemas import (
    GENERATORS,
    GOLD_BASE_MODELS,
    GOLD_CATALOGUE,
    GOLD_CRAWL_HISTORY,
    GOLD_GROWTH,
    MODELS,
)
from etl.lake.store import conform
from etl.statistics.catalogue import REST, base_models, catalogue_counts, crawl_history, growth

FIRST, SECOND = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 2, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def frame(spark):
    """Make rows of a table from the columns that matter; the others are null."""

    def made(table, rows) -> DataFrame:
        return spark.createDataFrame([{c: row.get(c) for c in table.columns} for row in rows], table.schema)

    return made


def model(model_id, **columns):
    row = {"model_id": model_id, "revision": "r1", "is_current": True, "gated": "no", "first_crawl": "c1"}
    return row | {"first_seen": FIRST} | columns


def generator(model_id, **columns):
    row = {"generator_id": model_id, "kind": "hub", "model_id": model_id, "eligible": True, "downloads": 1}
    return row | columns


def rows(table, frame) -> list[dict]:
    """The rows as dictionaries; the frame must have the table's columns and types."""
    return [row.asDict() for row in conform(table, frame).collect()]


@pytest.fixture(scope="module")
def catalogue(frame):
    """Three models that are there, one that is gone, and a generator that is not of the Hub."""
    models = [model("a"), model("b", gated="auto"), model("c"), model("gone", withdrawn_at=SECOND)]
    refused = {"eligible": False, "reason": "GATED"}
    generators = [
        generator("a", licence="mit", family="SDXL", scheduler="DDIMScheduler", downloads=10),
        generator("b", licence="mit", family="SDXL", downloads=None) | refused,
        generator("c", licence="other", downloads=5),
        generator("gone", licence="mit", family="SDXL", eligible=False, reason="WITHDRAWN", downloads=1000),
        generator("manual:d", licence="mit", family="SDXL") | {"kind": "manual", "model_id": None},
    ]
    return frame(MODELS, models), frame(GENERATORS, generators)


def test_models_that_are_there_count_once_in_every_dimension(catalogue):
    counted = rows(GOLD_CATALOGUE, catalogue_counts(*catalogue))
    for name in ("licence", "gated", "family", "architecture", "pipeline_class", "verdict", "scheduler"):
        of_name = [row for row in counted if row["dimension"] == name]
        assert sum(row["models"] for row in of_name) == 3, name
        assert sum(row["share"] for row in of_name) == pytest.approx(1), name
        assert sum(row["downloads"] for row in of_name) == 15, name
        assert sum(row["eligible"] for row in of_name) == 2, name
    found = {
        (row["dimension"], row["value"]): (row["models"], row["eligible"], row["downloads"]) for row in counted
    }
    assert found["licence", "mit"] == (2, 1, 10) and found["licence", "other"] == (1, 1, 5)
    assert found["gated", "no"] == (2, 2, 15) and found["gated", "auto"] == (1, 0, 0)
    assert found["verdict", "ELIGIBLE"] == (2, 2, 15) and found["verdict", "GATED"] == (1, 0, 0)
    assert found["scheduler", "DDIMScheduler"] == (1, 1, 10)
    shares = {row["value"]: row["share"] for row in counted if row["dimension"] == "licence"}
    assert shares == {"mit": pytest.approx(2 / 3), "other": pytest.approx(1 / 3)}


def test_what_is_not_known_of_a_model_counts_as_unknown(catalogue):
    counted = rows(GOLD_CATALOGUE, catalogue_counts(*catalogue))
    unknown = {row["dimension"]: row["models"] for row in counted if row["value"] == "unknown"}
    assert unknown == {"family": 1, "architecture": 3, "pipeline_class": 3, "scheduler": 2}


def test_the_rarest_values_share_one_row(frame):
    names = ["x"] * 3 + ["y"] * 2 + ["other", "z"]
    models = frame(MODELS, [model(str(i)) for i in range(len(names))])
    generators = frame(GENERATORS, [generator(str(i), licence=name) for i, name in enumerate(names)])
    counted = rows(GOLD_CATALOGUE, catalogue_counts(models, generators, most=2))
    licences = {row["value"]: row["models"] for row in counted if row["dimension"] == "licence"}
    assert licences == {"x": 3, "y": 2, REST: 2}


def test_growth_counts_by_month_of_creation_and_family_also_what_is_gone_since(frame):
    may, june = datetime(2024, 5, 31, 23, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC)
    generators = frame(
        GENERATORS,
        [
            generator("a", family="SDXL", released_at=may),
            generator("b", family="SDXL", released_at=may, eligible=False, reason="WITHDRAWN"),
            generator("c", family="Flux", released_at=june),
            generator("d"),
            generator("manual:e", family="SDXL", released_at=may) | {"kind": "manual"},
        ],
    )
    found = {tuple(row.values()) for row in rows(GOLD_GROWTH, growth(generators))}
    expected = {("2024-05", "SDXL", 2, 1), ("2024-06", "Flux", 1, 1), ("unknown", "unknown", 1, 1)}
    assert found == expected


@pytest.fixture(scope="module")
def rooted(frame):
    """A root with one descendant of every relation, one with none, and one that the Hub does not list."""

    def child(name, relation, depth=1, root="root", **columns):
        bases = [{"model_id": "elsewhere", "relation": None}, {"model_id": root, "relation": relation}]
        lineage = {"root_model_id": root, "lineage_depth": depth, "root_certain": True, "family": "SDXL"}
        return model(name, base_models=bases), generator(name) | lineage | columns

    own = {"lineage_depth": 0, "root_certain": True, "root_basis": "BASE"}
    pairs = [
        (model("root"), generator("root", root_model_id="root", family="SDXL", downloads=100, **own)),
        (model("alone"), generator("alone", root_model_id="alone", family="Flux", **own)),
        (model("unknown"), generator("unknown")),
        child("adapter", "adapter"),
        child("of the adapter", "adapter", depth=2, eligible=False, reason="ADAPTER"),
        child("finetune", "finetune"),
        child("merge", "merge", depth=3),
        child("quantised", "quantized"),
        child("copy", "finetune", root_basis="COPY", downloads=7),
        child("undeclared", None),
        child("unlisted's", "finetune", root="unlisted", root_certain=False, family="Other"),
    ]
    gone = child("gone", "adapter", downloads=1000)
    pairs.append((gone[0] | {"withdrawn_at": SECOND}, gone[1]))
    return frame(MODELS, [pair[0] for pair in pairs]), frame(GENERATORS, [pair[1] for pair in pairs])


def test_a_root_counts_its_descendants_by_what_they_are(rooted):
    found = {row.pop("root_model_id"): row for row in rows(GOLD_BASE_MODELS, base_models(*rooted))}
    assert set(found) == {"root", "unlisted"}
    assert found["root"] == {
        "family": "SDXL",
        "root_certain": True,
        "descendants": 7,
        "adapters": 2,
        "finetunes": 1,
        "merges": 1,
        "quantisations": 1,
        "copies": 1,
        "eligible": 6,
        "depth": 3,
        "downloads": 100 + 6 + 7,
    }
    unlisted = found["unlisted"]
    assert (unlisted["descendants"], unlisted["root_certain"], unlisted["family"]) == (1, False, "Other")


def test_only_the_roots_with_the_most_descendants_have_a_row(rooted):
    found = rows(GOLD_BASE_MODELS, base_models(*rooted, most=1))
    assert [row["root_model_id"] for row in found] == ["root"]


def test_a_crawl_is_told_by_what_it_brought_changed_and_missed(frame):
    later = {"first_crawl": "c2", "first_seen": SECOND}
    old = {"is_current": False}
    models = [
        model("same"),
        model("new", **later),
        model("changed", **old),
        model("changed", revision="r2", **later),
        model("changed before", first_crawl="c0", **old),
        model("changed before", revision="r2"),
        model("gone", withdrawn_at=SECOND),
        model("gone before", withdrawn_at=FIRST),
        model("gone at an older revision", **old, withdrawn_at=SECOND),
        model("gone at an older revision", revision="r2"),
    ]
    families = {"new": "Flux", "gone": "Flux", "gone before": "SD 1.x"}
    names = {row["model_id"] for row in models}
    generators = frame(GENERATORS, [generator(name, family=families.get(name)) for name in names])
    found = {
        row["family"]: row
        for row in rows(GOLD_CRAWL_HISTORY, crawl_history(frame(MODELS, models), generators, "c2", SECOND))
    }
    assert set(found) == {"Flux", "unknown"}
    counts = ("new", "changed", "gone", "there")
    assert [found["Flux"][c] for c in counts] == [1, 0, 1, 1]
    assert [found["unknown"][c] for c in counts] == [0, 1, 0, 4]
    assert {row["crawl_id"] for row in found.values()} == {"c2"}
