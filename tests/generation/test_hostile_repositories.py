"""Repositories that harm, served by the demo Hub: each ends with its code, and the next model runs."""

import json
import shutil
import struct
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import forkserver
from pathlib import Path

import pytest
from huggingface_hub import HfApi
from safetensors.torch import load_file, save_file

from etl.demo.hub import DemoHub
from generation.attempts import Outcome
from generation.failures import Code
from generation.landing import Landing
from generation.model_run import run_model
from generation.plan import Generator, make_plan
from generation.repository import RepoFile, Repository
from generation.settings import GenerateSettings
from tests.generation.conftest import CAPTIONS

SD = "demo-lab/tiny-sd-v1"
UNET, VAE = "unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors"


def change(file: Path, **values: object) -> None:
    """Put values into a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def claim_terabytes(repository: Path) -> None:
    header = json.dumps({"w": {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 4 * 10**12]}}).encode()
    (repository / UNET).write_bytes(struct.pack("<Q", len(header)) + header)


def claim_a_header_without_end(repository: Path) -> None:
    (repository / UNET).write_bytes(struct.pack("<Q", 2**40) + b"{}")


def cut(repository: Path) -> None:
    content = (repository / UNET).read_bytes()
    (repository / UNET).write_bytes(content[: len(content) // 2])


def bring_a_tokenizer_of_its_own(repository: Path) -> None:
    change(repository / "tokenizer" / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Evil", None]})


def name_a_library_of_its_own(repository: Path) -> None:
    change(repository / "model_index.json", unet=["evil", "Model"])


def name_a_pipeline_of_its_own(repository: Path) -> None:
    change(repository / "model_index.json", _class_name=["pipeline", "Evil"])


def blacken(repository: Path) -> None:
    weights = load_file(repository / VAE)
    save_file({name: tensor * 0 for name, tensor in weights.items()}, repository / VAE)


def ask_for_memory(repository: Path) -> None:
    change(repository / "scheduler" / "scheduler_config.json", num_train_timesteps=4 * 10**9)


def describe_another_model(repository: Path) -> None:
    change(repository / "unet" / "config.json", block_out_channels=[1 << 16, 1 << 16])


def nest_without_end(repository: Path) -> None:
    (repository / "scheduler" / "scheduler_config.json").write_text("[" * 200_000)


CASES: dict[Callable[[Path], None], set[Code]] = {
    claim_terabytes: {Code.BAD_WEIGHTS},
    claim_a_header_without_end: {Code.BAD_WEIGHTS},
    cut: {Code.BAD_WEIGHTS},
    bring_a_tokenizer_of_its_own: {Code.REMOTE_CODE},
    name_a_library_of_its_own: {Code.REMOTE_CODE},
    name_a_pipeline_of_its_own: {Code.REMOTE_CODE},
    blacken: {Code.FLAT_IMAGE},
    ask_for_memory: {Code.OOM},
    describe_another_model: {Code.BAD_WEIGHTS, Code.OOM},
    nest_without_end: {Code.BAD_WEIGHTS, Code.FAILED},
}


@pytest.fixture(scope="module")
def bad_hub(demo_repositories, tmp_path_factory):
    """A Hub with one repository a case, and a good one."""
    root = tmp_path_factory.mktemp("bad") / "hub"
    shutil.copytree(demo_repositories / SD, root / SD)
    for case in CASES:
        case_root = root / "bad" / case.__name__.replace("_", "-")
        shutil.copytree(demo_repositories / SD, case_root)
        case(case_root)
    with DemoHub(root) as hub:
        yield hub


@pytest.fixture
def settings(bad_hub, tmp_path) -> GenerateSettings:
    return GenerateSettings(
        *(str(tmp_path / "lake"), bad_hub.endpoint),
        plan="bad", images_per_generator=2, steps=2, size=64, memory_gb=8.0, image_seconds=60.0,
    )  # fmt: skip


def tried(hub: DemoHub, settings: GenerateSettings, workers, model_id: str) -> Outcome:
    info = HfApi(endpoint=hub.endpoint, token=False).model_info(model_id, files_metadata=True)
    files = tuple(RepoFile(s.rfilename, s.size or 0, s.lfs.sha256 if s.lfs else None) for s in info.siblings)
    index = (hub.store.root / model_id / "model_index.json").read_text()
    generator = Generator(model_id, Repository(model_id, info.sha, files, index), "StableDiffusionPipeline")
    task = make_plan([generator], CAPTIONS, settings).tasks[0]
    return run_model(task, task.requests, Landing(settings.root, "bad", model_id), settings, workers)


def children() -> list[str]:
    """The processes that the fork server has started and that are still there."""
    server = str(forkserver._forkserver._forkserver_pid)
    stats = [file.read_text().rpartition(")")[2].split() for file in Path("/proc").glob("[0-9]*/stat")]
    return [stat[0] for stat in stats if stat[1] == server and stat[0] != "Z"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_harmful_repository_ends_with_its_code_and_leaves_nothing(case, bad_hub, settings, workers):
    outcome = tried(bad_hub, settings, workers, f"bad/{case.__name__.replace('_', '-')}")
    assert outcome.code in CASES[case], outcome.message
    assert (outcome.status, outcome.images) == ("failed", 0)
    assert str(settings.root) not in outcome.message
    assert children() == []
    left = [path for path in Path(settings.root).rglob("*") if path.is_file()]
    assert [path.name for path in left if path.parent != workers._home] == ["records.jsonl"]


def test_a_model_that_never_comes_to_an_image_is_killed(bad_hub, settings, workers):
    endless = replace(settings, steps=1_000_000, image_seconds=2.0)
    outcome = tried(bad_hub, endless, workers, SD)
    assert (outcome.code, outcome.message) == (Code.TIMEOUT, "no image for 2 s")
    assert children() == []


def test_after_all_of_them_a_good_model_gives_its_images(bad_hub, settings, workers):
    assert tried(bad_hub, settings, workers, SD).images == 2
