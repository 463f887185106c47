"""Fixtures of the generation tests: the demo Hub's genuine tiny models, served, and a lake that knows them."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from etl.demo.hub import DemoHub
from etl.lake import snapshot
from etl.lake.schemas import GENERATORS, IMAGES, MODELS
from generation.demo_hub.build import build_demo_hub
from generation.demo_hub.table import DEMO_REPOSITORIES
from generation.repository import RepoFile, Repository
from generation.workers import Workers

CAPTIONS = ["a tabby cat on a sofa", "an alpine lake at dawn", "a red tram in the rain", "a bowl of cherries"]


@pytest.fixture(scope="session")
def demo_repositories(tmp_path_factory) -> Path:
    """The demo Hub's repositories that the tests sample: some good families, and those that harm."""
    root = tmp_path_factory.mktemp("hub") / "demo-hub"
    damages = [r.damage for r in DEMO_REPOSITORIES if r.damage in ("pickle", "remote_code", "truncated", "nan")]
    build_demo_hub(root, families=["sd1", "lora", "ddpm", "dit", "z_image", *damages])
    return root


@pytest.fixture(scope="session")
def hub(demo_repositories) -> Iterator[DemoHub]:
    """The running demo Hub."""
    with DemoHub(demo_repositories) as running:
        yield running


@pytest.fixture(scope="session")
def repository(hub) -> Callable[[str], Repository]:
    """From a model id to its repository as the real client sees it."""

    def describe(model_id: str) -> Repository:
        info = HfApi(endpoint=hub.endpoint, token=False).model_info(model_id, files_metadata=True)
        files = tuple(RepoFile(s.rfilename, s.size or 0, s.lfs.sha256 if s.lfs else None) for s in info.siblings)
        index = hub.store.root / model_id / "model_index.json"
        return Repository(model_id, info.sha, files, index.read_text() if index.exists() else None)

    return describe


@pytest.fixture
def lake_of(tmp_path, repository) -> Callable[..., str]:
    """Fill a new lake with the given models, all of them eligible, and with captioned photos; return its root."""

    def fill(*model_ids: str, adapters: dict[str, str] | None = None) -> str:
        root = str(tmp_path / "lake")
        models, generators = [], []
        for model_id in model_ids:
            found = repository(model_id)
            name = json.loads(found.index)["_class_name"] if found.index else None
            base = (adapters or {}).get(model_id)
            files = [{"path": f.path, "size": f.size, "sha256": f.sha256} for f in found.files]
            shared = {
                "model_id": model_id,
                "revision": found.revision,
                "pipeline_class": name if isinstance(name, str) else None,
                "licence": "mit",
                "nsfw": False,
            }
            bases = [{"model_id": base, "relation": "adapter"}] if base else []
            models.append(
                {**shared, "files": files, "model_index": found.index, "base_models": bases, "is_current": True}
            )
            generators.append({**shared, "generator_id": model_id, "kind": "hub", "eligible": True})
        photos = [{"image_id": str(i), "label": 0, "prompt": caption} for i, caption in enumerate(CAPTIONS)]
        snapshot.append(root, MODELS, models)
        snapshot.append(root, GENERATORS, generators)
        snapshot.append(root, IMAGES, photos)
        return root

    return fill


@pytest.fixture(scope="session")
def workers(tmp_path_factory) -> Iterator[Workers]:
    """Two places for models, started while secrets lie in the environment; starting takes 20 CPU seconds."""
    os.environ["HF_TOKEN"] = "secret-token"
    os.environ["AWS_SECRET_ACCESS_KEY"] = "secret-key"
    try:
        with Workers("cpu", 2, tmp_path_factory.mktemp("workers") / "home") as running:
            yield running
    finally:
        del os.environ["HF_TOKEN"], os.environ["AWS_SECRET_ACCESS_KEY"]
