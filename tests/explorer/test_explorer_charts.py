"""The explorer's figures."""

from datetime import UTC, datetime
from xml.etree import ElementTree

import polars as pl

from explorer import charts, sketches

SVG = "{http://www.w3.org/2000/svg}"


def test_markup_in_a_name_is_escaped_where_plotly_would_read_it():
    assert charts.as_text("<b>a&b</b>") == "&lt;b&gt;a&amp;b&lt;/b&gt;"


def test_a_long_name_keeps_its_start_and_its_end():
    short = charts.as_text("community/" + "x" * 80 + "-v2", longest=20)
    assert len(short) == 20
    assert short.startswith("community/") and short.endswith("-v2")


def test_rare_values_are_folded_into_one_bar_that_says_how_many_they_are():
    counts = pl.DataFrame({"value": [f"v{n:02}" for n in range(14)], "generators": [20 - n for n in range(14)]})
    bar = charts.distribution(counts, "generators").data[0]
    assert len(bar.x) == charts.MOST_BARS + 1
    assert sum(bar.x) == counts["generators"].sum()
    assert bar.customdata[-1] == "4 others"


def test_values_without_any_image_have_no_bar():
    counts = pl.DataFrame({"value": ["a", "b"], "generators": [2, 1], "images": [5, 0]})
    assert list(charts.distribution(counts, "images").data[0].customdata) == ["a"]


def test_generators_whose_cut_names_are_equal_keep_points_of_their_own():
    names = ["owner/" + "x" * 60 + middle + "y" * 60 for middle in "ab"]
    rows = pl.DataFrame(
        {"generator_id": names, "average_precision": [0.2, 0.4], "accuracy": [0.5, 0.6]}
        | {"ci_low": [0.1, None], "ci_high": [0.3, None], "n_fake": [4, 4], "n_real": [9, 9]}
    )
    figure = charts.generator_scores(rows, 0.3, 0.2, 0.4)
    assert list(figure.data[1].y) == [0, 1]
    assert [round(x, 9) for x in figure.data[1].error_x.array] == [0.1, 0.0]


def test_real_and_fake_scores_are_drawn_as_percentages_in_their_colours():
    bins = pl.DataFrame(
        {"label": [0, 1], "logit": [-1.0, 2.0], "n": [3, 4], "share": [1.0, 0.5], "width": [1.0, 1.0]}
    )
    real, fake = charts.score_histogram(bins).data
    assert (real.marker.color, list(real.y)) == (charts.REAL, [100.0])
    assert (fake.marker.color, list(fake.y)) == (charts.FAKE, [50.0])


def test_a_crawl_is_drawn_with_its_numbers_however_many_or_few_there_are():
    at = datetime(2026, 3, 1, tzinfo=UTC)
    rows = [{"started_at": at, "records": 1000 + n, "new": n, "gone": 2 * n} for n in range(50)]
    kinds = {"started_at": pl.Datetime("us", "UTC"), "records": pl.Int64, "new": pl.Int64, "gone": pl.Int64}
    for shown in (rows[:0], rows[:1], rows):
        drawn = sketches.crawls(pl.DataFrame(shown, schema=kinds))
        root = ElementTree.fromstring(drawn)
        assert len(list(root.iter(f"{SVG}circle"))) == min(len(shown), 40)
    told = [title.text for title in root.iter(f"{SVG}title")]
    assert told[-1] == "Crawl of 2026-03-01: 1,049 listed, 49 new, 98 gone"
