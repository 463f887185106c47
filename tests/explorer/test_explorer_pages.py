"""The explorer's pages, run as Streamlit runs them but without a browser."""

import importlib.util
import re
import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from etl.lake import schemas, snapshot
from explorer import page, pages
from explorer.settings import ROOT_VARIABLE

EXPLORER = Path(page.__file__).parent
PAGES = [place.name for place in pages.places()]
HOSTILE = "evil/<img src=x onerror=alert(1)>"
TEXTS = [
    "<script>alert(1)</script> **b** [x](http://192.0.2.1) ![y](http://192.0.2.1/y.png)",
    "' OR 1=1 -- \"; drop table images; -- 100%s {0} $p1 ? ../../etc/passwd \u202eevil\x00",
    "x" * 10_000,
    "-1",
    "1e9",
]


def opened(monkeypatch: pytest.MonkeyPatch, root: str, place: str, /, **query: str) -> AppTest:
    monkeypatch.setenv(ROOT_VARIABLE, root)
    app = AppTest.from_file(str(EXPLORER / "app.py"), default_timeout=120)
    for key, value in query.items():
        app.query_params[key] = value
    app.run() if place == "overview" else app.switch_page(f"views/{place}.py").run()
    return app


def an_image(root: str, **where: object) -> str:
    return str(snapshot.read(root, schemas.GOLD_IMAGES).filter(**where)["image_id"][0])


def shown(app: AppTest) -> list[str]:
    """Everything that the page says in words."""
    kinds = (app.caption, app.text, app.markdown, app.info, app.warning, app.subheader)
    return [element.value for kind in kinds for element in kind]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_an_empty_lake_says_what_is_missing_instead_of_failing(monkeypatch, tmp_path, name):
    app = opened(monkeypatch, str(tmp_path), name)
    assert not app.exception
    assert any(re.search("`forensics [a-z-]+`", info.value) for info in app.info)


def test_the_numbers_of_the_overview_are_those_of_the_tables(monkeypatch, full_lake):
    app = opened(monkeypatch, full_lake, "overview")
    figures = {metric.label: metric.value for metric in app.metric}
    listed = snapshot.read(full_lake, schemas.IMAGES)
    assert figures["Fake images"] == str(listed.filter(label=1).height) == "44"
    assert figures["Hub models"] == str(snapshot.read(full_lake, schemas.MODELS).height)
    assert any("bits" in text for text in shown(app))


def test_a_generator_named_in_the_address_has_its_card_with_spectrum_and_detection(monkeypatch, full_lake):
    app = opened(monkeypatch, full_lake, "generators", generator="lab/tiny-flux")
    assert app.subheader[0].value == r"lab\/tiny\-flux"
    assert any("fingerprint" in text.lower() for text in shown(app))
    values = snapshot.read(full_lake, schemas.EVALUATIONS).filter(
        slice="lab/tiny-flux", metric="average_precision"
    )
    tables = [table.value for table in app.dataframe if "average_precision" in table.value]
    assert tables[0]["average_precision"][0] == values["value"][0]


def test_a_model_named_in_the_address_has_its_lineage(monkeypatch, full_lake):
    app = opened(monkeypatch, full_lake, "models", model="community/ink-watercolour")
    links = [link.label for link in app.get("page_link")]
    assert any("lab" in link and "finetune" in link for link in links)


@pytest.mark.parametrize(("name", "key"), [("models", "model"), ("generators", "generator"), ("image", "id")])
@pytest.mark.parametrize("text", [*TEXTS, "0" * 64])
def test_an_address_with_an_unknown_name_says_so_in_text(monkeypatch, full_lake, name, key, text):
    app = opened(monkeypatch, full_lake, name, **{key: text})
    assert not app.exception
    assert "There is no" in app.warning[0].value or "was not followed" in app.warning[0].value
    assert len(app.warning[0].value) < 900
    assert "<script>" not in app.warning[0].value and "](http" not in app.warning[0].value


FILTERS = {
    "images": "show prompt maker order family edge since nsfw generator root page",
    "models": "name eligibility order family reason licence gone root page",
    "generators": "name family state order page",
    "health": "stage code",
    "sql": "query",
    "image": "id",
    "evaluation": "run collection transform pool metric point slice errors page",
    "compare": "images a b pool metric page",
    "experiments": "experiment test metric axis detectors",
    "training_sets": "set split",
    "diversity": "section unit dimension colour makers set",
    "try_it": "runs point image nsfw",
}


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("text", TEXTS)
def test_hostile_words_in_every_filter_are_shown_as_text_or_refused(monkeypatch, complete_lake, name, text):
    app = opened(monkeypatch, complete_lake, name, **dict.fromkeys(FILTERS[name].split(), text))
    assert not app.exception and app.title
    told = [element.value for kind in (app.caption, app.markdown, app.warning, app.info) for element in kind]
    assert not any("<script>" in words or "](http" in words for words in told)


def test_a_hostile_name_and_prompt_are_shown_as_text(monkeypatch, full_lake):
    app = opened(monkeypatch, full_lake, "generators", generator=HOSTILE)
    assert HOSTILE in [text.value for text in app.text]
    assert app.subheader[0].value == r"evil\/\<img src\=x onerror\=alert\(1\)\>"
    app = opened(monkeypatch, full_lake, "image", id=an_image(full_lake, generator_id=HOSTILE))
    assert any("<script>alert(1)</script>" in text.value for text in app.text)
    assert not any("<script>" in caption.value for caption in app.caption)


def test_an_image_has_its_provenance_and_the_command_that_makes_it_again(monkeypatch, full_lake):
    image_id = an_image(full_lake, generator_id="lab/tiny-flux")
    app = opened(monkeypatch, full_lake, "image", id=image_id)
    assert any(code.value.startswith("forensics verify") and image_id in code.value for code in app.code)
    assert any('"seed"' in code.value for code in app.code)
    scores = snapshot.read(full_lake, schemas.PREDICTIONS).filter(image_id=image_id)
    tables = [table.value for table in app.dataframe if "logit" in table.value]
    assert tables[0]["logit"].to_list() == scores["logit"].to_list()


def test_an_image_not_safe_for_work_is_hidden_until_it_is_asked_for(monkeypatch, full_lake):
    image_id = an_image(full_lake, nsfw=True)
    app = opened(monkeypatch, full_lake, "image", id=image_id)
    assert "Hidden" in app.info[0].value
    assert not app.get("imgs")


def test_an_older_version_is_shown_with_a_banner_that_names_what_moved_on(monkeypatch, tmp_path):
    root = str(tmp_path)
    snapshot.append(root, schemas.GENERATORS, [{"generator_id": "a/a", "eligible": True}])
    snapshot.append(root, schemas.GENERATORS, [{"generator_id": "b/b", "eligible": True}])
    app = opened(monkeypatch, root, "generators", pin="generators@1")
    assert app.dataframe[0].value.shape[0] == 1
    assert any("generators at version 1" in info.value and "1 → 2" in info.value for info in app.info)
    assert app.query_params["pin"] == "generators@1"


@pytest.mark.parametrize("pin", ["generators@99", "generators@-1", "../x@1", "x" * 10_000])
def test_a_version_that_is_not_there_is_refused(monkeypatch, full_lake, pin):
    app = opened(monkeypatch, full_lake, "generators", pin=pin)
    assert not app.exception
    assert "no version 99" in app.warning[0].value or "was not followed" in app.warning[0].value


def test_a_new_version_of_a_table_is_shown_at_the_next_look(monkeypatch, tmp_path):
    root = str(tmp_path)
    snapshot.append(root, schemas.GENERATORS, [{"generator_id": "a/a", "eligible": True}])
    app = opened(monkeypatch, root, "generators")
    snapshot.append(root, schemas.GENERATORS, [{"generator_id": "b/b", "eligible": True}])
    assert app.run().dataframe[0].value.shape[0] == 2


def test_a_table_that_is_replaced_while_a_page_is_open_is_shown_as_it_is_now(monkeypatch, tmp_path):
    root = str(tmp_path)
    snapshot.append(root, schemas.GENERATORS, [{"generator_id": "a/a", "eligible": True}])
    app = opened(monkeypatch, root, "generators")
    shutil.rmtree(tmp_path / "generators")
    snapshot.append(root, schemas.GENERATORS, [{"generator_id": f"b/{n}", "eligible": True} for n in range(3)])
    app.run()
    assert not app.exception
    assert app.dataframe[0].value["generator_id"].to_list() == ["b/0", "b/1", "b/2"]


def test_the_sql_page_answers_and_refuses_what_is_no_question(monkeypatch, full_lake):
    app = opened(monkeypatch, full_lake, "sql", query="select count(*) as n from gold_images")
    assert app.dataframe[0].value["n"].to_list() == [80]
    for words in ("drop view gold_images", "select 1; select 2", "copy (select 1) to '/tmp/x.csv'", "selec 1"):
        app = opened(monkeypatch, full_lake, "sql", query=words)
        assert not app.exception
        assert "not answered" in app.warning[0].value


def test_no_page_lets_streamlit_read_html():
    sources = [file.read_text() for file in EXPLORER.rglob("*.py")]
    assert not any("unsafe_allow" in source for source in sources)
    assert "innerHTML" not in (EXPLORER / "tiles.js").read_text()


def test_markdown_in_a_name_loses_its_meaning():
    assert page.plain("![dot](http://x)\n$a$ :red[b] <i>") == r"\!\[dot\]\(http\:\/\/x\) \$a\$ \:red\[b\] \<i\>"


def test_views_stay_thin():
    assert all(len(file.read_text().splitlines()) <= 110 for file in EXPLORER.glob("views/*.py"))


def test_questions_know_nothing_of_streamlit():
    modules = [f"explorer.questions.{file.stem}" for file in (EXPLORER / "questions").glob("*.py")]
    for module in (*modules, "explorer.query", "explorer.reading", "explorer.database", "explorer.charts"):
        spec = importlib.util.find_spec(module)
        assert spec and spec.origin and "streamlit" not in Path(spec.origin).read_text()
