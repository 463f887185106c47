"""A configuration comes from defaults, a YAML file and the command line, and everything wrong is named at once."""

from dataclasses import dataclass, field

import pytest
import yaml

from etl.config import as_dict, parse
from etl.errors import ConfigError
from etl.images.recipe import TrainingSetSettings
from etl.images.settings import IngestSettings


@dataclass(frozen=True)
class Settings:
    root: str = "lake"
    """where"""
    seed: int = 1
    """which"""
    rate: float = 0.5
    """how much"""
    limit: int | None = None
    """how many"""
    names: list[str] = field(default_factory=lambda: ["a"])
    """who"""

    def problems(self) -> list[str]:
        return ["--seed must be positive"] if self.seed < 1 else []


def configured(*argv: str) -> Settings:
    return parse(Settings, argv, "forensics test", "What it does.")


def problems(*argv: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        configured(*argv)
    assert error.value.exit_code == 2
    return error.value.problems


@pytest.fixture
def file(tmp_path):
    def write(content: str | bytes) -> str:
        path = tmp_path / "settings.yaml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write


def test_without_words_the_defaults_hold():
    assert configured() == Settings()


def test_the_command_line_overrides_the_file(file):
    assert configured("--config", file("seed: 2\nrate: 1"), "--seed", "3") == Settings(seed=3, rate=1.0)


def test_the_command_line_overrides_the_file_that_is_named_after_it(file):
    assert configured("--seed=3", f"--config={file('seed: 2')}").seed == 3


@pytest.mark.parametrize("content", ["", "\n", "# only a comment\n", "---\n", "{}"])
def test_a_file_without_keys_changes_nothing(file, content):
    assert configured("--config", file(content)) == Settings()


def test_a_list_can_be_given_whole_or_added_to():
    assert configured("--names", "[x, y]").names == ["x", "y"]
    assert configured("--names+", "b").names == ["a", "b"]


def test_unknown_keys_and_wrong_types_of_file_and_command_line_are_reported_together(file):
    path = file("seeed: 3\nrate: fast\nqqq: 1\nroot: 5\n")
    assert problems("--config", path, "--lmit", "3", "--seed", "x", "--rate", "y") == [
        f"{path}: unknown key 'seeed' (did you mean 'seed'?)",
        f"{path}: 'rate' must be of type float, not 'fast'",
        f"{path}: unknown key 'qqq' (known: root, seed, rate, limit, names)",
        f"{path}: 'root' must be of type str, not 5",
        "unknown option '--lmit' (did you mean '--limit'?)",
        "'--seed' must be of type int, not 'x'",
        "'--rate' must be of type float, not 'y'",
    ]


def test_an_abbreviated_option_is_unknown_and_suggested():
    assert problems("--see", "3") == ["unknown option '--see' (did you mean '--seed'?)"]


@pytest.mark.parametrize("words", [["--val-fraction", "0.1"], ["--val-fraction=0.1"], ["--val_fraction", "0.1"]])
def test_an_option_may_be_written_with_dashes(words):
    built = parse(TrainingSetSettings, [*words, "--dry-run", "--accept+", "all"], "p", "d")
    assert (built.val_fraction, built.dry_run, built.accept) == (0.1, True, ["all"])


@pytest.mark.parametrize("value", ["1.5", "true", "null", "", "[1]"])
def test_what_is_no_integer_is_refused_as_one(file, value):
    assert problems(f"--seed={value}") == [f"'--seed' must be of type int, not '{value}'"]


def test_null_is_refused_where_a_value_must_be_and_accepted_where_none_may(file):
    path = file("seed: null\nlimit: null\n")
    assert problems("--config", path) == [f"{path}: 'seed' must be of type int, not null"]
    assert configured("--limit", "null").limit is None


@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf"])
def test_a_number_that_is_not_finite_is_refused(file, value):
    assert problems("--config", file(f"rate: {value}")) == ["--rate must be a finite number"]


def test_values_out_of_range_are_named_by_the_class():
    assert problems("--seed", "0") == ["--seed must be positive"]


def test_an_option_without_its_value_is_refused():
    assert problems("--seed") == ["'--seed' must be of type int, not ''"]
    assert problems("--config") == ["--config needs the name of a file"]


def test_a_word_that_belongs_to_no_option_is_refused():
    assert problems("lake") == ["unrecognized arguments: lake"]


def test_a_missing_file_is_named(tmp_path):
    path = tmp_path / "none.yaml"
    assert problems("--config", str(path)) == [
        f"cannot read the configuration file {path}: No such file or directory"
    ]


@pytest.mark.parametrize(
    "content",
    ["a: [", "\tseed: 1", b"\xff\xfe\x00", "seed: 1\0", 'root: !!python/object/apply:os.system ["touch pwned"]'],
)
def test_what_is_not_yaml_is_said_in_one_line(file, content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = file(content)
    (problem,) = problems("--config", path)
    assert problem.startswith(f"{path} is not valid YAML: ") and "\n" not in problem
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(("content", "kind"), [("- a\n- b", "list"), ("just words", "str"), ("3", "int")])
def test_a_file_must_hold_keys_and_values(file, content, kind):
    path = file(content)
    assert problems("--config", path) == [f"{path} must hold keys and values, not a {kind}"]


def test_what_print_config_shows_configures_the_same(file, capsys):
    with pytest.raises(SystemExit) as end:
        configured("--seed", "7", "--limit", "3", "--names", "[x]", "--print-config")
    assert end.value.code == 0
    shown = capsys.readouterr().out
    assert yaml.safe_load(shown) == {"root": "lake", "seed": 7, "rate": 0.5, "limit": 3, "names": ["x"]}
    assert configured("--config", file(shown)) == Settings(seed=7, limit=3, names=["x"])


def test_help_shows_every_key_with_its_docstring(capsys):
    with pytest.raises(SystemExit) as end:
        parse(IngestSettings, ["--help"], "forensics ingest", "Check and store images.")
    assert end.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "forensics ingest" in shown and "the name of the set in the lake" in shown


def test_as_dict_gives_plain_values():
    assert as_dict(Settings()) == {"root": "lake", "seed": 1, "rate": 0.5, "limit": None, "names": ["a"]}


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (["--name", "../other"], "--name may hold"),
        (["--name", ""], "--name may hold"),
        (["--val_fraction", "0"], "--val_fraction and --test_fraction"),
        (["--val_fraction", "0.5", "--test_fraction", "0.5"], "--val_fraction and --test_fraction"),
        (["--max_images_per_generator", "0"], "--max_images_per_generator"),
        (["--split_by", "colour"], "--split_by must be"),
        (["--split_by", "given"], "--split_by given needs --collection"),
        (["--strategy", "random"], "--generators says how many, and --strategy how"),
        (["--match", "[colour]"], "--match knows format, size, quality, bytes; not colour"),
        (["--reencode", "GIF"], "--reencode must be one of JPEG, WEBP, PNG"),
        (["--reencode_size", "64"], "--reencode_size must lie in 16 … 4096, and needs --reencode"),
        (["--accept", "[colour]"], "--accept knows format, size, bytes, quality, metadata, all; not colour"),
        (["--audit_limit", "0.4"], "--audit_limit must lie in 0.5 … 1"),
        (["--again", "mine"], "--again must be NAME@VERSION"),
        (["--again", "mine@1", "--seed", "4"], "--again .* takes no other key but --root"),
        (["--seed", "99999999999999999999"], "--seed must lie in"),
    ],
)
def test_a_training_set_refuses_values_out_of_range(argv, problem):
    with pytest.raises(ConfigError, match=problem):
        parse(TrainingSetSettings, argv, "p", "d")


def test_a_folder_to_ingest_needs_a_path_and_a_collection():
    with pytest.raises(ConfigError, match="--source folder needs --path and --collection"):
        parse(IngestSettings, ["--path", "photos"], "p", "d")


@dataclass(frozen=True)
class Switched:
    """A configuration with a switch."""

    fast: bool = False
    """go faster"""
    name: str = "x"
    """a name"""


@pytest.mark.parametrize(
    ("words", "fast", "name"),
    [
        (["--fast"], True, "x"),
        (["--fast", "--name", "y"], True, "y"),
        (["--name", "--fast"], None, None),
        (["--fast", "false"], False, "x"),
        (["--fast=true"], True, "x"),
    ],
)
def test_a_switch_that_stands_alone_is_true(words, fast, name):
    if fast is None:  # the value of another key is missing
        with pytest.raises(ConfigError):
            parse(Switched, words, "p", "d")
    else:
        assert parse(Switched, words, "p", "d") == Switched(fast, name)
