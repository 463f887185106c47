"""The order in which a strategy takes generators."""

from itertools import islice

import polars as pl
import pytest

from etl.statistics.diversity import effective_number
from generation.selection import STRATEGIES, ranked, with_known_roots
from generation.selection import _centres as centres

COLUMNS = {
    "generator_id": pl.String,
    "family": pl.String,
    "pipeline_class": pl.String,
    "root_model_id": pl.String,
    "root_certain": pl.Boolean,
    "lineage_depth": pl.Int32,
    "licence": pl.String,
    "architecture": pl.String,
    "scheduler": pl.String,
    "download_bytes": pl.Int64,
    "downloads": pl.Int64,
    "released_at": pl.Datetime("us", "UTC"),
}


def catalogue(rows) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=COLUMNS)


def row(generator_id, family="SD 1.x", root="sd/one", **about):
    return {
        "generator_id": generator_id,
        "family": family,
        "pipeline_class": family,
        "root_model_id": root,
        **about,
    }


def skewed() -> pl.DataFrame:
    """2,000 generators: nine in ten of one family, twelve families and forty roots in all."""
    rows = []
    for i in range(2000):
        family = "SD 1.x" if i % 10 else f"family {i // 10 % 11}"
        root = f"{family}/root {i % 3 if i % 50 else i // 50 % 4}"
        about = {"downloads": (i * 7919) % 1000, "licence": "mit" if i % 3 else None, "lineage_depth": i % 3}
        size = {"download_bytes": 2_000_000_000 + i % 17 * 100_000_000, "released_at": 1_700_000_000_000_000 + i}
        rows.append(row(f"user{i % 300}/model{i}", family, root, **about, **size))
    return catalogue(rows)


SKEWED = skewed()


def chosen(candidates, strategy, n, seed=1, strata=("family",)) -> list[str]:
    ids = candidates["generator_id"]
    return [ids[place] for place in islice(ranked(candidates, strategy, strata, seed), n)]


def kinds(candidates, ids, column) -> set:
    return set(candidates.filter(pl.col("generator_id").is_in(ids))[column])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_takes_every_candidate_once(strategy):
    assert sorted(chosen(SKEWED, strategy, 10_000)) == sorted(SKEWED["generator_id"])


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("shuffle", [3, 4])
def test_the_order_of_the_rows_changes_nothing(strategy, shuffle):
    shuffled = SKEWED.sample(fraction=1.0, shuffle=True, seed=shuffle)
    assert chosen(shuffled, strategy, 300) == chosen(SKEWED, strategy, 300)


@pytest.mark.parametrize("strategy", ["random", "stratified", "diverse"])
def test_another_seed_makes_another_choice(strategy):
    assert set(chosen(SKEWED, strategy, 100, seed=1)) != set(chosen(SKEWED, strategy, 100, seed=2))


@pytest.mark.parametrize("strategy", ["random", "stratified"])
def test_a_catalogue_that_grew_a_little_gives_nearly_the_same_choice(strategy):
    smaller = SKEWED.head(1980)
    assert len(set(chosen(SKEWED, strategy, 100)) & set(chosen(smaller, strategy, 100))) >= 90


def test_the_most_downloaded_come_first_equal_ones_by_id_and_unknown_ones_last():
    rows = [row("b", downloads=5), row("a", downloads=5), row("c", downloads=9), row("d", downloads=None)]
    assert chosen(catalogue(rows), "most-downloaded", 4) == ["c", "a", "b", "d"]


def test_a_random_choice_is_as_skewed_as_the_catalogue():
    picked = SKEWED.filter(pl.col("generator_id").is_in(chosen(SKEWED, "random", 500)))
    assert 0.85 < (picked["family"] == "SD 1.x").mean() < 0.95


@pytest.mark.parametrize("n", [1, 5, 12, 40])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_stratified_choice_covers_as_many_strata_as_it_can(n, seed):
    strata = SKEWED["family"].n_unique()
    assert len(kinds(SKEWED, chosen(SKEWED, "stratified", n, seed), "family")) == min(n, strata)


def test_a_small_stratum_gives_all_it_has_and_the_others_share_the_rest_equally():
    sizes = {"few": 2, "some": 20, "many": 500}
    rows = [row(f"{family}/{i}", family) for family, size in sizes.items() for i in range(size)]
    picked = [generator_id.split("/")[0] for generator_id in chosen(catalogue(rows), "stratified", 32)]
    assert {family: picked.count(family) for family in sizes} == {"few": 2, "some": 15, "many": 15}


def test_strata_are_the_combinations_of_their_columns_and_unknown_is_one_of_them():
    rows = [row(f"g{i}", f"family {i % 2}", licence=["mit", "other", None][i % 3]) for i in range(60)]
    picked = chosen(catalogue(rows), "stratified", 6, strata=("family", "licence"))
    found = catalogue(rows).filter(pl.col("generator_id").is_in(picked))
    assert found.select("family", "licence").n_unique() == 6


def test_which_stratum_comes_first_is_drawn_for_the_unknown_one_too():
    rows = catalogue([row("a", None), row("b", "Flux"), row("c", "SDXL")])
    assert {chosen(rows, "stratified", 1, seed)[0] for seed in range(20)} == {"a", "b", "c"}


def test_a_diverse_choice_covers_more_families_and_roots_than_a_random_one():
    wins = 0
    for seed in range(5):
        diverse, random = (chosen(SKEWED, strategy, 30, seed) for strategy in ("diverse", "random"))
        for column in ("family", "root_model_id"):
            wins += len(kinds(SKEWED, diverse, column)) > len(kinds(SKEWED, random, column))
    assert wins == 10


def test_a_diverse_choice_is_more_even_too():
    def spread(strategy):
        picked = SKEWED.filter(pl.col("generator_id").is_in(chosen(SKEWED, strategy, 60)))
        return effective_number(picked["family"].value_counts()["count"].to_list())

    assert spread("diverse") > 2 * spread("random")


def test_every_profile_comes_before_a_second_of_any():
    rows = [row(f"{family}/{i}", family) for family, size in (("a", 50), ("b", 5), ("c", 1)) for i in range(size)]
    assert {generator_id[0] for generator_id in chosen(catalogue(rows), "diverse", 3)} == {"a", "b", "c"}


def test_a_size_sets_apart_where_all_kinds_agree():
    rows = [row(f"g{i}", download_bytes=2**i) for i in range(1, 34)]
    assert {"g1", "g33"} < set(chosen(catalogue(rows), "diverse", 3))


def test_the_traversal_is_the_textbook_one():
    kinds_, sizes = pl.DataFrame({"a": [0, 0, 1, 1, 2]}), pl.DataFrame({"x": [0.0, 0.9, 0.0, 0.4, 0.1]})
    arrays = [frame.to_numpy().T.copy() for frame in (kinds_, sizes)]
    # From 0: the farthest is 3 (1 + 0.4); then 4, at 1 + 0.1 from 0, before 1 (0.9) and 2 (0.4).
    assert list(centres(*arrays)) == [0, 3, 4, 1, 2]


def test_past_the_centres_the_rest_comes_by_turns_of_its_profile(monkeypatch):
    monkeypatch.setattr("generation.selection.CENTRES", 2)
    rows = [row(f"g{i}", f"family {i % 3}") for i in range(9)]
    picked = chosen(catalogue(rows), "diverse", 9)
    families = [int(generator_id[1:]) % 3 for generator_id in picked]
    assert len(set(picked)) == 9
    assert set(families[:3]) == {0, 1, 2}


def test_a_root_that_only_means_no_declared_base_is_unknown():
    rows = [
        row("a", root="a", root_certain=False),
        row("b", root="b", root_certain=True),
        row("c", root="shared", root_certain=False),
        row("d", root="shared", root_certain=None),
        row("e", root=None),
        row("f", root=None),
    ]
    assert with_known_roots(catalogue(rows))["root_model_id"].to_list() == [
        None,
        "b",
        "shared",
        "shared",
        None,
        None,
    ]


def test_a_strategy_that_does_not_exist_is_an_error():
    with pytest.raises(ValueError, match="no strategy 'best'"):
        chosen(SKEWED, "best", 1)
