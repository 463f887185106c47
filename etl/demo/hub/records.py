"""What the Hub says about a repository: pure functions from a Repository to the JSON of the API.

Field and tag names follow `ModelInfo` of huggingface_hub and the API types of @huggingface/hub.
"""

import hashlib
import json
from functools import lru_cache
from typing import Any

import yaml

from etl.demo.hub.repository import RepoFile, Repository, Snapshot

CONTROL_KEYS = frozenset({"moved_to", "listed", "tags", "verbatim"})
"""Keys of `.hub.json` that steer the server; every other key replaces the record's field of that name.

`tags` are added to those that follow from the files; what `verbatim` holds replaces any field, whatever its type.
"""

FIRST_DATE = "2022-03-02T23:29:04.000Z"
"""The earliest createdAt on the real Hub."""

BRIEF = [
    *("_id", "id", "modelId", "likes", "trendingScore", "private", "downloads", "tags"),
    *("pipeline_tag", "library_name", "createdAt"),
]
FULL = ("author", "gated", "disabled", "lastModified", "sha", "siblings")
ONE_MODEL_ONLY = frozenset({"usedStorage"})


def card_data(snapshot: Snapshot) -> dict[str, Any] | None:
    """The README's YAML front matter; None where there is none or it is not a mapping."""
    parts = snapshot.text("README.md").split("---\n", 2)
    return _mapping(parts[1]) if len(parts) == 3 and not parts[0] else None


@lru_cache(maxsize=10_000)
def _mapping(text: str) -> dict[str, Any] | None:
    """A YAML text's mapping, None where it is none; kept, since a listing reads every card for every page."""
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError:
        return None
    return data if isinstance(data, dict) else None


def pipeline_class(snapshot: Snapshot) -> Any:
    """`_class_name` of model_index.json as it stands: a string, or a list for remote code; None without."""
    try:
        index = json.loads(snapshot.text("model_index.json") or "{}")
    except (ValueError, RecursionError):
        return None
    return index.get("_class_name") if isinstance(index, dict) else None


def tags_of(snapshot: Snapshot, card: dict[str, Any]) -> list[str]:
    """The tags that the Hub derives from the files and the card, in its order, each once."""
    name = pipeline_class(snapshot)
    tags = [str(card[key]) for key in ("library_name",) if card.get(key)]
    tags += ["diffusers"] if name else []
    tags += ["safetensors"] if any(path.endswith(".safetensors") for path in snapshot.files) else []
    tags += [str(tag) for tag in _as_list(card.get("tags"))]
    tags += [str(card["pipeline_tag"])] if card.get("pipeline_tag") else []
    relation = card.get("base_model_relation", "finetune")
    for base in _as_list(card.get("base_model")):
        tags += [f"base_model:{base}", f"base_model:{relation}:{base}"]
    tags += [f"license:{licence}" for licence in _as_list(card.get("license"))]
    tags += [f"diffusers:{name}"] if isinstance(name, str) else []
    return list(dict.fromkeys([*tags, "region:us"]))


def record(repository: Repository, snapshot: Snapshot, blobs: bool = False) -> dict[str, Any]:
    """Everything known of one repository at one revision; `blobs` adds size and hashes to the siblings."""
    card = card_data(snapshot)
    fields: dict[str, Any] = {
        "_id": hashlib.sha1(repository.id.encode()).hexdigest()[:24],
        "id": repository.id,
        "modelId": repository.id,
        "author": repository.id.split("/")[0],
        "sha": snapshot.sha,
        "createdAt": FIRST_DATE,
        "lastModified": repository.settings.get("createdAt", FIRST_DATE),
        "private": False,
        "gated": False,
        "disabled": False,
        "downloads": 0,
        "downloadsAllTime": repository.settings.get("downloads", 0),
        "likes": 0,
        "trendingScore": 0,
        "tags": [*tags_of(snapshot, card or {}), *repository.settings.get("tags", [])],
        "library_name": (card or {}).get("library_name") or ("diffusers" if pipeline_class(snapshot) else None),
        "pipeline_tag": (card or {}).get("pipeline_tag"),
        "cardData": card,
        "config": {"diffusers": {"_class_name": pipeline_class(snapshot)}} if pipeline_class(snapshot) else {},
        "siblings": [_sibling(file, blobs) for file in snapshot.files.values()],
        "spaces": [],
        "usedStorage": sum(file.size for file in snapshot.files.values()),
    }
    replaced = {k: v for k, v in repository.settings.items() if k not in CONTROL_KEYS}
    return fields | replaced | repository.settings.get("verbatim", {})


def choose_fields(fields: dict[str, Any], query: dict[str, list[str]]) -> dict[str, Any]:
    """The fields of a record that a listing sends: those `expand` names, or a few, more with full."""
    if expand := query.get("expand", []) + query.get("expand[]", []):
        wanted = ["_id", "id", *(name for name in expand if name not in ONE_MODEL_ONLY)]
    else:
        wanted = [*BRIEF, *(FULL if _flag(query, "full") else ())]
        wanted += [name for name in ("cardData", "config") if _flag(query, name)]
    return {name: fields[name] for name in wanted if name in fields}


def tree(snapshot: Snapshot, below: str, recursive: bool, expand: bool, date: str) -> list[dict[str, Any]]:
    """Files and folders below a path ("" is the root), folders first; empty if there are none."""
    prefix = f"{below}/" if below else ""
    files = {path: file for path, file in snapshot.files.items() if path.startswith(prefix)}
    inside = [path[len(prefix) :].split("/")[:-1] for path in files]
    folders = {prefix + "/".join(parts[:depth]) for parts in inside for depth in range(1, len(parts) + 1)}
    if not recursive:
        folders = {path for path in folders if "/" not in path[len(prefix) :]}
    commit = {"id": snapshot.sha, "title": "Upload", "date": date}
    extra = {"lastCommit": commit, "securityFileStatus": None} if expand else {}
    found: list[dict[str, Any]] = [
        {"type": "directory", "oid": hashlib.sha1(path.encode()).hexdigest(), "size": 0, "path": path}
        | ({"lastCommit": commit} if expand else {})
        for path in sorted(folders)
    ]
    for path, file in files.items():
        if recursive or "/" not in path[len(prefix) :]:
            entry = {"type": "file", "oid": file.oid, "size": file.size, "path": path} | extra
            found.append(entry | ({"lfs": _lfs(file, "oid")} if file.sha256 else {}))
    return found


def _sibling(file: RepoFile, blobs: bool) -> dict[str, Any]:
    if not blobs:
        return {"rfilename": file.path}
    entry = {"rfilename": file.path, "size": file.size, "blobId": file.oid}
    return entry | ({"lfs": _lfs(file, "sha256")} if file.sha256 else {})


def _lfs(file: RepoFile, hash_name: str) -> dict[str, Any]:
    """The LFS entry; model info calls the hash sha256, the tree calls it oid."""
    return {hash_name: file.sha256, "size": file.size, "pointerSize": file.pointer_size}


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _flag(query: dict[str, list[str]], name: str) -> bool:
    return query.get(name, ["false"])[-1].lower() in ("true", "1")
