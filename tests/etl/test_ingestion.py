"""What becomes of a wave: cut by images, judged on narrow rows, each image to one end."""

import pytest

from etl.images.ingestion import _clean, waves
from etl.images.verdicts import NEW, REJECTED, THERE, judge, places, refused
from etl.lake.schemas import IMAGES

CHECKED = (
    "position long, item int, key string, code string, detail string, split string, pairs array<string>, "
    "image_id string, label int, generator_id string"
)


def checked(spark, *rows):
    """Rows as they come from the executors: key, image_id, and what else is given."""
    full = []
    for position, (key, image_id, *more) in enumerate(rows):
        known = {"label": 0} | (more[0] if more else {})
        full.append(
            (
                position,
                0,
                key,
                known.get("code"),
                None,
                known.get("split"),
                known.get("pairs"),
                image_id,
                known["label"],
                known.get("generator_id"),
            )
        )
    return spark.createDataFrame(full, CHECKED)


def stored(spark, *rows):
    """Rows of the lake: image_id, source, source_key, label."""
    names = ("image_id", "source", "source_key", "label")
    words = [[dict(zip(names, row, strict=True)).get(column) for column in IMAGES.columns] for row in rows]
    return spark.createDataFrame(words, IMAGES.schema)


def verdicts(judged):
    return [(row["verdict"], row["code"]) for row in judged.orderBy("position").collect()]


def test_of_equal_bytes_the_first_is_new(spark):
    judged = judge(checked(spark, ("a", "1"), ("b", "1"), ("c", "2")), stored(spark), "set")
    assert verdicts(judged) == [(NEW, None), (THERE, None), (NEW, None)]


def test_what_the_lake_holds_is_there_whoever_brought_it(spark):
    lake = stored(spark, ("1", "other", "x", 0), ("2", "set", "b", 0))
    judged = judge(checked(spark, ("a", "1"), ("b", "2"), ("c", "3")), lake, "set")
    assert verdicts(judged) == [(THERE, None), (THERE, None), (NEW, None)]


def test_other_bytes_under_a_known_key_of_the_source_are_a_clash(spark):
    lake = stored(spark, ("1", "set", "a", 0), ("2", "other", "b", 0))
    judged = judge(checked(spark, ("a", "9"), ("b", "8")), lake, "set")
    assert verdicts(judged) == [(REJECTED, "ID_CLASH"), (NEW, None)]
    (row,) = refused(judged).collect()
    assert (row["key"], row["sha256"], row["detail"]) == ("a", "9", "under this key came 1")


def test_within_a_wave_the_first_has_the_key_and_the_other_does_not_take_its_bytes(spark):
    """The bytes of the one that clashes are new where they come under a key of their own."""
    judged = judge(checked(spark, ("k", "1"), ("k", "2"), ("m", "2"), ("k", "1")), stored(spark), "set")
    assert verdicts(judged) == [(NEW, None), (REJECTED, "ID_CLASH"), (NEW, None), (THERE, None)]


def test_the_same_bytes_as_real_and_fake_are_a_clash(spark):
    lake = stored(spark, ("1", "other", "x", 1))
    rows = checked(spark, ("a", "1"), ("b", "2"), ("c", "2", {"label": 1}))
    assert verdicts(judge(rows, lake, "set")) == [
        (REJECTED, "LABEL_CLASH"),
        (NEW, None),
        (REJECTED, "LABEL_CLASH"),
    ]


def test_what_is_refused_already_stays_so_and_takes_no_key(spark):
    rows = checked(spark, ("a", "1", {"code": "TRUNCATED"}), ("a", "2"), ("b", None, {"code": "UNREADABLE"}))
    assert verdicts(judge(rows, stored(spark), "set")) == [
        (REJECTED, "TRUNCATED"),
        (NEW, None),
        (REJECTED, "UNREADABLE"),
    ]


def test_an_image_has_a_place_a_generator_that_it_is_paired_with(spark):
    rows = checked(
        spark, ("a", "1", {"pairs": ["x", "y"], "split": "test"}), ("b", "2"), ("c", "3", {"code": "NOT_IMAGE"})
    )
    found = places(judge(rows, stored(spark), "set"), "set", None).collect()
    assert {(row["image_id"], row["paired_generator_id"], row["split"]) for row in found} == {
        ("1", "x", "test"),
        ("1", "y", "test"),
        ("2", None, None),
    }


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (None, [["a", "b"], ["c 5"], ["d"]]),
        (1, [["a"]]),
        (3, [["a", "b"], ["c 1"]]),
        (7, [["a", "b"], ["c 5"]]),
        (8, [["a", "b"], ["c 5"], ["d"]]),
    ],
)
def test_a_wave_holds_so_many_images_and_a_limit_cuts_a_part(limit, expected):
    entries = [{"key": "a"}, {"key": "b"}, {"key": "c", "rows": 5}, {"key": "d"}]
    cut = waves(iter(entries), 2, limit)
    assert [
        [" ".join(map(str, (e["key"], *filter(None, [e.get("rows")])))) for e in wave] for wave in cut
    ] == expected


def test_half_of_a_surrogate_pair_becomes_text_that_can_be_stored():
    assert _clean("ü\ud800") == "ü\\ud800"
