"""The `forensics` command: verbs, exit codes, and errors of one line."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import polars as pl
import pytest
from deltalake.exceptions import DeltaError

from etl import cli, errors
from etl.command import Stage, interrupts_kept, run
from etl.errors import ForensicsError

NAMED = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, ForensicsError)]


@pytest.mark.parametrize("error", NAMED, ids=lambda error: error.__name__)
def test_a_named_error_becomes_one_line_and_its_exit_code(error, capsys):
    def main(argv):
        raise error("the cause;\n  the remedy")

    assert run(main, []) == error.exit_code
    assert capsys.readouterr().err == "error: the cause; the remedy\n"


@pytest.mark.parametrize(
    "error", [OSError(28, os.strerror(28), "x.png"), DeltaError("parquet: No space left on device (os error 28)")]
)
def test_a_full_disk_is_one_line_whoever_writes(error, capsys):
    def main(argv):
        raise error

    assert run(main, []) == 1
    assert capsys.readouterr().err.startswith("error: a disk is full") and os.strerror(28) == errors.DiskFull.SAID


@pytest.mark.parametrize("content", [b"PAR1 and no more", b"", None])
def test_a_file_of_the_lake_that_cannot_be_read_is_one_line(content, tmp_path, capsys):
    file = tmp_path / "part-0.parquet"
    if content is not None:
        file.write_bytes(content)
    assert run(lambda argv: pl.scan_parquet(str(file), schema={"a": pl.Int64}).collect(), []) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: a file of the lake cannot be read") and len(told.splitlines()) == 1


def test_the_exit_codes_are_those_of_the_manual():
    expected = {"ConfigError": 2, "JavaMissing": 2, "LakeMissing": 4, "NothingUsable": 4, "LockHeld": 5}
    assert {name: getattr(errors, name).exit_code for name in expected} == expected


def test_an_error_that_is_not_ours_is_a_crash_with_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run(lambda argv: 1 // 0, [])


def test_an_interruption_ends_with_130_and_a_hint(capsys):
    def main(argv):
        raise KeyboardInterrupt

    assert run(main, []) == 130
    assert "run the same command again" in capsys.readouterr().err


@pytest.fixture
def no_handler() -> Iterator[None]:
    """Interrupts as a new process has them: a Spark session of another test takes them for itself."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_that_an_import_swallows_is_raised_at_its_end(no_handler):
    with pytest.raises(KeyboardInterrupt), interrupts_kept(), contextlib.suppress(BaseException):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_import_that_nothing_interrupts_goes_on(no_handler):
    with interrupts_kept():
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_stage_prints_its_sum_and_ends_with_0_or_3(capsys):
    assert Stage("ingest", "files").finish(5, 3, already_there=2) == 0
    assert Stage("ingest", "files").finish(6, 3, 1, 2, note="photos") == 3
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("ingest: 5 files = 3 new + 0 rejected + 2 already there (")
    assert second.startswith("ingest: 6 files = 3 new + 1 rejected + 2 already there; photos (")


@pytest.mark.parametrize("counts", [(5, 3, 0, 1), (5, 3, 3, 0), (0, 0, 0, 1)])
def test_a_stage_that_loses_count_crashes(counts):
    with pytest.raises(AssertionError, match="lost count"):
        Stage("ingest", "files").finish(*counts)


def test_help_lists_every_verb(capsys):
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {verb} " in shown for verb in cli.VERBS)


def test_without_a_verb_the_usage_is_shown_and_2_returned(capsys):
    assert cli.main([]) == 2
    assert capsys.readouterr().out.startswith("usage: forensics <verb>")


def test_a_verb_that_does_not_exist_ends_with_2(capsys):
    assert cli.main(["ingset"]) == 2
    assert capsys.readouterr().err == "error: there is no verb 'ingset'; `forensics --help` lists them\n"


def test_wrong_usage_of_a_verb_ends_with_2_and_one_line(capsys):
    assert cli.main(["describe", "--rot", "x", "--thumbnail_edge", "no"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "error: unknown option '--rot' (did you mean '--root'?); " + (
        "'--thumbnail_edge' must be of type int, not 'no'"
    )


def test_help_needs_neither_spark_nor_torch():
    heavy = "{'pyspark', 'torch', 'mlflow', 'diffusers', 'streamlit', 'deltalake'}"
    code = f"import sys, etl.cli; etl.cli.main(['--help']); sys.exit(bool({heavy} & set(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, env=environment).returncode == 0
