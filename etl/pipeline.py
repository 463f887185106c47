"""Pipelines: a name and steps, each a verb with its options, read from a YAML file."""

import json
import re
from dataclasses import dataclass
from typing import Any

import yaml

from etl.cli import VERBS
from etl.errors import ConfigError

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_ENDLESS = ("run", "explore", "mlflow")


@dataclass(frozen=True)
class RunSettings:
    """Which pipeline to run on which lake."""

    pipeline: str = "conf/pipelines/daily.yaml"
    """the pipeline's file, also as the first word"""
    root: str = "lake"
    """where the lake lies, of all steps"""


@dataclass(frozen=True)
class Step:
    """A verb, and its options as words of a command line."""

    verb: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Pipeline:
    """Steps in their order; of two runs of one name on one lake the second ends at once."""

    name: str
    steps: tuple[Step, ...]


def read(path: str) -> Pipeline:
    """Return the pipeline in a file. Raises ConfigError with all that is wrong in it."""
    try:
        with open(path, encoding="utf-8") as file:
            said = yaml.safe_load(file)
    except OSError as error:
        raise ConfigError(f"cannot read the pipeline {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(said, dict) or set(said) != {"name", "steps"} or not isinstance(said["steps"], list):
        raise ConfigError(f"{path} must hold a name and a list of steps")
    problems = (
        [] if _NAME.fullmatch(str(said["name"])) else [f"{path}: name must be small letters, digits, dashes"]
    )
    problems += [f"{path}: {problem}" for step in said["steps"] for problem in _problems(step)]
    if problems or not said["steps"]:
        raise ConfigError(problems or f"{path} lists no step")
    return Pipeline(said["name"], tuple(_step(*next(iter(step.items()))) for step in said["steps"]))


def _problems(step: Any) -> list[str]:
    if not isinstance(step, dict) or len(step) != 1:
        return [f"a step is one verb with its options, such as 'describe: {{}}', not {step!r}"]
    verb, options = next(iter(step.items()))
    if verb not in VERBS or verb in _ENDLESS:
        return [f"there is no verb '{verb}' for a step"]
    if not isinstance(options or {}, dict):
        return [f"the options of {verb} must be keys with values"]
    return ["--root is given once, for all steps"] if "root" in (options or {}) else []


def _step(verb: str, options: dict[str, Any] | None) -> Step:
    words = [word for key, value in (options or {}).items() for word in (f"--{key}", _word(value))]
    return Step(verb, tuple(words))


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
