"""The links between the explorer and MLflow."""

from etl.addresses import EXPLORER_VARIABLE, in_explorer, run_in_mlflow


def test_a_page_of_the_explorer_is_named_with_what_it_shows(monkeypatch):
    monkeypatch.delenv(EXPLORER_VARIABLE, raising=False)
    assert in_explorer("evaluation", run="r", slice="generator:a/b c&d") == (
        "http://127.0.0.1:8501/evaluation?run=r&slice=generator%3Aa%2Fb+c%26d"
    )


def test_where_people_open_the_explorer_can_be_named(monkeypatch):
    monkeypatch.setenv(EXPLORER_VARIABLE, "https://lake.example.org/x/")
    assert in_explorer("evaluation", run="r") == "https://lake.example.org/x/evaluation?run=r"


def test_a_run_of_mlflow_is_named_whatever_stands_in_its_id():
    assert run_in_mlflow("http://127.0.0.1:5000/", "../a?b#c") == "http://127.0.0.1:5000/#/runs/..%2Fa%3Fb%23c"
