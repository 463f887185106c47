"""Configuration of a job: a typed dataclass, a YAML file in conf/, and overrides on the command line.

A job's configuration class declares its keys, types and defaults; a string literal under a field is its help
text. A class may have `problems() -> list[str]`, which names the values that are out of range. Unknown keys and
bad values are collected over the file and the command line, and reported at once.
"""

import difflib
import math
import sys
from collections.abc import Container, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import yaml
from jsonargparse import ArgumentError, ArgumentParser, Namespace, set_parsing_settings

from etl.errors import ConfigError
from etl.lake import storage

Config = TypeVar("Config")

set_parsing_settings(docstring_parse_attribute_docstrings=True)


def parse(cls: type[Config], argv: Sequence[str] | None, prog: str, description: str) -> Config:
    """Return the configuration that `argv` (and the YAML file it names by --config) describes.

    The command line overrides the file, wherever --config stands in it. Raises ConfigError with every unknown key
    and bad type; when there are none, with every value out of range. `--help` and `--print-config` print and
    exit 0. Where `root` lies in an object store, the store is asked for its bucket: raises StorageRefused and
    StorageUnreachable.
    """
    paths, words = _without_config(list(sys.argv[1:] if argv is None else argv))
    words = _with_values(
        _underscored(words, _types(cls)), {n for n, kind in _types(cls).items() if kind == "bool"}
    )
    files = {path: _yaml(path) for path in paths}
    parser = _parser(cls, prog, description)
    problems = [
        problem for path, content in files.items() for problem in _problems_of_file(cls, parser, path, content)
    ]
    problems += _problems_of_words(cls, parser, words)
    if problems:
        raise ConfigError(problems)
    try:
        # jsonargparse refuses a file without keys.
        config = parser.parse_args([f"--config={path}" for path, content in files.items() if content] + words)
    except ArgumentError as error:
        raise ConfigError(_one_line(error)) from None
    built = cls(**{field.name: getattr(config, field.name) for field in fields(cls)})  # type: ignore[arg-type]
    problems = [f"--{name} must be a finite number" for name, value in vars(built).items() if _is_infinite(value)]
    problems += built.problems() if hasattr(built, "problems") else []
    if problems:
        raise ConfigError(problems)
    storage.require(getattr(built, "root", ""))
    return built


def typed(cls: type[Config], content: Any, where: str) -> tuple[Config | None, list[str]]:
    """Build `cls` of the keys and values of a part of a configuration, named `where` in what is wrong with it.

    Fields that are dataclasses, or dicts of names to such, are built in turn. Returns the object, None where there
    are problems, and the problems, those that `cls.problems()` names included.
    """
    if not isinstance(content, dict):
        return None, [f"{where} must hold keys and values, not {_shown(content)}"]
    kinds, problems = get_type_hints(cls), list[str]()
    values: dict[str, Any] = {}
    leaves: dict[str, Any] = {}
    for key, value in content.items():
        kind = next((part for part in get_args(kinds.get(key)) if is_dataclass(part) and value is not None), None)
        kind = kind if kind and get_origin(kinds[key]) is not dict else kinds.get(key)
        inner = get_args(kind)[-1] if get_origin(kind) is dict else None
        if is_dataclass(kind):
            values[key], found = typed(kind, value, f"{where}.{key}")  # type: ignore[arg-type]
            problems += found
        elif is_dataclass(inner) and isinstance(value, dict):
            pairs = {name: typed(inner, part, f"{where}.{key}.{name}") for name, part in value.items()}  # type: ignore[arg-type]
            values[key] = {name: built for name, (built, _) in pairs.items()}
            problems += [problem for _, found in pairs.values() for problem in found]
        else:
            leaves[key] = value
    parser = ArgumentParser(exit_on_error=False)
    simple = [field.name for field in fields(cls) if field.name not in values]  # type: ignore[arg-type]
    parser.add_class_arguments(cls, skip=set(values) | (set(kinds) - set(simple)))
    problems += _problems_of_file(cls, parser, where, leaves)
    if problems:
        return None, problems
    parsed = parser.parse_object(leaves, defaults=False)
    built = cls(**values, **{key: getattr(parsed, key) for key in leaves})
    wrong = built.problems() if hasattr(built, "problems") else []
    return (None if wrong else built), [f"{where}: {problem}" for problem in wrong]


def _parser(cls: type, prog: str, description: str) -> ArgumentParser:
    parser = ArgumentParser(prog=prog, description=description, exit_on_error=False, print_config="--print-config")
    parser.add_argument("--config", action="config", help="YAML file with any of the keys below")
    parser.add_class_arguments(cls)
    return parser


def _without_config(argv: list[str]) -> tuple[list[str], list[str]]:
    """Return the files that --config names, and the other words."""
    paths, words, rest = [], [], iter(argv)
    for word in rest:
        if word.startswith("--config="):
            paths.append(word.removeprefix("--config="))
        elif word == "--config":
            path = next(rest, None)
            if path is None:
                raise ConfigError("--config needs the name of a file")
            paths.append(path)
        else:
            words.append(word)
    return paths, words


def _underscored(words: list[str], types: Container[str]) -> list[str]:
    """Write `--dry-run` as `--dry_run`, as keys are written here: people and other tools write dashes."""

    def underscored(word: str) -> str:
        key, is_joined, value = word[2:].partition("=")
        name = key.replace("-", "_")
        return f"--{name}{is_joined}{value}" if word[:2] == "--" and name.removesuffix("+") in types else word

    return [underscored(word) for word in words]


def _with_values(words: list[str], switches: set[str]) -> list[str]:
    """Give a switch that stands alone the value true: `--accept` means `--accept true`."""
    followed = zip(words, [*words[1:], "--"], strict=False)
    return [
        f"{word}=true" if word[2:] in switches and word.startswith("--") and after.startswith("--") else word
        for word, after in followed
    ]


def _problems_of_file(cls: type, parser: ArgumentParser, path: str, content: dict[Any, Any]) -> list[str]:
    """Name every key of a file that `cls` lacks, and every value of a wrong type."""
    types = _types(cls)
    problems = []
    for key, value in content.items():
        if key not in types:
            problems.append(f"{path}: unknown key '{key}'{_nearest(str(key), list(types))}")
            continue
        try:
            parser.parse_object({key: value}, defaults=False)
            fits = value is not None or "None" in types[key]
        except ArgumentError:
            fits = False
        if not fits:
            problems.append(f"{path}: '{key}' must be of type {types[key]}, not {_shown(value)}")
    return problems


def _problems_of_words(cls: type, parser: ArgumentParser, words: list[str]) -> list[str]:
    """Name every option of a command line that `cls` lacks, and every value of a wrong type."""
    types = _types(cls)
    problems = []
    for position, word in enumerate(words):
        if not word.startswith("--"):
            continue
        key, is_joined, joined = word[2:].partition("=")
        if key.removesuffix("+") in types:  # `--key+ value` adds to a list
            value = joined if is_joined else "".join(words[position + 1 : position + 2])
            try:
                parser.parse_args([f"--{key}={value}"], defaults=False)
            except ArgumentError:
                problems.append(f"'--{key}' must be of type {types[key.removesuffix('+')]}, not {_shown(value)}")
        elif key not in ("print-config", "help"):
            problems.append(f"unknown option '--{key}'{_nearest(key, list(types), '--')}")
    return problems


def _types(cls: type) -> dict[str, str]:
    return {field.name: getattr(field.type, "__name__", str(field.type)) for field in fields(cls)}


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


def _is_infinite(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _shown(value: Any) -> str:
    return "null" if value is None else repr(value)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def as_dict(config: Any) -> dict[str, Any]:
    """Return a configuration as plain values, for tables, hashes and MLflow."""
    return Namespace(**{field.name: getattr(config, field.name) for field in fields(config)}).as_dict()
