"""The explorer's questions to the lake, on a lake whose rows are known."""

import polars as pl
import pytest

from etl.lake import schemas, snapshot
from explorer import evaluations, queries
from explorer.queries import ImageFilter
from explorer.reading import WRITERS, Snapshot, take

HOSTILE_TEXTS = ["' OR 1=1 --", "x'; DROP TABLE images", "%", "_", ".*", "\\", "🦄", "\x00"]


@pytest.fixture(scope="module")
def lake(full_lake: str) -> Snapshot:
    return take(full_lake, *schemas.TABLES)


@pytest.fixture
def nothing(tmp_path) -> Snapshot:
    return take(str(tmp_path / "none"), *schemas.TABLES)


def evaluation(lake: Snapshot) -> tuple[str, str, str, str]:
    return evaluations.runs(lake).row(0)[:4]


def test_totals_count_what_the_lake_holds(lake):
    assert queries.totals(lake).row(0, named=True) == {
        "models": 14,
        "generators": 14,
        "eligible": 11,
        "sampled": 11,
        "fake": 44,
        "real": 36,
        "training_sets": 1,
        "runs": 1,
        "rejects": 4,
    }


def test_totals_of_an_empty_lake_are_zero(nothing):
    assert set(queries.totals(nothing).row(0)) == {0}


def test_refusals_count_every_stage_by_code(lake):
    rows = set(queries.refusals(lake).rows())
    assert {("ingest", "TRUNCATED", 2), ("eligibility", "GATED", 1), ("sampling", "NAN_IMAGE", 1)} <= rows


def test_generators_are_found_by_a_part_of_their_name_in_any_case(lake):
    found = queries.generators(lake, "WaterColour")
    assert found["generator_id"].to_list() == ["community/watercolour-sd", "community/ink-watercolour"]


def test_generators_that_are_not_eligible_come_with_their_reason(lake):
    found = queries.generators(lake, eligible=False)
    assert set(found["reason"]) == {"GATED", "PICKLE_ONLY", "LICENCE"}


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_text_of_a_query_is_looked_for_literally(lake, text):
    assert queries.generators(lake, text).is_empty()
    chosen = ImageFilter(text=text, nsfw=True)
    assert queries.count_images(lake, chosen)["n"].item() == 0


def test_lineage_climbs_from_the_model_to_its_root(lake):
    chain = queries.lineage(lake, "community/ink-watercolour")
    assert chain["model_id"].to_list() == ["community/ink-watercolour", "community/watercolour-sd", "lab/tiny-sd"]
    assert chain["relation"].to_list() == ["", "finetune", "finetune"]


def test_lineage_of_models_that_name_each_other_ends(tmp_path):
    root = str(tmp_path)
    pair = [("a/a", "b/b"), ("b/b", "a/a")]
    rows = [
        {"model_id": one, "revision": "1", "base_models": [{"model_id": base, "relation": "finetune"}]}
        for one, base in pair
    ]
    snapshot.append(root, schemas.MODELS, rows)
    assert queries.lineage(take(root, schemas.MODELS), "a/a")["model_id"].to_list() == ["a/a", "b/b"]


def test_images_not_safe_for_work_and_those_of_such_generators_are_hidden_by_default(lake):
    assert queries.count_images(lake, ImageFilter()).row(0, named=True) == {"n": 75, "total": 80, "hidden": 5}
    assert queries.gallery(lake, ImageFilter(generator="community/after-dark")).is_empty()
    assert queries.gallery(lake, ImageFilter(generator="community/after-dark", nsfw=True)).height == 4


def test_the_gallery_filters_by_label_family_and_prompt(lake):
    assert queries.count_images(lake, ImageFilter(label=0, nsfw=True))["n"].item() == 36
    assert queries.count_images(lake, ImageFilter(family="Flux"))["n"].item() == 4
    assert queries.count_images(lake, ImageFilter(label=1, text="<SCRIPT>"))["n"].item() == 4


def test_the_pages_of_the_gallery_hold_every_image_once(lake):
    pages = [queries.gallery(lake, ImageFilter(), page) for page in range(3)]
    assert [page.height for page in pages] == [48, 27, 0]
    assert pl.concat(pages)["image_id"].n_unique() == 75


def test_an_image_comes_with_its_bytes_and_its_generators_family(lake):
    shown = queries.gallery(lake, ImageFilter(generator="lab/tiny-flux")).row(0, named=True)
    row = queries.image(lake, shown["image_id"]).row(0, named=True)
    assert row["family"] == "Flux"
    assert row["bytes"] == shown["jpeg"]
    assert queries.image(lake, "../../etc/passwd").is_empty()


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
    assert queries.totals(lake)["runs"].item() == 1


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
    asked = [queries.value_counts, queries.diversity, queries.refusals, queries.generators, queries.families]
    asked += [queries.sampled_generators, evaluations.runs]
    assert all(query(nothing).is_empty() for query in asked)
    assert queries.attempts(nothing, "a/b").is_empty()
    assert queries.gallery(nothing, ImageFilter(text="x", family="y")).is_empty()
    assert queries.image(nothing, "0" * 64).is_empty()
    assert evaluations.by_generator(nothing, "run", "set", "none", "all").is_empty()
    assert queries.lineage(nothing, "a/b").height == 1


def test_a_snapshot_goes_on_answering_from_its_version_when_the_table_moves_on(tmp_path):
    root = str(tmp_path)
    snapshot.append(root, schemas.GENERATORS, [{"generator_id": "a/a"}])
    before = take(root, schemas.GENERATORS)
    snapshot.append(root, schemas.GENERATORS, [{"generator_id": "b/b"}])
    after = take(root, schemas.GENERATORS)
    assert queries.generators(before)["generator_id"].to_list() == ["a/a"]
    assert queries.generators(after).height == 2
    assert before != after


def test_every_table_with_a_writer_is_a_table_of_the_lake():
    assert set(WRITERS) <= {table.name for table in schemas.TABLES}
