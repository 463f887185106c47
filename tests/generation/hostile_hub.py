"""A demo Hub of repositories that harm, one a case, between good ones; and a lake that takes all of them for good.

`CASES` is the table: what is spoilt in the repository, what its listing lies about, what becomes of it between
the catalogue and the download, what the Hub does while it is downloaded; and how its generator must end.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import HfApi

from etl.demo.hub import DemoHub, Fault
from etl.lake import snapshot
from etl.lake.schemas import GENERATORS, IMAGES, MODELS
from generation.demo_hub.hostile import nan_weights, pickle_only, remote_code
from tests.generation import hostile_files as files
from tests.generation.hostile_files import UNET, VAE, Damage, edit, weights, write

SD, DDPM, Z_IMAGE = "demo-lab/tiny-sd-v1", "demo-lab/tiny-ddpm", "demo-lab/tiny-z-image"
LORA, LORA_FILE = "demo-community/ink-lora-sd-v1", "pytorch_lora_weights.safetensors"
LARGEST, BASE, SMALLEST = "good/largest", "good/base", "good/smallest"
GOOD = {LARGEST: SD, BASE: SD, "good/lora": LORA, SMALLEST: DDPM}
"""The largest is begun before all that harm, the smallest after nearly all of them."""
NOT_ELIGIBLE = "hostile/not-eligible"

DEADLINE_SECONDS = 7.0
"""For each download and each model; after the third try the next one would come too late."""
INDEX, SCHEDULER = "model_index.json", "scheduler/scheduler_config.json"
Siblings = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """One repository, named after its key in CASES."""

    codes: set[str]
    damage: Damage | None = None
    original: str = SD
    listing: Callable[[Siblings], Any] | None = None
    """Changes the files' entries in the listing, by path."""
    later: dict[str, Any] | None = None
    """Settings of the Hub's that hold once it has been catalogued; empty: it is deleted."""
    fault: dict[str, Any] | None = None
    """What the Hub does whenever one of its files is asked for."""
    base: str | None = None
    """The model that an adapter names."""


def listed_as(path: str) -> Callable[[Siblings], Any]:
    """Return the lie of one more file, of a name of the uploader's choice."""
    return lambda siblings: siblings.update({path: {"rfilename": path, "size": 10}})


def sized(path: str, size: int) -> Callable[[Siblings], Any]:
    """Return the lie about a file's size."""
    return lambda siblings: siblings[path].update(size=size)


REMOTE, BAD, OK = {"REMOTE_CODE"}, {"BAD_WEIGHTS"}, {"OK"}
UNFIT = {"BAD_WEIGHTS", "FAILED"}
"""Which of both depends on the library in whose words it is refused."""
EVIL = {"AutoModel": "evil.Evil", "AutoTokenizer": ["evil.Evil", None]}

CASES: dict[str, Case] = {
    # Code
    "pickle-only": Case({"PICKLE_ONLY"}, pickle_only),
    "pickle-beside": Case(OK, files.pickle_beside),
    "pickle-named-json": Case(BAD, files.pickle_named_json),
    "remote-code": Case(REMOTE, remote_code, DDPM),
    "code-beside": Case(REMOTE, files.code_beside),
    "library-of-its-own": Case(REMOTE, edit(INDEX, unet=["evil", "Model"])),
    "library-above": Case(REMOTE, edit(INDEX, unet=["..", "os"])),
    "class-with-dots": Case(UNFIT, edit(INDEX, unet=["diffusers", "utils.os"])),
    "function-for-class": Case(UNFIT, edit(INDEX, text_encoder=["transformers", "pipeline"])),
    "component-above": Case(OK, edit(INDEX, **{"../../evil": ["diffusers", "UNet2DModel"]})),
    "pipeline-in-pipeline": Case(UNFIT, files.nested_pipeline),
    "auto-map-of-config": Case(REMOTE, edit("text_encoder/config.json", auto_map=EVIL)),
    "auto-map-of-tokenizer": Case(REMOTE, edit("tokenizer/tokenizer_config.json", auto_map=EVIL)),
    "auto-map-hidden": Case(OK, files.hidden_auto_map),
    "template-breaks-out": Case({"FAILED"}, files.template_that_breaks_out, Z_IMAGE),
    "template-without-end": Case({"TIMEOUT"}, files.endless_template, Z_IMAGE),
    # Weights
    "header-of-terabytes": Case(BAD, write(UNET, files.TERABYTES)),
    "header-without-end": Case(BAD, write(UNET, files.WITHOUT_END)),
    "empty-weights": Case(BAD, write(UNET, b"")),
    "link-for-weights": Case(BAD, write(UNET, b"../../../../../../etc/passwd")),
    "cut": Case(BAD, files.cut),
    "cut-shard": Case(BAD, files.truncated_shard),
    "shards-elsewhere": Case(UNFIT, files.shards_elsewhere),
    "no-tensors": Case(UNFIT, files.no_tensors),
    "half-of-the-tensors": Case(UNFIT, files.half_of_the_tensors),
    "other-shape": Case(UNFIT, weights(UNET, lambda tensor: torch.cat([tensor, tensor]))),
    "other-dtype": Case(OK, weights(UNET, lambda tensor: tensor.double())),
    "integers": Case({"NAN_IMAGE"}, weights(UNET, lambda tensor: (tensor * 100).to(torch.int8))),
    "nan": Case({"NAN_IMAGE"}, nan_weights),
    "black": Case({"FLAT_IMAGE"}, weights(VAE, torch.zeros_like)),
    "small-images": Case({"WRONG_SIZE"}, files.smaller_decoder),
    # Configuration
    "steps-beyond-memory": Case({"OOM"}, edit(SCHEDULER, num_train_timesteps=4 * 10**9)),
    "no-steps": Case(UNFIT, edit(SCHEDULER, num_train_timesteps=0)),
    "wide-layers": Case(BAD | {"OOM"}, edit("unet/config.json", block_out_channels=[1 << 16, 1 << 16])),
    "vocabulary-of-billions": Case(BAD | {"OOM"}, edit("text_encoder/config.json", vocab_size=10**10)),
    "layers-without-end": Case({"TIMEOUT", "OOM"}, edit("text_encoder/config.json", num_hidden_layers=10**8)),
    "nested-index": Case({"UNSUPPORTED"}, write(INDEX, b"[" * 200_000)),
    "index-without-end": Case({"UNSUPPORTED"}, write(INDEX, b'{"_class_name": "StableDiffusionPipeline"')),
    "nested-config": Case(UNFIT, write(SCHEDULER, b'{"a":' * 100_000)),
    "long-number": Case(UNFIT, write(SCHEDULER, b'{"num_train_timesteps": ' + b"9" * 10**6 + b"}")),
    "wide-config": Case(OK, edit(SCHEDULER, bomb=[[[]] * 1000] * 300)),
    "chatter": Case(OK, files.chatter),
    # Names and sizes in the listing
    "name-above": Case({"UNSAFE_NAME"}, listing=listed_as("unet/../../../.bashrc")),
    "name-absolute": Case({"UNSAFE_NAME"}, listing=listed_as("/etc/cron.d/evil.json")),
    "name-of-windows": Case({"UNSAFE_NAME"}, listing=listed_as("unet\\..\\con.json")),
    "name-with-newline": Case({"UNSAFE_NAME"}, listing=listed_as("unet/a\nb.json")),
    "name-reversed": Case({"UNSAFE_NAME"}, listing=listed_as("unet/\u202enosj.exe")),
    "name-twice": Case({"UNSAFE_NAME"}, listing=listed_as("unet/CONFIG.json")),
    "name-too-long": Case({"UNSAFE_NAME"}, listing=listed_as("unet/" + "x" * 300 + ".json")),
    "folders-without-end": Case(OK, listing=listed_as("unet/" + "x/" * 3000 + "a.json")),
    "exabyte": Case({"TOO_BIG"}, listing=sized(UNET, 10**18)),
    "negative-size": Case({"UNSUPPORTED"}, listing=sized(UNET, -(10**12))),
    "longer-than-listed": Case({"BAD_DOWNLOAD"}, listing=sized(UNET, 1000)),
    "other-sha": Case({"BAD_DOWNLOAD"}, listing=lambda siblings: siblings[UNET]["lfs"].update(sha256="0" * 64)),
    # Since the catalogue
    "gated-since": Case({"GATED"}, later={"gated": "manual"}),
    "disabled-since": Case({"DISABLED"}, later={"disabled": True}),
    "private-since": Case({"GONE"}, later={"private": True}),
    "deleted-since": Case({"GONE"}, later={}),
    # While it is downloaded
    "corrupted-weights": Case({"BAD_DOWNLOAD"}, fault={"path": UNET, "kind": "corrupt"}),
    "corrupted-index": Case({"BAD_DOWNLOAD"}, fault={"path": INDEX, "kind": "corrupt"}),
    "page-for-weights": Case({"BAD_DOWNLOAD"}, fault={"path": UNET, "kind": "html"}),
    "cut-connection": Case(
        {"HUB_ERROR", "BAD_DOWNLOAD"}, fault={"path": UNET, "kind": "drop", "after_bytes": 9999}
    ),
    "server-error": Case({"HUB_ERROR"}, fault={"path": UNET, "kind": "status", "status": 503}),
    "long-wait": Case({"HUB_ERROR"}, fault={"path": UNET, "kind": "status", "status": 429, "retry_after": 86400}),
    "slow-server": Case({"HUB_ERROR"}, fault={"path": UNET, "kind": "delay", "seconds": DEADLINE_SECONDS + 1}),
    # Adapters
    "lora-of-nothing": Case(BAD, files.alien_lora, LORA, base=BASE),
    "lora-cut": Case(BAD, write(LORA_FILE, files.TERABYTES), LORA, base=BASE),
    "lora-pickled": Case({"PICKLE_ONLY"}, files.pickled_lora, LORA, base=BASE),
    "lora-of-a-refused": Case({"BASE_MISSING"}, None, LORA, base=NOT_ELIGIBLE),
    "lora-of-a-hostile": Case(REMOTE, None, LORA, base="hostile/library-above"),
}
"""By name. OK: what harms is not taken, and the model gives its images."""


def build(root: Path, originals: Path, sentinels: Path) -> None:
    """Write the repositories below `root` from good ones below `originals`."""
    for name, original in GOOD.items():
        shutil.copytree(originals / original, root / name)
    (root / LARGEST / "ballast.txt").write_bytes(bytes(16 << 20))
    shutil.copytree(originals / SD, root / NOT_ELIGIBLE)
    for name, case in CASES.items():
        folder = root / "hostile" / name
        shutil.copytree(originals / case.original, folder)
        if case.damage:
            case.damage(folder, sentinels)
        if case.listing:
            siblings = _siblings(folder)
            case.listing(siblings)
            _settings(folder, verbatim={"siblings": list(siblings.values())})


def fill(root: str, hub: DemoHub) -> None:
    """Make a lake that knows all of the Hub's models as its listing tells them, all but one of them eligible."""
    client = HfApi(endpoint=hub.endpoint, token=False)
    models, generators = [], []
    bases = {f"hostile/{name}": case.base for name, case in CASES.items()} | {"good/lora": BASE}
    for model_id in hub.store.ids():
        found = client.model_info(model_id, files_metadata=True)
        listed = [(s.rfilename, s.size, s.lfs.sha256 if s.lfs else None) for s in found.siblings or []]
        file, base = hub.store.root / model_id / INDEX, bases.get(model_id)
        about = {"model_id": model_id, "revision": found.sha, "pipeline_class": _class_of(file), "licence": "mit"}
        own = {
            "files": [dict(zip(("path", "size", "sha256"), said, strict=True)) for said in listed],
            "model_index": file.read_text() if file.exists() else None,
            "base_models": [{"model_id": base, "relation": "adapter"}] if base else [],
        }
        models.append({**about, **own, "nsfw": False, "is_current": True})
        eligible = model_id != NOT_ELIGIBLE
        generators.append({**about, "generator_id": model_id, "kind": "hub", "nsfw": False, "eligible": eligible})
    photos = [{"image_id": str(n), "label": 0, "prompt": f"{n} red apples on a table"} for n in range(4)]
    for table, rows in ((MODELS, models), (GENERATORS, generators), (IMAGES, photos)):
        snapshot.append(root, table, rows)


def turn(hub: DemoHub) -> None:
    """Let happen what happens after the catalogue."""
    for name, case in CASES.items():
        folder = hub.store.root / "hostile" / name
        if case.later == {}:
            shutil.rmtree(folder)
        elif case.later:
            _settings(folder, **case.later)
        if case.fault:
            asked = rf"^/hostile/{name}/resolve/.*{case.fault['path']}$"
            hub.faults.add(Fault(**{**case.fault, "path": asked, "times": None}))


def _siblings(folder: Path) -> Siblings:
    """The entries of a listing as the Hub would make them."""
    found: Siblings = {}
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and path.name[0] != "."):
        name, size = file.relative_to(folder).as_posix(), file.stat().st_size
        found[name] = {"rfilename": name, "size": size}
        if file.suffix == ".safetensors":
            sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
            found[name]["lfs"] = {"sha256": sha256, "size": size, "pointerSize": 130}
    return found


def _settings(folder: Path, **values: Any) -> None:
    files.change(folder / ".hub.json", **values)


def _class_of(index: Path) -> str | None:
    """The pipeline class that the index names, where it names one."""
    try:
        name = json.loads(index.read_text())["_class_name"]
    except (OSError, ValueError, RecursionError):
        return None
    return name if isinstance(name, str) else None
