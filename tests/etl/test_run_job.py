"""Pipelines: what their files may say, what runs of them do and leave undone."""

import subprocess
import sys
from pathlib import Path

import pytest

from etl.cli import job
from etl.errors import ConfigError, LockHeld
from etl.pipeline import Step, read

ROOT = Path(__file__).parent.parent.parent


def pipeline(tmp_path: Path, steps: str) -> str:
    path = tmp_path / "steps.yaml"
    path.write_text(f"name: mine\nsteps:\n{steps}")
    return str(path)


def test_the_shipped_pipeline_names_verbs_and_options_that_there_are():
    found = read(str(ROOT / "conf" / "pipelines" / "daily.yaml"))
    assert [step.verb for step in found.steps][0::6] == ["crawl", "summarise"]
    for step in found.steps:
        with pytest.raises(SystemExit) as end:
            job(step.verb)([*step.words, "--print-config"])
        assert end.value.code == 0


def test_options_become_words_of_the_command_line(tmp_path):
    steps = "- crawl: {limit: 3, details: false, listings: [a=b]}\n- catalogue:\n"
    assert read(pipeline(tmp_path, steps)).steps == (
        Step("crawl", ("--limit", "3", "--details", "false", "--listings", '["a=b"]')),
        Step("catalogue", ()),
    )


def test_all_that_is_wrong_in_a_file_is_said_at_once(tmp_path):
    with pytest.raises(ConfigError) as caught:
        read(pipeline(tmp_path, "- fly: {}\n- explore: {}\n- crawl: {root: x}\n- describe\n"))
    assert len(caught.value.problems) == 4


def test_a_run_stops_at_the_step_that_fails_and_ends_with_its_code(tmp_path):
    path = pipeline(tmp_path, "- describe: {}\n- summarise: {}\n")
    done = subprocess.run(
        [sys.executable, "-m", "etl.cli", "run", path, "--root", str(tmp_path / "none")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 4, done.stderr
    assert "step 1 of 2: describe" in done.stdout
    assert "stopped at describe, which ended with code 4" in done.stderr
    assert "summarise" not in done.stdout


def test_a_second_run_of_the_same_name_ends_at_once(tmp_path):
    from etl.lake.lock import table_lock

    path, root = pipeline(tmp_path, "- describe: {}\n"), str(tmp_path / "lake")
    code = (
        "import sys\nfrom etl.lake.lock import table_lock\n"
        f"with table_lock({root!r}, 'pipeline/mine'): print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout and holder.stdout.readline() == "held\n"
    try:
        with pytest.raises(LockHeld):
            job("run")([path, "--root", root])
    finally:
        holder.communicate("")
    with table_lock(root, "pipeline/mine"):
        pass
