"""Roots of declared base models."""

import pytest
from pyspark.sql import SparkSession

from etl.lake.schemas import MODELS
from etl.models.lineage import lineage, resolve


def roots(bases: dict[str, list[str]]) -> dict[str, tuple[str | None, int | None]]:
    return {model: tuple(root) for model, root in resolve(bases).roots.items()}


def test_a_model_without_a_base_is_its_own_root() -> None:
    assert roots({"a": []}) == {"a": ("a", 0)}


def test_a_chain_is_followed_to_its_end() -> None:
    assert roots({"c": ["b"], "b": ["a"], "a": []}) == {"c": ("a", 2), "b": ("a", 1), "a": ("a", 0)}


def test_a_base_outside_the_catalogue_leaves_the_root_unknown() -> None:
    assert roots({"b": ["elsewhere"], "c": ["b"]}) == {"b": (None, None), "c": (None, None)}


def test_a_merge_has_a_root_only_where_all_its_bases_agree() -> None:
    found = roots({"a": [], "z": [], "b": ["a"], "one": ["a", "b"], "two": ["a", "z"]})
    assert found["one"] == ("a", 1)
    assert found["two"] == (None, None)


@pytest.mark.parametrize("order", [["x", "y", "z", "in"], ["in", "z", "y", "x"], ["y", "in", "x", "z"]])
def test_a_circle_is_cut_and_reported_and_what_leads_into_it_is_unknown(order: list[str]) -> None:
    bases = {"x": ["y"], "y": ["z"], "z": ["x"], "in": ["x"]}
    found = resolve({model: bases[model] for model in order})
    assert found.cyclic == {"x", "y", "z"}
    assert {root.root_model_id for root in found.roots.values()} == {None}


def test_a_model_that_names_itself_is_a_circle_of_one() -> None:
    assert resolve({"a": ["a"]}).cyclic == {"a"}


def test_a_chain_of_fifty_thousand_is_no_problem() -> None:
    bases = {str(n): [str(n - 1)] if n else [] for n in range(50_000)}
    assert roots(dict(reversed(bases.items())))["49999"] == ("0", 49_999)


def test_the_frame_has_one_row_a_model(spark: SparkSession) -> None:
    rows = [("lab/a", None), ("lab/b", [("lab/a", "finetune")]), ("lab/c", [("gone/x", None)])]
    schema = MODELS.schema
    models = spark.createDataFrame(
        rows, f"model_id string, base_models {schema['base_models'].dataType.simpleString()}"
    )
    frame, cyclic = lineage(models)
    assert sorted(tuple(row) for row in frame.collect()) == [
        ("lab/a", "lab/a", 0),
        ("lab/b", "lab/a", 1),
        ("lab/c", None, None),
    ]
    assert cyclic == 0
