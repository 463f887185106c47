"""The demo Hub's repositories: the same at every build; good ones sample, hostile ones are what they claim."""

import inspect
import pickle
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import DisabledRepoError, GatedRepoError
from safetensors import SafetensorError

from etl.demo.hub import DemoHub
from generation.demo_hub import (
    DEMO_REPOSITORIES,
    DemoRepository,
    build_demo_hub,
    pickle_sentinel,
    remote_code_sentinel,
)

PIPELINES = [r for r in DEMO_REPOSITORIES if r.kind == "good" and r.family != "lora"]
BY_DAMAGE = {r.damage: r for r in DEMO_REPOSITORIES if r.damage}


@pytest.fixture(scope="session")
def demo_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All repositories of the table, built once."""
    root = tmp_path_factory.mktemp("demo") / "hub"
    assert build_demo_hub(root) == [r.id for r in DEMO_REPOSITORIES]
    return root


@pytest.fixture(scope="session")
def demo_api(demo_root: Path) -> Iterator[HfApi]:
    with DemoHub(demo_root) as hub:
        yield HfApi(endpoint=hub.endpoint, token=False)


def load(folder: Path) -> Any:
    from diffusers import DiffusionPipeline

    pipeline = DiffusionPipeline.from_pretrained(folder, use_safetensors=True, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def sample(pipeline: Any, seed: int = 0) -> np.ndarray:
    """One image of two steps, as (height, width, 3) uint8, with the arguments that the pipeline knows."""
    import torch

    offered = {
        "prompt": "a red bicycle by the sea",
        "class_labels": [1],
        "height": 64,
        "width": 64,
        "use_resolution_binning": False,
        "clean_caption": False,
    }
    known = inspect.signature(pipeline.__call__).parameters
    arguments = {name: value for name, value in offered.items() if name in known}
    generator = torch.Generator().manual_seed(seed)
    return np.asarray(pipeline(**arguments, num_inference_steps=2, generator=generator).images[0])


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".hub.json")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


# Building


def test_the_table_has_enough_good_ones_and_one_of_each_refusal() -> None:
    assert len({r.id for r in DEMO_REPOSITORIES}) == len(DEMO_REPOSITORIES)
    assert len({r.family for r in PIPELINES}) >= 12
    refusals = [r.expected for r in DEMO_REPOSITORIES if r.kind == "hostile"]
    assert len(set(refusals)) == len(refusals) == 12


def test_two_builds_give_the_same_bytes(demo_root: Path, tmp_path: Path) -> None:
    for repo_id in build_demo_hub(tmp_path / "again", families=["dit", "lora", "z_image"]):
        assert contents(tmp_path / "again" / repo_id) == contents(demo_root / repo_id)


def test_all_repositories_together_stay_small(demo_root: Path) -> None:
    assert sum(path.stat().st_size for path in demo_root.rglob("*") if path.is_file()) < 40e6


def test_a_complete_hub_is_left_alone_without_importing_torch(demo_root: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in demo_root.rglob("*")}
    code = (
        "import sys; from pathlib import Path; from generation.demo_hub import build_demo_hub;"
        f"build_demo_hub(Path({str(demo_root)!r}));"
        "sys.exit('torch' in sys.modules or 'diffusers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in demo_root.rglob("*")} == before


def test_what_a_killed_build_left_is_replaced(demo_root: Path, tmp_path: Path) -> None:
    left = tmp_path / "demo-lab" / ".unfinished-tiny-dit"
    left.mkdir(parents=True)
    (left / "junk.safetensors").write_bytes(b"half")
    build_demo_hub(tmp_path, families=["dit"])
    assert not left.exists()
    assert contents(tmp_path / "demo-lab/tiny-dit") == contents(demo_root / "demo-lab/tiny-dit")


def test_an_unknown_family_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="sdxxl"):
        build_demo_hub(tmp_path, families=["sd1", "sdxxl"])
    assert not list(tmp_path.iterdir())


# Good repositories


@pytest.mark.parametrize("repository", PIPELINES, ids=lambda r: r.id)
def test_a_good_repository_gives_different_64_pixel_images(demo_root: Path, repository: DemoRepository) -> None:
    pipeline = load(demo_root / repository.id)
    first, second = sample(pipeline, 0), sample(pipeline, 1)
    assert first.shape == second.shape == (64, 64, 3)
    assert first.std() > 10
    assert np.abs(first.astype(int) - second).mean() > 5


def test_the_fine_tune_names_its_base_and_has_other_weights(demo_root: Path, demo_api: HfApi) -> None:
    base, tuned = "demo-lab/tiny-sd-v1", "demo-community/sd-v1-watercolour"
    assert f"base_model:finetune:{base}" in (demo_api.model_info(tuned).tags or [])
    weights = "unet/diffusion_pytorch_model.safetensors"
    assert contents(demo_root / tuned)[weights] != contents(demo_root / base)[weights]


def test_the_lora_changes_its_base_and_can_be_taken_off_again(demo_root: Path, demo_api: HfApi) -> None:
    lora = "demo-community/ink-lora-sd-v1"
    assert "base_model:adapter:demo-lab/tiny-sd-v1" in (demo_api.model_info(lora).tags or [])
    pipeline = load(demo_root / "demo-lab/tiny-sd-v1")
    plain = sample(pipeline)
    pipeline.load_lora_weights(demo_root / lora, use_safetensors=True)
    assert not np.array_equal(sample(pipeline), plain)
    pipeline.unload_lora_weights()
    assert np.array_equal(sample(pipeline), plain)


def test_a_good_repository_downloads_and_samples_through_the_hub(demo_api: HfApi, tmp_path: Path) -> None:
    folder = snapshot_download(
        "demo-lab/tiny-z-image", endpoint=demo_api.endpoint, cache_dir=tmp_path, token=False
    )
    assert sample(load(Path(folder))).std() > 10


# Hostile repositories


def test_the_pickles_are_refused_and_would_have_written_the_sentinel(demo_root: Path, tmp_path: Path) -> None:
    folder = demo_root / BY_DAMAGE["pickle"].id
    assert not list(folder.rglob("*.safetensors"))
    with pytest.raises(OSError, match="safetensors"):
        load(folder)
    assert not pickle_sentinel(demo_root.parent).exists()
    build_demo_hub(tmp_path / "hub", families=["pickle"], sentinels=tmp_path)
    pickle.loads((tmp_path / "hub/hostile/pickle-only/unet/diffusion_pytorch_model.bin").read_bytes())
    assert pickle_sentinel(tmp_path).exists()


def test_the_remote_code_is_refused_and_would_have_written_the_sentinel(demo_root: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="remote code"):
        load(demo_root / BY_DAMAGE["remote_code"].id)
    assert not remote_code_sentinel(demo_root.parent).exists()
    build_demo_hub(tmp_path / "hub", families=["remote_code"], sentinels=tmp_path)
    runpy.run_path(str(tmp_path / "hub/hostile/remote-code/pipeline.py"))
    assert remote_code_sentinel(tmp_path).exists()


def test_the_truncated_weights_do_not_load(demo_root: Path) -> None:
    with pytest.raises((OSError, SafetensorError)):
        load(demo_root / BY_DAMAGE["truncated"].id)


@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_the_nan_autoencoder_gives_a_black_image(demo_root: Path) -> None:
    assert sample(load(demo_root / BY_DAMAGE["nan"].id)).max() == 0


def test_the_duplicate_has_every_byte_of_the_original(demo_root: Path, demo_api: HfApi) -> None:
    twin = BY_DAMAGE["duplicate"]
    assert twin.twin_of and contents(demo_root / twin.id) == contents(demo_root / twin.twin_of)
    assert demo_api.model_info(twin.id).sha == demo_api.model_info(twin.twin_of).sha


def test_the_listing_shows_licence_audience_class_and_format(demo_api: HfApi) -> None:
    found = {model.id: model for model in demo_api.list_models(full=True, fetch_config=True)}
    assert set(found) == {r.id for r in DEMO_REPOSITORIES}
    assert "license:cc-by-nc-nd-4.0" in (found[BY_DAMAGE["licence"].id].tags or [])
    assert "not-for-all-audiences" in (found[BY_DAMAGE["adult"].id].tags or [])
    assert found[BY_DAMAGE["inpaint"].id].config == {
        "diffusers": {"_class_name": "StableDiffusionInpaintPipeline"}
    }
    files = [sibling.rfilename for sibling in found[BY_DAMAGE["gguf"].id].siblings or []]
    assert files == ["README.md", "model-Q4_0.gguf"]


def test_the_gated_disabled_and_renamed_answer_as_the_hub_does(demo_api: HfApi) -> None:
    with pytest.raises(GatedRepoError):
        demo_api.auth_check(BY_DAMAGE["gated"].id)
    with pytest.raises(DisabledRepoError):
        demo_api.model_info(BY_DAMAGE["disabled"].id)
    assert demo_api.model_info(BY_DAMAGE["renamed"].id).id == BY_DAMAGE["renamed"].moved_to
