"""Configuration of a job: a typed dataclass, a YAML file in conf/, and overrides on the command line.

A job's configuration class declares its keys, types and defaults; a string literal under a field is its help
text. A class may have `problems() -> list[str]`, which names the values that are out of range. Unknown keys and
bad values are collected over the file and the command line, and reported at once.
"""

import difflib
import sys
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, TypeVar

import yaml
from jsonargparse import ArgumentError, ArgumentParser, Namespace, set_parsing_settings

from etl.errors import ConfigError

Config = TypeVar("Config")

set_parsing_settings(docstring_parse_attribute_docstrings=True)


def parse(cls: type[Config], argv: Sequence[str] | None, prog: str, description: str) -> Config:
    """Return the configuration that `argv` (and the YAML file it names by --config) describes.

    Raises ConfigError with every unknown key, bad type and out-of-range value. `--help` and `--print-config`
    print and exit 0.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = _parser(cls, prog, description)
    problems = _problems(cls, parser, argv)
    if problems:
        raise ConfigError(problems)
    try:
        config = parser.instantiate_classes(parser.parse_args(argv))
    except ArgumentError as error:
        raise ConfigError(_one_line(error)) from None
    built = cls(**{field.name: getattr(config, field.name) for field in fields(cls)})  # type: ignore[arg-type]
    if hasattr(built, "problems") and (problems := built.problems()):
        raise ConfigError(problems)
    return built


def load(cls: type[Config], path: str, **overrides: Any) -> Config:
    """Return the configuration of the YAML file at `path` with `overrides`, checked as on the command line."""
    argv = ["--config", str(path)]
    for key, value in overrides.items():
        argv += [f"--{key}", str(value)]
    return parse(cls, argv, prog=path, description="")


def _parser(cls: type, prog: str, description: str) -> ArgumentParser:
    parser = ArgumentParser(
        prog=prog, description=description, exit_on_error=False, print_config="--print-config"
    )
    parser.add_argument("--config", action="config", help="YAML file with any of the keys below")
    parser.add_class_arguments(cls)
    return parser


def _problems(cls: type, parser: ArgumentParser, argv: list[str]) -> list[str]:
    """Name every key that `cls` lacks, and every value of the YAML files that has a wrong type."""
    known = [field.name for field in fields(cls)]
    problems = []
    for path in _config_paths(argv):
        for key, value in _yaml(path).items():
            if key not in known:
                problems.append(f"{path}: unknown key '{key}'{_nearest(str(key), known)}")
                continue
            try:
                parser.parse_object({key: value}, defaults=False)
            except ArgumentError as error:
                problems.append(f"{path}: {_one_line(error)}")
    for word in argv:
        if word.startswith("--"):
            key = word[2:].split("=")[0]
            name = key.split(".")[0].removesuffix("+")
            if name not in [*known, "config", "print-config", "help"]:
                problems.append(f"unknown option '--{key}'{_nearest(name, known, '--')}")
    return problems


def _config_paths(argv: list[str]) -> list[str]:
    following = [argv[i + 1] for i, word in enumerate(argv[:-1]) if word == "--config"]
    return following + [word.removeprefix("--config=") for word in argv if word.startswith("--config=")]


def _yaml(path: str) -> dict[Any, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            content = yaml.safe_load(file)
    except OSError as error:
        raise ConfigError(f"cannot read the configuration file {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold keys and values, not a {type(content).__name__}")
    return content


def _nearest(key: str, known: list[str], prefix: str = "") -> str:
    near = difflib.get_close_matches(key.replace("-", "_"), known, n=1)
    return f" (did you mean '{prefix}{near[0]}'?)" if near else f" (known: {', '.join(known)})"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def as_dict(config: Any) -> dict[str, Any]:
    """Return a configuration as plain values, for tables, hashes and MLflow."""
    return Namespace(**{field.name: getattr(config, field.name) for field in fields(config)}).as_dict()
