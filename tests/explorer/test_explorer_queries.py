"""The explorer's questions on evaluations and scores, on a lake whose rows are known."""

import pytest

from etl.lake import schemas, snapshot
from explorer import evaluations
from explorer.reading import WRITERS, Snapshot, take


@pytest.fixture(scope="module")
def lake(full_lake: str) -> Snapshot:
    return take(full_lake, *schemas.TABLES)


@pytest.fixture
def nothing(tmp_path) -> Snapshot:
    return take(str(tmp_path / "none"), *schemas.TABLES)


def evaluation(lake: Snapshot) -> tuple[str, str, str, str]:
    return evaluations.runs(lake).row(0)[:4]


def test_the_weakest_generator_comes_first_and_an_undefined_one_last_with_its_reason(lake):
    rows = evaluations.by_generator(lake, *evaluation(lake))
    assert rows.height == 11
    assert rows["average_precision"].drop_nulls().is_sorted()
    last = rows.row(-1, named=True)
    assert (last["generator_id"], last["average_precision"], last["reason"]) == (
        "community/tiny-gan",
        None,
        "ONE_CLASS",
    )


def test_the_means_come_with_their_intervals(lake):
    means = evaluations.overall(lake, *evaluation(lake)).filter(slice_kind="mean")
    assert set(means["metric"]) == {"average_precision", "accuracy"}
    assert means["ci_low"].to_list() == [0.74, 0.74]


def test_baselines_stand_beside_an_evaluation_and_are_no_detectors(lake):
    assert evaluations.runs(lake)["run_id"].to_list()[-1] == "baseline:chance"
    _, collection, _, pool = evaluation(lake)
    assert evaluations.baselines(lake, collection, pool).rows() == [("baseline:chance", 0.31)]


def test_the_scores_are_those_of_the_chosen_evaluation(lake):
    run_id, collection, transform, _ = evaluation(lake)
    bins = evaluations.score_bins(lake, run_id, collection, transform)
    assert [bins.filter(label=label)["n"].sum() for label in (0, 1)] == [36, 44]
    assert evaluations.score_bins(lake, run_id, collection, "jpeg-30").is_empty()


def test_scores_are_counted_in_bins_with_shares_of_their_class_and_without_those_not_finite(tmp_path):
    keys = {"run_id": "r", "collection": "c", "transform": "none"}
    logits = [(0, -1.0), (0, -1.0), (0, 11.0), (1, 5.1), (1, float("nan")), (1, float("inf"))]
    rows = [keys | {"image_id": str(n), "label": label, "logit": x} for n, (label, x) in enumerate(logits)]
    snapshot.append(str(tmp_path), schemas.PREDICTIONS, rows)
    bins = evaluations.score_bins(take(str(tmp_path), schemas.PREDICTIONS), "r", "c", "none")
    assert bins.select("label", "logit", "n").rows() == [(0, -0.5, 2), (0, 10.5, 1), (1, 5.5, 1)]
    assert bins["share"].to_list() == [2 / 3, 1 / 3, 1.0]


def test_every_question_to_an_empty_lake_gives_an_empty_answer(nothing):
    assert evaluations.runs(nothing).is_empty()
    assert evaluations.by_generator(nothing, "run", "set", "none", "all").is_empty()


def test_every_table_with_a_writer_is_a_table_of_the_lake():
    assert set(WRITERS) <= {table.name for table in schemas.TABLES}
