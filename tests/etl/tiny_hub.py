"""Repositories of a few bytes on disk for the demo Hub: their names and hashes count, not their weights."""

import json
from pathlib import Path
from typing import Any

INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.42.0",
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "safety_checker": [None, None],
    "requires_safety_checker": False,
}


def write_repository(
    root: Path,
    model_id: str,
    index: dict[str, Any] | None = INDEX,
    files: dict[str, str] | None = None,
    card: str = "license: mit\nlibrary_name: diffusers\npipeline_tag: text-to-image\n",
    **settings: Any,
) -> Path:
    """Write ROOT/<owner>/<name>/ and return it; `files` maps a path to its text, `settings` go to .hub.json."""
    folder = root / model_id
    if files is None:
        names = ("unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors")
        files = {name: f"{model_id} {name}" for name in names}
    for name, text in {"README.md": f"---\n{card}---\n", **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    if index is not None:
        (folder / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
    (folder / ".hub.json").write_text(json.dumps({"createdAt": "2024-01-01T00:00:00.000Z"} | settings), "utf-8")
    return folder
