"""Processes that the explorer asks about images, and the page that shows what they say."""

import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from explorer import page, trials
from explorer.children import Child, NoAnswer
from explorer.settings import ROOT_VARIABLE

APP = str(Path(page.__file__).with_name("app.py"))
ECHO = "import json, sys\nfor line in sys.stdin: print(json.dumps({'said': line.strip()}), flush=True)"
RUN = "5f1c2e7ab04d4d6c9a3e8b7f60d1c2e3"


def child(program: str) -> Child:
    return Child([sys.executable, "-I", "-c", program])


def test_one_process_answers_many_questions_in_their_order():
    asked = child(ECHO)
    assert [asked.ask(line)["said"] for line in ("a", "b")] == ["a", "b"]
    asked.close()


def test_a_process_that_does_not_answer_in_time_is_killed():
    asked = child("import time; time.sleep(600)")
    with pytest.raises(NoAnswer, match=r"no answer within 0\.3 s"):
        asked.ask("a", seconds=0.3)
    assert not asked.alive


def test_the_last_words_of_a_process_that_ends_are_the_reason():
    asked = child("import sys; sys.stdin.readline(); sys.exit('there is no such run')")
    with pytest.raises(NoAnswer, match="there is no such run"):
        asked.ask("a")


@pytest.mark.parametrize("said", ["no json", "[1]", "", "\\xff"])
def test_an_answer_that_means_nothing_is_none(said):
    asked = child(f"import sys; sys.stdin.readline(); print({said!r})")
    with pytest.raises(NoAnswer):
        asked.ask("a")


def test_a_map_lies_over_the_square_that_was_seen_with_zero_in_the_middle_of_its_colours():
    figure = trials.heat_map([[0.5, -2.0], [0.0, 1.0]], "aGVsbG8=")
    assert (figure.data[0].zmin, figure.data[0].zmax) == (-2.0, 2.0)
    assert figure.layout.images[0].source == "data:image/png;base64,aGVsbG8="


def opened(monkeypatch: pytest.MonkeyPatch, root: str, **query: str) -> AppTest:
    monkeypatch.setenv(ROOT_VARIABLE, root)
    app = AppTest.from_file(APP, default_timeout=60)
    for key, value in query.items():
        app.query_params[key] = value
    return app.switch_page("views/try_it.py").run()


def test_the_page_offers_the_images_that_detectors_were_most_wrong_about(monkeypatch, full_lake):
    app = opened(monkeypatch, full_lake)
    assert not app.exception and not app.warning
    assert "Those that a detector was most wrong about." in [caption.value for caption in app.caption]


def test_the_page_says_what_is_missing(monkeypatch, tmp_path):
    assert "`forensics evaluate` writes it" in opened(monkeypatch, str(tmp_path)).info[0].value


@pytest.mark.parametrize("name", ["../../etc/passwd", "0" * 64, "' OR 1=1 --", "<script>"])
def test_an_image_that_the_lake_does_not_hold_is_refused(monkeypatch, full_lake, name):
    app = opened(monkeypatch, full_lake, image=name)
    assert not app.exception
    assert "no such image" in app.warning[0].value


def test_a_detector_that_is_not_of_the_lake_is_refused_and_never_reaches_a_command_line(monkeypatch, full_lake):
    app = opened(monkeypatch, full_lake, runs="--root=/")
    assert not app.exception
    assert "not followed in runs" in app.warning[0].value
