"""Weights of detectors from elsewhere: a safetensors file, a folder with one, or a repository of the Hub.

No pickle is read. The paper's released detectors are of PyTorchModelHubMixin's layout: `model.safetensors`, whose
tensors stand under the prefix `vit.`, beside a config.json.
"""

import os
import re
from pathlib import Path

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError
from safetensors.torch import load_file

from etl.errors import ConfigError, HubUnreachable
from training.errors import WeightsMismatch

FILE = "model.safetensors"
_OF_THE_HUB = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?", re.ASCII)
_RELEASED_PREFIX = "vit."
_HEADS = ("head.", "fc.", "classifier.")


def located(source: str) -> Path:
    """Return the file of weights that `source` names: a .safetensors file, a folder with a model.safetensors, or
    `owner/name[@revision]` on the Hub, from where that one file is downloaded (HF_ENDPOINT names another Hub).

    Raises ConfigError where there is no such thing, HubUnreachable where the Hub does not answer.
    """
    path = Path(source)
    if path.is_dir():
        path = path / FILE
        if not path.is_file():
            raise ConfigError(f"--weights: {source} holds no {FILE}; pickled weights such as .bin are not read")
    if path.is_file():
        if path.suffix != ".safetensors":
            raise ConfigError(f"--weights: {path} is no .safetensors file, and nothing else is read")
        return path
    if not is_of_the_hub(source):
        raise ConfigError(
            f"--weights: there is no file {path}; name a .safetensors file, a folder with {FILE}, or a model of "
            "the Hub as owner/name[@revision]"
        )
    return fetched(source, FILE)


def is_of_the_hub(source: str) -> bool:
    """Whether `source` has the form owner/name[@revision]."""
    return _OF_THE_HUB.fullmatch(source) is not None and not source.endswith(".safetensors")


def fetched(source: str, file: str) -> Path:
    """Return a file of a model of the Hub, owner/name[@revision]. Raises ConfigError, HubUnreachable."""
    named = _OF_THE_HUB.fullmatch(source)
    assert named is not None
    try:
        endpoint, token = os.environ.get("HF_ENDPOINT"), os.environ.get("HF_TOKEN")
        return Path(
            hf_hub_download(named["repo"], file, revision=named["revision"], endpoint=endpoint, token=token)
        )
    except (LocalEntryNotFoundError, OSError) as error:
        raise _unreachable(source, file, error) from None
    except HFValidationError as error:
        raise ConfigError(f"{source}: {_one_line(error)}") from None


def _unreachable(source: str, file: str, error: Exception) -> Exception:
    """Return what an error of a download means: no such file there, or no answer."""
    answered = isinstance(error, HfHubHTTPError) and error.response is not None
    if answered:
        return ConfigError(f"{source}: no such folder, and the Hub gives no {file}: {_one_line(error)}")
    return HubUnreachable(
        f"{file} of {source} could not be fetched, and there is no such folder: {_one_line(error)}"
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def load(model: torch.nn.Module, source: str, backbone: str = "", whole: bool = False) -> None:
    """Load weights into `model`; the head may be missing or of other classes, as in a pretrained backbone, unless
    they are to be `whole`: a detector that is used as it is.

    `backbone` is the prefix in `model` of a backbone that stands in a module of its own: weights without it are
    taken for the backbone's. Raises WeightsMismatch naming what does not fit, and as `located`.
    """
    path = located(source)
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsMismatch(f"the weights file {path} cannot be read: {_one_line(error)}") from None
    own = model.state_dict()
    tensors = {key.removeprefix(_RELEASED_PREFIX): tensor for key, tensor in tensors.items()}
    free = {key for key in (*own, *tensors) if key.startswith(_HEADS)}
    if backbone and not any(key.startswith(backbone) for key in tensors):
        tensors = {backbone + key: tensor for key, tensor in tensors.items() if not key.startswith(_HEADS)}
        free = {key for key in own if not key.startswith(backbone)}
    if whole:
        free = set()
    fitting = {key: tensor for key, tensor in tensors.items() if key in own and tensor.shape == own[key].shape}
    unfit = (set(tensors) | set(own)) - set(fitting) - free
    if unfit:
        raise WeightsMismatch(
            f"the weights file {path} does not fit the detector at {', '.join(sorted(unfit)[:5])}"
        )
    model.load_state_dict({**own, **fitting})
