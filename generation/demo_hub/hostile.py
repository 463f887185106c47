"""Damage done to a good repository's folder: what untrusted uploads look like, made harmless enough to test with.

The two that carry code only ever create an empty sentinel file; a test asserts that it does not exist.
"""

import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

REMOTE_CODE = """from pathlib import Path

from diffusers import DDPMPipeline

Path({sentinel!r}).touch()


class Evil(DDPMPipeline):
    pass
"""


def pickle_sentinel(folder: Path) -> Path:
    """The file that exists if a demo pickle was ever loaded."""
    return folder / "SENTINEL-pickle"


def remote_code_sentinel(folder: Path) -> Path:
    """The file that exists if a demo repository's Python was ever imported."""
    return folder / "SENTINEL-remote-code"


class _WriteWhenUnpickled:
    def __init__(self, sentinel: Path):
        self.sentinel = sentinel

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return open, (str(self.sentinel), "w")


def pickle_only(folder: Path, sentinels: Path) -> None:
    """Every safetensors file becomes a .bin whose unpickling creates the sentinel."""
    payload = pickle.dumps(_WriteWhenUnpickled(pickle_sentinel(sentinels)), protocol=2)
    for weights in folder.rglob("*.safetensors"):
        name = "pytorch_model.bin" if weights.name == "model.safetensors" else f"{weights.stem}.bin"
        weights.with_name(name).write_bytes(payload)
        weights.unlink()


def remote_code(folder: Path, sentinels: Path) -> None:
    """The index names a class of the repository's own pipeline.py, which creates the sentinel when imported."""
    _edit_index(folder, ["pipeline", "Evil"])
    code = REMOTE_CODE.format(sentinel=str(remote_code_sentinel(sentinels)))
    (folder / "pipeline.py").write_text(code, encoding="utf-8")


def truncated(folder: Path, _: Path) -> None:
    """The UNet's weights end half way, as after a broken upload; size and hash listed are the short ones."""
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])


def nan_weights(folder: Path, _: Path) -> None:
    """The autoencoder's last layer is NaN: everything loads and runs, and every image is black."""
    from safetensors.torch import load_file, save_file

    weights = folder / "vae" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    tensors["decoder.conv_out.weight"].fill_(float("nan"))
    save_file(tensors, weights, metadata={"format": "pt"})


def gguf(folder: Path, _: Path) -> None:
    """A quantised single file for another program, and no diffusers layout (GGUF v3 header, no tensors)."""
    (folder / "model-Q4_0.gguf").write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 0))


def inpaint(folder: Path, _: Path) -> None:
    """A pipeline that needs an image and a mask, under the text-to-image tag."""
    _edit_index(folder, "StableDiffusionInpaintPipeline")


def _edit_index(folder: Path, class_name: str | list[str]) -> None:
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    index["_class_name"] = class_name
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


DAMAGES: dict[str, Callable[[Path, Path], None]] = {
    "pickle": pickle_only,
    "remote_code": remote_code,
    "truncated": truncated,
    "nan": nan_weights,
    "gguf": gguf,
    "inpaint": inpaint,
}
"""Each takes the repository's folder and the one for sentinels; other damages lie in card and settings."""
