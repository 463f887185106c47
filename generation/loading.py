"""Loading a downloaded model safely: vetted again on disk, safetensors only, nothing remote."""

import importlib
import json
from pathlib import Path
from typing import Any

import diffusers
import torch
from safetensors import SafetensorError

import generation.toy_world.pipelines  # noqa: F401  (makes its classes known to diffusers)
from generation.failures import Code, GenerationFailure, device_failed, out_of_memory
from generation.repository import DROPPED, INDEX, check_index, parse_index

LARGEST_CONFIGURATION = 1 << 20
"""Bytes; larger JSON files are vocabularies."""
_MOVED = ("unclip", "wuerstchen")
"""Modules that released indexes name by where they stood before diffusers moved them under `deprecated`."""
for _name in _MOVED:
    setattr(diffusers.pipelines, _name, importlib.import_module(f"diffusers.pipelines.deprecated.{_name}"))


def load(folder: Path, adapter: Path | None, variant: str | None, device: str, dtype: str) -> Any:
    """Return the pipeline in `folder` on `device`, with the adapter's weights where there is one.

    The components in DROPPED are left out where the class has a slot for them.
    Raises GenerationFailure: REMOTE_CODE, UNSUPPORTED, BAD_WEIGHTS, OOM.
    """
    index = parse_index(_read(folder / INDEX))
    check_index(index)
    if code := next((path for path in folder.rglob("*") if path.suffix in (".py", ".so")), None):
        raise GenerationFailure(Code.REMOTE_CODE, f"the download holds code: {code.name}")
    if mapped := next(filter(_maps_to_code, folder.rglob("*.json")), None):
        raise GenerationFailure(
            Code.REMOTE_CODE, f"{mapped.relative_to(folder)} names classes of its own (auto_map)"
        )
    options: dict[str, Any] = {name: None for name in DROPPED if name in index}
    if "requires_safety_checker" in index:
        options["requires_safety_checker"] = False
    try:
        pipeline = diffusers.DiffusionPipeline.from_pretrained(
            folder,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            variant=variant,
            dtype=getattr(torch, dtype),
            **options,
        )
        if adapter is not None:
            _lay_over(pipeline, adapter)
        pipeline.to(device)  # where tensors that were missing show themselves
    # What safetensors, transformers and diffusers raise for files that are cut, lie about their tensors, are
    # missing, or hold other shapes than the configuration says; and for too little memory.
    except (SafetensorError, OSError, ValueError, RuntimeError, MemoryError) as error:
        if out_of_memory(error):
            raise GenerationFailure(Code.OOM, f"while loading: {error}") from error
        if device_failed(error):
            raise
        said = str(error).replace(f"{folder}/", "")
        raise GenerationFailure(Code.BAD_WEIGHTS, f"{type(error).__name__}: {said}") from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _lay_over(pipeline: Any, adapter: Path) -> None:
    """Load an adapter's weights into the pipeline. Raises GenerationFailure: UNSUPPORTED, BAD_WEIGHTS."""
    if not hasattr(pipeline, "load_lora_weights"):
        raise GenerationFailure(Code.UNSUPPORTED, f"{type(pipeline).__name__} takes no adapter")
    try:
        pipeline.load_lora_weights(adapter.parent, weight_name=adapter.name, use_safetensors=True)
    # What diffusers and peft raise for weights that are no LoRA, or one with names that they cannot convert.
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise GenerationFailure(Code.BAD_WEIGHTS, f"adapter: {type(error).__name__}: {error}") from error
    # Weights of another architecture are only warned of, and the images would be the base's.
    if not pipeline.get_active_adapters():
        raise GenerationFailure(Code.BAD_WEIGHTS, f"the adapter holds nothing for {type(pipeline).__name__}")


def _maps_to_code(path: Path) -> bool:
    """Whether a configuration names classes in the repository's own code, as transformers lets it."""
    if path.stat().st_size > LARGEST_CONFIGURATION:  # a vocabulary
        return False
    try:
        said = json.loads(path.read_bytes())
    except (ValueError, RecursionError):  # whoever reads it as a configuration fails alike
        return False
    return isinstance(said, dict) and "auto_map" in said


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None
