"""What uploads may hold that harms: each takes a good repository's folder and one for sentinels, and spoils it.

Code only ever creates an empty file among the sentinels, whose names a test looks for.
"""

import json
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderTiny
from safetensors.torch import load_file, save_file

UNET, VAE = "unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors"
SHARDS = "unet/diffusion_pytorch_model.safetensors.index.json"
Damage = Callable[[Path, Path], None]


class _Touch:
    """Creates a file when it is unpickled."""

    def __init__(self, file: Path):
        self.file = file

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return open, (str(self.file), "w")


def change(file: Path, **values: object) -> None:
    """Put values into a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def edit(path: str, **values: object) -> Damage:
    """Return the damage of putting values into a repository's JSON file."""
    return lambda folder, _: change(folder / path, **values)


def write(path: str, content: bytes) -> Damage:
    """Return the damage of a file's whole content."""
    return lambda folder, _: _write(folder / path, content)


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def weights(path: str, spoil: Callable[[torch.Tensor], torch.Tensor]) -> Damage:
    """Return the damage of changing every tensor of a file."""

    def damage(folder: Path, _: Path) -> None:
        changed = {name: spoil(tensor) for name, tensor in load_file(folder / path).items()}
        save_file(changed, folder / path, metadata={"format": "pt"})

    return damage


def header(length: int, tensors: dict[str, Any]) -> bytes:
    """Return a safetensors file that is a header alone, whose length may be a lie."""
    said = json.dumps(tensors).encode()
    return struct.pack("<Q", length or len(said)) + said


TERABYTES = header(0, {"w": {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 4 * 10**12]}})
WITHOUT_END = header(2**40, {})


def cut(folder: Path, _: Path) -> None:
    """Half of the weights, as after a broken upload."""
    content = (folder / UNET).read_bytes()
    (folder / UNET).write_bytes(content[: len(content) // 2])


def pickle_beside(folder: Path, sentinels: Path) -> None:
    """Pickles that create the sentinel, under every usual name, beside weights that are good."""
    for component in ("unet", "vae", "text_encoder"):
        for name in ("diffusion_pytorch_model.bin", "pytorch_model.bin", "model.ckpt", "random_states_0.pkl"):
            (folder / component / name).write_bytes(pickle.dumps(_Touch(sentinels / "pickle-beside"), protocol=2))


def pickle_named_json(folder: Path, sentinels: Path) -> None:
    """An index of shards that names a file of a harmless suffix, which holds a pickle."""
    names = list(load_file(folder / UNET))
    (folder / UNET).unlink()
    _index_of_shards(folder, {name: "weights.json" for name in names})
    content = pickle.dumps(_Touch(sentinels / "pickle-named-json"), protocol=2)
    (folder / "unet" / "weights.json").write_bytes(content)


def shards_elsewhere(folder: Path, _: Path) -> None:
    """An index of shards that names a file outside of the repository."""
    names = list(load_file(folder / UNET))
    (folder / UNET).unlink()
    _index_of_shards(folder, {name: "../../../../../../../../etc/passwd" for name in names})


def truncated_shard(folder: Path, _: Path) -> None:
    """Two shards, the second of which is cut."""
    tensors = load_file(folder / UNET)
    (folder / UNET).unlink()
    names, shards = list(tensors), [f"diffusion_pytorch_model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    halves = [names[: len(names) // 2], names[len(names) // 2 :]]
    for shard, half in zip(shards, halves, strict=True):
        save_file({name: tensors[name] for name in half}, folder / "unet" / shard, metadata={"format": "pt"})
    _index_of_shards(folder, {n: shard for shard, half in zip(shards, halves, strict=True) for n in half})
    content = (folder / "unet" / shards[1]).read_bytes()
    (folder / "unet" / shards[1]).write_bytes(content[:-1000])


def _index_of_shards(folder: Path, files: dict[str, str]) -> None:
    (folder / SHARDS).write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": files}))


def half_of_the_tensors(folder: Path, _: Path) -> None:
    """A whole and honest file in which every second tensor is missing."""
    tensors = load_file(folder / UNET)
    kept = {name: tensors[name] for name in list(tensors)[::2]}
    save_file(kept, folder / UNET, metadata={"format": "pt"})


def no_tensors(folder: Path, _: Path) -> None:
    """A whole and honest file without a tensor."""
    save_file({}, folder / UNET, metadata={"format": "pt"})


def smaller_decoder(folder: Path, _: Path) -> None:
    """A decoder that does not enlarge, so that images come in the size of the latents."""
    shutil.rmtree(folder / "vae")
    tiny = AutoencoderTiny(
        encoder_block_out_channels=(8, 8, 8, 8), decoder_block_out_channels=(8, 8, 8, 8),
        num_encoder_blocks=(1, 1, 1, 1), num_decoder_blocks=(1, 1, 1, 1), upsampling_scaling_factor=1,
    )  # fmt: skip
    tiny.save_pretrained(folder / "vae")
    change(folder / "model_index.json", vae=["diffusers", "AutoencoderTiny"])


def chatter(folder: Path, _: Path) -> None:
    """Thirty thousand settings that the library warns of by name, with what moves a terminal's cursor."""
    change(folder / "unet" / "config.json", **{f"\x1b[31m\x1b[2J{n:06}\r\n": "\x07" * 50 for n in range(30_000)})


def nested_pipeline(folder: Path, _: Path) -> None:
    """A component that is a pipeline with an index of its own, which names a library of the repository's."""
    shutil.rmtree(folder / "unet")
    inner = {"_class_name": "DDPMPipeline", "unet": ["evil", "Evil"], "scheduler": ["os", "system"]}
    _write(folder / "unet" / "model_index.json", json.dumps(inner).encode())
    change(folder / "model_index.json", unet=["diffusers", "DDPMPipeline"])


def hidden_auto_map(folder: Path, _: Path) -> None:
    """Classes of its own, named in a configuration of the size of a vocabulary."""
    named = {"AutoTokenizer": ["evil.Evil", "evil.Evil"]}
    change(folder / "tokenizer" / "tokenizer_config.json", auto_map=named, padding="x" * (2 << 20))


def endless_template(folder: Path, _: Path) -> None:
    """A chat template that renders for years within the limits of its sandbox."""
    loops = "{% for a in range(99999) %}" * 3 + "{% endfor %}" * 3
    (folder / "tokenizer" / "chat_template.jinja").write_text(loops)


def template_that_breaks_out(folder: Path, sentinels: Path) -> None:
    """A chat template that looks for Python's `open` by the ways that are known."""
    reach = "{{ cycler.__init__.__globals__.__builtins__.open('%s', 'w') }}" % (sentinels / "jinja")
    (folder / "tokenizer" / "chat_template.jinja").write_text(reach)


def code_beside(folder: Path, sentinels: Path) -> None:
    """Python in a component's folder, and an index that takes the component from it."""
    code = f"open({str(sentinels / 'code-beside')!r}, 'w')\n\n\nclass Model:\n    pass\n"
    (folder / "unet" / "my_model.py").write_text(code)
    change(folder / "model_index.json", unet=["my_model", "Model"])


def alien_lora(folder: Path, _: Path) -> None:
    """Weights that are no adapter of anything."""
    save_file({"emb_params": torch.zeros(4, 8)}, folder / "pytorch_lora_weights.safetensors")


def pickled_lora(folder: Path, sentinels: Path) -> None:
    """An adapter that exists only as a pickle."""
    (folder / "pytorch_lora_weights.safetensors").unlink()
    content = pickle.dumps(_Touch(sentinels / "pickled-lora"), protocol=2)
    (folder / "pytorch_lora_weights.bin").write_bytes(content)
