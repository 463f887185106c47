"""The `demo-hub` command around the server and the builder."""

import socket

import pytest

from etl.command import run
from generation.jobs import demo_hub


@pytest.fixture(autouse=True)
def nothing_to_build(monkeypatch):
    """The builder has tests of its own, and takes its time."""
    monkeypatch.setattr(demo_hub, "build_demo_hub", lambda folder: ["lab/model"])


def test_a_port_in_use_is_one_sentence_and_exit_2(tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(demo_hub.main, ["--root", str(tmp_path), "--port", str(port)]) == 2
    assert capsys.readouterr().err.startswith(f"error: Port {port} is in use")


def test_build_only_serves_nothing(tmp_path, capsys):
    assert run(demo_hub.main, ["--root", str(tmp_path), "--build_only", "true"]) == 0
    assert capsys.readouterr().out == f"demo-hub: 1 repositories under {tmp_path}/demo-hub\n"


def test_faults_that_are_none_are_exit_2(tmp_path, capsys):
    (tmp_path / "faults.json").write_text('[{"wrong": 1}]')
    assert run(demo_hub.main, ["--root", str(tmp_path), "--faults", str(tmp_path / "faults.json")]) == 2
    assert "is not a list of faults" in capsys.readouterr().err
