"""What stands beside the weights: the model card with its front matter, and the demo Hub's settings."""

import json
from pathlib import Path
from typing import Any

import yaml

from generation.demo_hub.table import DemoRepository

BODY = """
# {name}

A tiny model with random weights, made for the Forensics Lake's demo Hub. It has the files, classes and layout of
a real {family} repository, and its images mean nothing.
"""


def write_card(folder: Path, repository: DemoRepository, body: str = BODY) -> None:
    """README.md with the front matter that the Hub turns into tags; `body` is a template of name and family."""
    front: dict[str, Any] = {
        "license": repository.licence,
        "library_name": "diffusers",
        "pipeline_tag": repository.pipeline_tag,
        "tags": list(repository.tags),
        "base_model": repository.base_model,
        "base_model_relation": repository.relation,
    }
    matter = yaml.safe_dump({key: value for key, value in front.items() if value}, sort_keys=False)
    text = body.format(name=repository.id.split("/")[1], family=repository.family)
    (folder / "README.md").write_text(f"---\n{matter}---\n{text}", encoding="utf-8")


def write_settings(folder: Path, repository: DemoRepository) -> None:
    """`.hub.json`: dates and counts from the table, and the state that the damage stands for."""
    settings: dict[str, Any] = {
        "createdAt": f"{repository.created}T09:00:00.000Z",
        "lastModified": f"{repository.created}T12:00:00.000Z",
        "downloads": repository.downloads,
        "likes": repository.likes,
        "trendingScore": repository.likes // 10,
    }
    if repository.damage == "gated":
        settings["gated"] = "manual"
    if repository.damage == "disabled":
        settings["disabled"] = True
    if repository.moved_to:
        settings |= {"moved_to": repository.moved_to, "listed": True}
    (folder / ".hub.json").write_text(json.dumps(settings, indent=1), encoding="utf-8")
