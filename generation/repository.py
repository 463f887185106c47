"""What of a model repository is wanted: vetted by its listing and its model_index.json, before any download."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from etl.models.families import COMPONENT_LIBRARIES
from etl.models.names import UNSAFE_PATH, is_safe_id
from generation.failures import Code, GenerationFailure
from generation.families import SUPPORTED
from generation.unsupported import why

DROPPED = {"safety_checker", "watermarker"}
"""Components that are never loaded: the checker blackens what it flags, and black images would poison the set; the
watermark of DeepFloyd IF would tell every one of its images by itself."""
ALLOWED_SUFFIXES = {".safetensors", ".json", ".txt", ".model", ".jinja"}
PICKLES = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"}
VARIANTS = ("fp16", "bf16", "non_ema")
"""Endings of copies of the weights, the preferred one first; a copy without any is preferred to all."""
ADAPTER_FILE = "pytorch_lora_weights.safetensors"
_CHECKPOINT = re.compile(r"(?i)[-_](?:step|epoch|e)?[-_]?\d{3,}\.safetensors$|checkpoint")
"""Weights that a trainer saved on its way, beside the final ones."""
INDEX = "model_index.json"

_COMMIT = re.compile(r"[0-9a-f]{40}")
_UNSAFE_PATH = re.compile(UNSAFE_PATH.replace(r"\z", r"\Z"))  # Java's end of text, in Python's spelling


@dataclass(frozen=True)
class RepoFile:
    """One listed file; `sha256` is known of large files only."""

    path: str
    size: int
    sha256: str | None = None


@dataclass(frozen=True)
class Repository:
    """One model repository at one commit, as the crawl recorded it."""

    model_id: str
    revision: str
    files: tuple[RepoFile, ...]
    index: str | None
    """model_index.json as received; None where there is none (adapters)."""


@dataclass(frozen=True)
class Selection:
    """The files to download, and the variant (such as fp16) under which the weights are named, if any."""

    files: tuple[RepoFile, ...]
    variant: str | None = None


def select(repository: Repository, max_bytes: int) -> Selection:
    """Return the files of a whole pipeline: the index, and each component's folder without pickles or duplicates.

    Single-file checkpoints at the root, half-precision copies, ONNX and the like are left out. Raises
    GenerationFailure: UNSAFE_NAME, UNSUPPORTED, REMOTE_CODE, PICKLE_ONLY, TOO_BIG.
    """
    check_names(repository)
    components = check_index(parse_index(repository.index))
    _refuse_code(repository.files)
    chosen = [file for file in repository.files if file.path == INDEX]
    variants: set[str] = set()
    for component in components:
        files, variant = _component(component, repository.files)
        chosen += files
        if variant is not None:
            variants.add(variant)
    if len(variants) > 1:
        raise GenerationFailure(Code.UNSUPPORTED, f"its components need different variants: {sorted(variants)}")
    _check_size(chosen, max_bytes)
    return Selection(tuple(chosen), next(iter(variants), None))


def select_adapter(repository: Repository, max_bytes: int) -> RepoFile:
    """Return an adapter's one weights file at the root. Raises as `select`."""
    check_names(repository)
    _refuse_code(repository.files)
    root = [file for file in repository.files if "/" not in file.path]
    weights = [file for file in root if file.path.endswith(".safetensors")]
    final = [file for file in weights if not _CHECKPOINT.search(file.path)]
    named = [file for file in weights if file.path == ADAPTER_FILE] or (final if len(final) == 1 else weights)
    if len(named) != 1:
        if not weights and any(PurePosixPath(file.path).suffix in PICKLES for file in root):
            raise GenerationFailure(Code.PICKLE_ONLY, "the adapter's weights exist only as pickles")
        raise GenerationFailure(Code.UNSUPPORTED, f"{len(named)} files could be the adapter's weights, not one")
    _check_size(named, max_bytes)
    return named[0]


def parse_index(text: str | None) -> dict[str, Any]:
    """Return the model_index.json. Raises GenerationFailure(UNSUPPORTED) when it is none."""
    try:
        index = json.loads(text or "")
    except (ValueError, RecursionError):
        index = None
    if not isinstance(index, dict):
        raise GenerationFailure(Code.UNSUPPORTED, "the repository has no readable model_index.json")
    return index


def check_index(index: dict[str, Any]) -> list[str]:
    """Return the names of the components to load, all from libraries that we have.

    Raises GenerationFailure: REMOTE_CODE for a class or library that would come from the repository, UNSUPPORTED
    for a pipeline class outside the table of families.
    """
    name = index.get("_class_name")
    if not isinstance(name, str):
        raise GenerationFailure(Code.REMOTE_CODE, f"the pipeline class is {name!r}, not a name of diffusers")
    if name not in SUPPORTED:
        raise GenerationFailure(Code.UNSUPPORTED, f"{name} {why(name)}")
    components = []
    for component, value in index.items():
        if component.startswith("_") or component in DROPPED or not isinstance(value, list):
            continue
        if value == [None, None] or not any(isinstance(item, str) for item in value):
            continue
        if len(value) != 2 or value[0] not in COMPONENT_LIBRARIES or not isinstance(value[1], str):
            raise GenerationFailure(Code.REMOTE_CODE, f"component {component} would come from {value!r}")
        components.append(component)
    return components


def check_names(repository: Repository) -> None:
    """Raise GenerationFailure(UNSAFE_NAME) unless id, revision and every file name are harmless and distinct."""
    if not is_safe_id(repository.model_id):
        raise GenerationFailure(Code.UNSAFE_NAME, f"repository id {repository.model_id!r}")
    if not _COMMIT.fullmatch(repository.revision):
        raise GenerationFailure(Code.UNSAFE_NAME, f"revision {repository.revision!r} is not a commit")
    seen: set[str] = set()
    for file in repository.files:
        if _UNSAFE_PATH.search(file.path) or file.path.casefold() in seen:
            raise GenerationFailure(Code.UNSAFE_NAME, f"file {file.path!r}")
        seen.add(file.path.casefold())


def _component(component: str, files: Iterable[RepoFile]) -> tuple[list[RepoFile], str | None]:
    """One component's files directly in its folder; of several copies of the weights one."""
    inside = [file for file in files if PurePosixPath(file.path).parent.as_posix() == component]
    weights = [file for file in inside if file.path.endswith(".safetensors")]
    if not weights and any(PurePosixPath(file.path).suffix in PICKLES for file in inside):
        raise GenerationFailure(Code.PICKLE_ONLY, f"the weights of {component} exist only as pickles")
    variant = next((v for v in (None, *VARIANTS) if any(_variant(file.path) == v for file in weights)), None)
    others = [file for file in inside if PurePosixPath(file.path).suffix in ALLOWED_SUFFIXES - {".safetensors"}]
    return [file for file in weights if _variant(file.path) == variant] + others, variant


def _variant(path: str) -> str | None:
    """Return the variant that a file name is marked with, e.g. fp16 in `model.fp16-00001-of-00002.safetensors`."""
    parts = re.split(r"[.-]", PurePosixPath(path).name)
    return next((variant for variant in VARIANTS if variant in parts), None)


def _refuse_code(files: Iterable[RepoFile]) -> None:
    code = [file.path for file in files if file.path.endswith((".py", ".pyc", ".so"))]
    if code:
        raise GenerationFailure(Code.REMOTE_CODE, f"the repository brings code: {code[0]}")


def _check_size(files: Sequence[RepoFile], max_bytes: int) -> None:
    if any(file.size < 0 for file in files):  # they would hide what the others weigh
        raise GenerationFailure(Code.UNSUPPORTED, "a file's listed size is negative")
    total = sum(file.size for file in files)
    if total > max_bytes:
        raise GenerationFailure(Code.TOO_BIG, f"{total} bytes to download, the limit is {max_bytes}")
