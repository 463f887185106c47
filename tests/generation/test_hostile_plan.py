"""A plan over dozens of repositories that harm, between good ones, by the real command.

The demo Hub serves them all; the lake takes them all for eligible, so that generation alone stands in their way.
"""

import json
import pickle
import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from etl.demo.hub import DemoHub
from etl.lake import snapshot
from etl.lake.schemas import GENERATION_ATTEMPTS as TRIES
from etl.lake.schemas import REJECTS
from tests.flow.commands import forensics
from tests.generation.hostile_hub import CASES, DEADLINE_SECONDS, GOOD, LARGEST, SMALLEST, build, fill, turn

IMAGES = 2
PLAN = {
    "plan": "p", "images_per_generator": IMAGES, "steps": 2, "size": 64, "workers": 2, "max_attempts": 1,
    "deadline_seconds": DEADLINE_SECONDS, "image_seconds": 4, "memory_gb": 8,
}  # fmt: skip
WORDS = [word for key, value in PLAN.items() for word in (f"--{key}", str(value))]
MARKED = "CUDA_HOME"
"""One of the variables that models' processes keep, and that nothing reads here."""
REFUSED_ONE_BY_ONE = {"NAN_IMAGE", "FLAT_IMAGE", "WRONG_SIZE"}


@dataclass(frozen=True)
class World:
    """What is there after the plan was carried out, and what the command said, first and when run again."""

    root: Path
    hub_root: Path
    sentinels: Path
    asked: list[str]
    """Every file that was asked for during the first run, as the path of its address."""
    files: list[Path]
    """What lay below the lake's landing after it, as paths there."""
    processes: list[str]
    """The commands of what still ran after it."""
    most_processes: int
    """How many ran at a time meanwhile."""
    first: CompletedProcess[str]
    again: CompletedProcess[str]
    versions: tuple[int, int]
    """Of the table of attempts, before and after the command was run again."""

    @cached_property
    def rows(self) -> dict[str, dict[str, Any]]:
        """The tries by generator, which has one each."""
        rows = snapshot.read(str(self.root), TRIES).to_dicts()
        assert len({row["generator_id"] for row in rows}) == len(rows)
        return {row["generator_id"]: row for row in rows}


@pytest.fixture(scope="module")
def world(demo_repositories, tmp_path_factory) -> World:
    """The lake after `forensics generate` has met all of CASES."""
    folder = tmp_path_factory.mktemp("hostile")
    root, sentinels = folder / "lake", folder / "sentinels"
    sentinels.mkdir()
    build(folder / "hub", demo_repositories, sentinels)
    with DemoHub(folder / "hub") as hub:
        fill(str(root), hub)
        turn(hub)
        known = len(hub.requests)
        command = ["generate", "--root", str(root), "--endpoint", hub.endpoint, *WORDS]
        with Watch(root) as watch:
            first = forensics(*command, **{MARKED: str(root)})
        processes, landing = running_in(root), root / "landing"
        left = [file.relative_to(landing) for file in landing.rglob("*") if not file.is_dir()]
        asked, version = [path for _, path in hub.requests[known:]], snapshot.current_version(str(root), TRIES)
        again = forensics(*command)
    versions = (version, snapshot.current_version(str(root), TRIES))
    return World(root, folder / "hub", sentinels, asked, left, processes, watch.most, first, again, versions)


class Watch(threading.Thread):
    """Counts the run's processes, so that to find none after it says something."""

    def __init__(self, root: Path):
        super().__init__(daemon=True)
        self.most, self._root, self._ended = 0, root, threading.Event()

    def __enter__(self) -> "Watch":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        while not self._ended.wait(0.5):
            self.most = max(self.most, len(running_in(self._root)))


def running_in(root: Path) -> list[str]:
    """Return the commands of processes that the run started: the command, the fork server, models' own."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARKED}={root}\0".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text())
        except OSError:  # it ended meanwhile, or is another user's
            continue
    return found


@pytest.mark.parametrize("name", CASES)
def test_a_harmful_repository_ends_with_its_code(world, name):
    row = world.rows[f"hostile/{name}"]
    assert row["code"] in CASES[name].codes, row["message"]
    assert (row["status"], row["images"]) == (("ok", IMAGES) if row["code"] == "OK" else ("failed", 0))
    assert str(world.root) not in row["message"]


def test_good_models_before_between_and_after_give_all_their_images(world):
    rows = world.rows
    assert {name: (rows[name]["code"], rows[name]["images"]) for name in GOOD} == dict.fromkeys(
        GOOD, ("OK", IMAGES)
    )
    began = sorted(rows, key=lambda name: rows[name]["started_at"])
    assert LARGEST in began[:4]
    assert SMALLEST in began[-8:]


def test_every_image_asked_for_is_there_or_accounted_for(world):
    rows = world.rows
    assert set(rows) == {*GOOD, *(f"hostile/{name}" for name in CASES)}
    asked, made = IMAGES * len(rows), sum(row["images"] for row in rows.values())
    assert world.first.returncode == 3, world.first.stderr[-3000:]
    assert (
        f"generate: {asked} images = {made} new + {asked - made} rejected + 0 already there" in world.first.stdout
    )
    lines = [line for file in world.root.glob("landing/images/p/*/records.jsonl") for line in file.open()]
    images = sorted(file.name for file in world.root.glob("landing/images/p/*/*.png"))
    assert sorted(json.loads(line)["file"] for line in lines) == images
    assert len(images) == made
    refused = snapshot.read(str(world.root), REJECTS)["code"].to_list()
    one_by_one = [row["code"] for row in rows.values() if row["code"] in REFUSED_ONE_BY_ONE]
    assert sorted(refused) == sorted(one_by_one * IMAGES)


def test_the_same_command_again_tries_none_of_them(world):
    asked, made = IMAGES * (len(CASES) + len(GOOD)), sum(row["images"] for row in world.rows.values())
    assert f"{asked} images = 0 new + {asked - made} rejected + {made} already there" in world.again.stdout
    assert world.again.returncode == 3
    assert len(set(world.versions)) == 1


def test_no_code_of_a_repository_has_run(world):
    assert list(world.sentinels.iterdir()) == []
    assert list(world.hub_root.glob("**/SENTINEL*")) == []


def test_a_pickle_of_these_leaves_its_sentinel_where_something_loads_it(world):
    beside = world.hub_root / "hostile/pickle-beside/unet/pytorch_model.bin"
    pickle.loads(beside.read_bytes()).close()
    sentinel = world.sentinels / "pickle-beside"
    assert sentinel.exists()
    sentinel.unlink()


def test_no_pickle_and_no_code_is_downloaded(world):
    assert any(path.endswith("unet/diffusion_pytorch_model.safetensors") for path in world.asked)
    assert [path for path in world.asked if path.endswith((".bin", ".ckpt", ".pkl", ".py", ".pt"))] == []


def test_no_process_is_left(world):
    assert world.most_processes > 3, "the command, its fork server and two models were to be seen"
    assert world.processes == []


def test_the_disk_holds_images_and_records_and_nothing_else_of_a_model(world):
    assert {file.parts[0] for file in world.files} == {"images"}
    others = {file.name for file in world.files if file.suffix != ".png"}
    assert others <= {"records.jsonl", "plan.json.gz"}
    assert not (world.root / "landing" / "home").exists()


def test_what_models_print_stays_with_them(world):
    said = world.first.stdout + world.first.stderr
    assert "\x1b" not in said
    assert "\x07" not in said
    assert len(said) < 500 * len(CASES)
