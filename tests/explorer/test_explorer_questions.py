"""The questions of the pages Overview, Models, Generators, Images and Health, on a lake whose rows are known."""

import polars as pl
import pytest

from etl.lake import schemas, snapshot
from explorer import database, flow, holdings, neighbours, sizes
from explorer.questions import generators, images, lake, models
from explorer.questions.images import ImageFilter
from explorer.questions.models import ModelFilter
from explorer.reading import Snapshot, take

HOSTILE = "evil/<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def full(full_lake: str) -> Snapshot:
    return take(full_lake, *schemas.TABLES)


def test_totals_count_what_the_lake_holds(full):
    assert database.rows(full, lake.totals()).row(0, named=True) == {
        "models": 14,
        "generators": 14,
        "eligible": 11,
        "sampled": 11,
        "fake": 44,
        "real": 36,
        "training_sets": 1,
        "runs": 1,
    }


def test_refusals_count_every_stage_by_code(full):
    rows = set(database.rows(full, lake.refusals()).rows())
    assert {("ingest", "TRUNCATED", 2), ("eligibility", "GATED", 1), ("sampling", "NAN_IMAGE", 1)} <= rows


def test_images_not_safe_for_work_and_those_of_such_generators_are_hidden_by_default(full):
    assert database.rows(full, images.count(ImageFilter())).row(0) == (75, 5)
    assert database.rows(full, images.count(ImageFilter(nsfw=True))).row(0) == (80, 0)
    assert database.rows(full, images.page(ImageFilter(generator="community/after-dark"), 0)).is_empty()
    assert (
        database.rows(full, images.page(ImageFilter(generator="community/after-dark", nsfw=True), 0)).height == 4
    )


@pytest.mark.parametrize(
    ("chosen", "n"),
    [
        (ImageFilter(label=0, nsfw=True), 36),
        (ImageFilter(facets=(("family", "Flux"),)), 4),
        (ImageFilter(label=1, prompt="<SCRIPT>"), 4),
        (ImageFilter(maker="WATERcolour"), 8),
        (ImageFilter(least_edge=129), 0),
        (ImageFilter(facets=(("format", "JPEG"), ("real_source", "photos"))), 35),
    ],
)
def test_the_gallery_filters_by_what_is_chosen(full, chosen, n):
    assert database.rows(full, images.count(chosen))["n"].item() == n
    assert database.rows(full, images.page(chosen, 0, size=100)).height == n


def test_the_pages_of_the_gallery_hold_every_image_once(full):
    pages = [database.rows(full, images.page(ImageFilter(), number)) for number in range(3)]
    assert [page.height for page in pages] == [48, 27, 0]
    assert pl.concat(pages)["image_id"].n_unique() == 75
    pictures = database.rows(full, images.thumbnails(pages[0]["image_id"].to_list()))
    assert set(pictures["image_id"]) == set(pages[0]["image_id"])


def test_facets_count_what_matches_as_sql_on_the_table_does(full):
    found = database.rows(full, images.facets(ImageFilter(label=1)))
    whole = snapshot.read(full.root, schemas.GOLD_IMAGES).filter(label=1, nsfw=False)
    for column in ("family", "architecture", "format", "source"):
        counted = dict(whole.drop_nulls(column).group_by(column).len().iter_rows())
        assert dict(found.filter(facet=column).select("value", "n").iter_rows()) == counted


def test_an_image_comes_with_its_bytes_by_its_id_alone(full):
    row = database.rows(full, images.page(ImageFilter(generator="lab/tiny-flux"), 0)).row(0, named=True)
    listed = database.rows(full, images.listed(row["image_id"]))
    assert listed["family"].to_list() == ["Flux"]
    found = database.rows(full, images.image(row["image_id"], "lab/tiny-flux"))
    stored = snapshot.read(full.root, schemas.IMAGES).filter(image_id=row["image_id"])
    assert found["bytes"].to_list() == stored["bytes"].to_list()
    assert database.rows(full, images.image("0" * 64, None)).is_empty()


def test_near_duplicates_are_found_from_either_side(full):
    pair = snapshot.read(full.root, schemas.DUPLICATES).row(0)[:2]
    for one, other in (pair, pair[::-1]):
        assert database.rows(full, images.near_duplicates(one)).rows() == [(other, 3)]


def test_the_nearest_images_are_those_of_the_closest_embeddings(full):
    known = snapshot.read(full.root, schemas.IMAGES).sort("seed")["image_id"].to_list()
    found = neighbours.nearest(full, known[10], most=2)
    assert set(found["image_id"]) == {known[9], known[11]}
    assert neighbours.nearest(full, known[10], among=[known[50]])["image_id"].to_list() == [known[50]]
    assert neighbours.nearest(full, "0" * 64).is_empty()


def test_models_are_found_by_a_part_of_their_name_in_any_case_the_most_downloaded_first(full):
    found = database.rows(full, models.page(ModelFilter("WaterColour"), 0, "Most downloaded"))
    assert found["model_id"].to_list() == ["community/watercolour-sd", "community/ink-watercolour"]
    refused = database.rows(full, models.page(ModelFilter(eligible=False), 0, "By name"))
    assert set(refused["reason"]) == {"GATED", "PICKLE_ONLY", "LICENCE"}


def test_lineage_climbs_from_the_model_to_its_root_and_down_to_what_was_made_from_it(full):
    chain = database.rows(full, models.ancestors("community/ink-watercolour"))
    assert chain["model_id"].to_list() == ["community/ink-watercolour", "community/watercolour-sd", "lab/tiny-sd"]
    assert chain["relation"].to_list() == [None, "finetune", "finetune"]
    below = database.rows(full, models.descendants("lab/tiny-sd"))
    assert below["model_id"].to_list() == ["community/watercolour-sd", HOSTILE]


def test_lineage_of_models_that_name_each_other_ends(tmp_path):
    pair = [
        {"model_id": a, "base_model_id": b, "relation": "finetune"} for a, b in (("a/a", "b/b"), ("b/b", "a/a"))
    ]
    snapshot.append(str(tmp_path), schemas.GOLD_MODELS, pair)
    chain = database.rows(take(str(tmp_path), schemas.GOLD_MODELS), models.ancestors("a/a"))
    assert chain["model_id"].to_list() == ["a/a", "b/b"]


def test_a_generators_detection_is_that_of_the_evaluations(full):
    row = database.rows(full, generators.detection("lab/tiny-flux")).row(0, named=True)
    stored = snapshot.read(full.root, schemas.EVALUATIONS).filter(slice="lab/tiny-flux")
    assert row["average_precision"] == stored.filter(metric="average_precision")["value"].item()
    assert row["accuracy"] == stored.filter(metric="accuracy")["value"].item()


def test_a_snapshot_goes_on_answering_from_its_version_when_the_table_moves_on(tmp_path):
    root = str(tmp_path)
    snapshot.append(root, schemas.GOLD_MODELS, [{"model_id": "a/a", "is_gone": False}])
    before = take(root, schemas.GOLD_MODELS)
    snapshot.append(root, schemas.GOLD_MODELS, [{"model_id": "b/b", "is_gone": False}])
    after = take(root, schemas.GOLD_MODELS)
    counted = [database.rows(at, models.count(ModelFilter()))["n"].item() for at in (before, after)]
    assert counted == [1, 2]


def test_training_sets_that_hold_an_image_or_its_maker_are_found(tmp_path):
    root = str(tmp_path)
    rows = [
        {"image_id": "x", "generator_id": "a/a", "split": "train"},
        {"image_id": "y", "generator_id": "b/b", "split": "train"},
        {"image_id": "z", "generator_id": "a/a", "split": "test"},
    ]
    snapshot.append(root, schemas.training_rows("mine"), rows)
    at = snapshot.current_version(root, schemas.training_rows("mine"))
    snapshot.append(root, schemas.TRAINING_SETS, [{"name": "mine", "version": 1, "rows_version": at}])
    kin = [{"generator_id": name, "root_model_id": "root"} for name in ("a/a", "b/b")]
    snapshot.append(root, schemas.GENERATORS, kin)
    found = holdings.holdings(take(root, schemas.TRAINING_SETS, schemas.GENERATORS), "x", "a/a")
    assert found.rows() == [("mine@1", "test", False, 1, 0), ("mine@1", "train", True, 1, 1)]


def test_the_flow_says_what_is_missing_and_what_lies_behind(tmp_path):
    root = str(tmp_path)
    snapshot.append(root, schemas.THUMBNAILS, [{"image_id": "x"}])
    snapshot.append(root, schemas.IMAGES, [{"image_id": "x"}])
    states = {s.table: s.state for s in flow.states(take(root, *flow.MADE_OF))}
    assert (states["images"], states["thumbnails"], states["models"]) == (flow.FRESH, flow.BEHIND, flow.MISSING)


def test_the_flow_says_which_table_is_being_written(tmp_path):
    from etl.lake.lock import table_lock

    root = str(tmp_path)
    snapshot.append(root, schemas.IMAGES, [{"image_id": "x"}])
    with table_lock(root, "images"):
        states = {s.table: s.state for s in flow.states(take(root, *flow.MADE_OF))}
    assert states["images"] == flow.RUNNING
    assert {s.state for s in flow.states(take(root, schemas.IMAGES, *flow.MADE_OF)) if s.table == "images"} == {
        "fresh"
    }


def test_sizes_are_those_of_the_tables(full):
    found = {row["table"]: row for row in sizes.sizes(full).to_dicts()}
    assert found["images"]["rows"] == 80 and found["images"]["version"] == 1
    assert not any(row["problem"] for row in found.values())


@pytest.mark.parametrize("text", ["' OR 1=1 --", "x'; DROP TABLE images", "%", "_", ".*", "\\", "🦄", "\x00"])
def test_text_of_a_filter_is_looked_for_literally(full, text):
    assert database.rows(full, models.count(ModelFilter(text)))["n"].item() == 0
    assert database.rows(full, images.count(ImageFilter(prompt=text, nsfw=True)))["n"].item() == 0
    assert database.rows(full, generators.count(text, None, "All")).item() == 0
    assert database.rows(full, models.model(text)).is_empty()
    assert database.rows(full, generators.generator(text)).is_empty()


def test_every_question_to_an_empty_lake_gives_an_empty_answer(tmp_path):
    nothing = take(str(tmp_path / "none"), *schemas.TABLES)
    assert set(database.rows(nothing, lake.totals()).row(0)) == {0}
    for one in (
        *(
            lake.crawls(),
            lake.diversity(),
            lake.refusals(),
            lake.rejects(None, None),
            lake.attempts(),
            lake.costs(),
        ),
        *(lake.value_counts("family", "images"), models.values(), models.growth(), models.verdicts()),
        *(
            models.page(ModelFilter(), 0, "Newest"),
            models.ancestors("a"),
            models.descendants("a"),
            models.revisions("a"),
        ),
        *(generators.page("", None, "Sampled", "Newest", 0), generators.families(), generators.attempts("a")),
        *(generators.settings("a"), generators.spectra("a"), generators.detection("a")),
        *(
            images.page(ImageFilter(), 0),
            images.facets(ImageFilter()),
            images.thumbnails(["a"]),
            images.known(["a"]),
        ),
        *(images.listed("0" * 64), images.near_duplicates("a"), images.features("a"), images.places("a")),
        images.scores("a"),
    ):
        assert database.rows(nothing, one).is_empty(), one.text
    assert neighbours.nearest(nothing, "a").is_empty()
    assert holdings.holdings(nothing, "a", "b").is_empty()
    assert sizes.sizes(nothing).is_empty()
