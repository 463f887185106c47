"""The explorer's pages, run as Streamlit runs them but without a browser."""

import importlib.util
import re
import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from etl.lake import schemas, snapshot
from explorer import page
from explorer.settings import ROOT_VARIABLE

EXPLORER = Path(page.__file__).parent
PAGES = ["overview", "models", "gallery", "evaluation"]
HOSTILE = "evil/<img src=x onerror=alert(1)>"


def opened(monkeypatch: pytest.MonkeyPatch, root: str, name: str, **query: str) -> AppTest:
    monkeypatch.setenv(ROOT_VARIABLE, root)
    app = AppTest.from_file(str(EXPLORER / "app.py"), default_timeout=60)
    for key, value in query.items():
        app.query_params[key] = value
    app.run() if name == "overview" else app.switch_page(f"views/{name}.py").run()
    return app


@pytest.mark.parametrize("name", PAGES)
def test_a_page_shows_a_full_lake_without_an_error(monkeypatch, full_lake, name):
    app = opened(monkeypatch, full_lake, name)
    assert not app.exception
    assert not app.error and not app.warning
    assert app.title


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_an_empty_lake_says_what_is_missing_instead_of_failing(monkeypatch, tmp_path, name):
    app = opened(monkeypatch, str(tmp_path), name)
    assert not app.exception
    assert re.search("`forensics [a-z-]+` writes", app.info[0].value)


def test_the_overview_counts_images_and_names_the_entropy(monkeypatch, full_lake):
    app = opened(monkeypatch, full_lake, "overview")
    assert {metric.label: metric.value for metric in app.metric}["Fake images"] == "44"
    assert any("bits of entropy" in caption.value for caption in app.caption)


def test_a_generator_named_in_the_address_has_its_card_with_lineage(monkeypatch, full_lake):
    app = opened(monkeypatch, full_lake, "models", generator="community/ink-watercolour")
    lines = [text.value.strip("\N{EM SPACE}") for text in app.text]
    assert "↳ finetune of lab/tiny-sd" in lines


@pytest.mark.parametrize("name", ["../../etc/passwd", "-1", "1e9", "' OR 1=1 --", "<script>"])
def test_an_address_with_an_unknown_generator_says_so(monkeypatch, full_lake, name):
    app = opened(monkeypatch, full_lake, "models", generator=name)
    assert not app.exception
    assert "no such generator" in app.warning[0].value


@pytest.mark.parametrize("name", ["../../etc/passwd", "0" * 64, "%00"])
def test_an_address_with_an_unknown_image_says_so(monkeypatch, full_lake, name):
    app = opened(monkeypatch, full_lake, "gallery", image=name)
    assert not app.exception
    assert "no such image" in app.warning[0].value


def test_a_hostile_name_and_prompt_are_shown_as_text(monkeypatch, full_lake):
    app = opened(monkeypatch, full_lake, "models", generator=HOSTILE)
    assert HOSTILE in [text.value for text in app.text]
    assert app.subheader[0].value == r"evil\/\<img src\=x onerror\=alert\(1\)\>"


def test_markdown_in_a_name_loses_its_meaning():
    assert page.plain("![dot](http://x)\n$a$ :red[b] <i>") == r"\!\[dot\]\(http\:\/\/x\) \$a\$ \:red\[b\] \<i\>"


def test_the_gallery_filters_by_the_words_of_the_prompt(monkeypatch, full_lake):
    app = opened(monkeypatch, full_lake, "gallery")
    app.text_input(key="prompt").set_value("' OR 1=1 --").run()
    assert not app.exception
    assert "No image matches" in app.info[0].value


def test_a_value_that_is_undefined_is_shown_with_its_reason(monkeypatch, full_lake):
    app = opened(monkeypatch, full_lake, "evaluation")
    assert "ONE_CLASS" in app.dataframe[0].value["reason"].to_list()
    assert any("95 % interval 0.740 to 0.880" in caption.value for caption in app.caption)
    assert any("baseline" in caption.value and "0.310" in caption.value for caption in app.caption)


def test_a_new_version_of_a_table_is_shown_at_the_next_look(monkeypatch, tmp_path):
    root = str(tmp_path)
    snapshot.append(root, schemas.GENERATORS, [{"generator_id": "a/a", "eligible": True}])
    app = opened(monkeypatch, root, "models")
    snapshot.append(root, schemas.GENERATORS, [{"generator_id": "b/b", "eligible": True}])
    assert app.run().dataframe[0].value.shape[0] == 2


def test_files_that_vanish_while_a_page_is_read_end_in_a_notice(monkeypatch, full_lake, tmp_path):
    root = tmp_path / "lake"
    shutil.copytree(full_lake, root)
    for file in (root / "thumbnails").glob("*.parquet"):
        file.unlink()
    app = opened(monkeypatch, str(root), "gallery")
    assert not app.exception
    assert "changed while this page was being read" in app.warning[0].value


def test_no_page_lets_streamlit_read_html():
    sources = [file.read_text() for file in EXPLORER.rglob("*.py")]
    assert not any("unsafe_allow" in source for source in sources)


def test_views_stay_thin():
    assert all(len(file.read_text().splitlines()) <= 80 for file in EXPLORER.glob("views/*.py"))


def test_queries_know_nothing_of_streamlit():
    for module in ("explorer.queries", "explorer.reading", "explorer.charts"):
        spec = importlib.util.find_spec(module)
        assert spec and spec.origin and "streamlit" not in Path(spec.origin).read_text()
