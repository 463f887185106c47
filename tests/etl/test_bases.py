"""The table of known base models: names, families, and what they were made from."""

from etl.models.bases import KNOWN, places
from etl.models.families import ARCHITECTURES, HIDDEN, PIPELINES
from etl.models.lineage import resolve
from etl.models.names import is_safe_id
from tests.etl.test_lineage import frame


def test_no_name_stands_twice_whatever_its_case() -> None:
    names = [name.lower() for base in KNOWN for name in (base.model_id, *base.mirrors)]
    assert len(names) == len(set(names)) == len(places())


def test_every_name_is_an_id_of_the_hub_with_an_owner() -> None:
    names = [name for base in KNOWN for name in (base.model_id, *base.mirrors)]
    assert [name for name in names if not is_safe_id(name) or "/" not in name] == []


def test_every_family_is_one_that_a_class_names_or_hides() -> None:
    assert {base.family for base in KNOWN} <= set(ARCHITECTURES)
    assert {base.family for base in KNOWN} >= set(HIDDEN)
    assert set(HIDDEN.values()) <= {found.family for found in PIPELINES.values()}


def test_what_a_base_was_made_from_is_in_the_table_by_its_own_name_and_no_circle() -> None:
    by_name = {base.model_id: base for base in KNOWN}
    assert {base.made_from for base in KNOWN if base.made_from} <= set(by_name)
    result = resolve(frame({base.model_id: [] for base in KNOWN}))
    assert result.circles == []
    assert all(result.rows["root_certain"])
    roots = dict(result.rows.select("model_id", "root_model_id").iter_rows())
    assert [
        base.model_id for base in KNOWN if (roots[base.model_id] == base.model_id) == bool(base.made_from)
    ] == []
    assert {by_name[root].made_from for root in roots.values()} == {None}


def test_a_family_has_one_architecture() -> None:
    assert {(found.family, found.architecture) for found in PIPELINES.values()} <= set(ARCHITECTURES.items())
