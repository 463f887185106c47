"""A whole plan beside a bare diffusers loop over the same models, prompts and settings, each in one process.

    python tests/benchmarks/generation_overhead.py --work FOLDER --models 40 --images 8 --rounds 0
    python tests/benchmarks/generation_overhead.py --work FOLDER --models 6 --images 120 --rounds 3
    python tests/benchmarks/generation_overhead.py --work FOLDER --models 3 --images 480 --rounds 3 --delay 8

Tiny genuine pipelines of as many classes, random weights, served by the demo Hub. The plan is `forensics
generate` with one place; the loop reads the repositories from the disk and neither checks nor records anything.
Rounds 0 runs the plan alone, with a place a core; with --spark then again by spark-submit on
local-cluster[2,1,2048], whose images must be the same bytes. Exit code 1 where one or a row is missing or another.
"""

import argparse
import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import polars as pl
from huggingface_hub import HfApi
from measured import PROJECT, Cost, load_average, measured

from etl.demo.hub import DemoHub
from etl.demo.hub.faults import Fault, Faults
from etl.lake import snapshot
from etl.lake.schemas import GENERATION_ATTEMPTS, GENERATORS, MODELS

sys.path.insert(0, str(PROJECT))
from tests.generation.tiny_pipelines import TINY, save

SLOW = ("FluxKontextPipeline",)
"""Makes images of 1024 pixels whatever it is asked for."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", required=True, help="a folder for the repositories and the lake")
    parser.add_argument("--models", type=int, default=6)
    parser.add_argument("--images", type=int, default=120)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--delay", type=float, default=0, help="seconds that the Hub waits before a file of weights"
    )
    parser.add_argument("--spark", action="store_true", help="the same plan again by spark-submit, compared")
    parser.add_argument("--bare", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    work = Path(asked.work).resolve()
    if asked.bare:
        return bare(work, asked.bare.split(","), asked.images, asked.steps)
    names = [name for name in TINY if name not in SLOW][: asked.models]
    for name in names:
        if not (work / "hub" / "tiny" / name).exists():
            save(name, work / "hub" / "tiny" / name)
    (work / "prompts.txt").write_text("\n".join(f"a photo of {n} red apples" for n in range(asked.images)))
    costs: dict[str, list[Cost]] = {"plan": [], "loop": []}
    slow = Fault(r"/resolve/.*\.safetensors", "delay", times=None, method="GET", seconds=asked.delay)
    with DemoHub(work / "hub", faults=Faults([slow] if asked.delay else [])) as hub:
        for number in range(max(asked.rounds, 1)):
            for name in sorted(costs, reverse=bool(number % 2)):
                if name == "loop" and not asked.rounds:
                    continue
                root = new_lake(work, hub, names)
                cost = measured(plan(root, hub, asked) if name == "plan" else loop(work, names, asked))
                costs[name].append(cost)
                print(
                    f"round {number + 1}, {name}: wall {cost.wall:.1f} s, CPU {cost.cpu:.1f} s, {load_average()}"
                )
                if name == "plan" and (missing := told(root, names, asked.images)):
                    return missing
        if asked.spark:
            return compared(work, hub, names, asked)
    for what in ("wall", "cpu") if asked.rounds else ():
        pairs = zip(costs["plan"], costs["loop"], strict=True)
        ratios = sorted(getattr(ours, what) / getattr(theirs, what) for ours, theirs in pairs)
        low, middle, high = ratios[0], ratios[len(ratios) // 2], ratios[-1]
        print(f"{what}: plan / loop = {low:.3f} / {middle:.3f} / {high:.3f} (min / median / max)")
    return 0


def plan(root: Path, hub: DemoHub, asked: argparse.Namespace) -> list[str]:
    command = [sys.executable, "-m", "generation.jobs.generate", "--root", str(root), "--endpoint", hub.endpoint]
    command += ["--plan", "p", "--images_per_generator", str(asked.images), "--steps", str(asked.steps)]
    command += ["--size", "64", "--prompts", str(root.parent / "prompts.txt"), "--device", "cpu"]
    return command + (["--workers", "1"] if asked.rounds else [])


def compared(work: Path, hub: DemoHub, names: list[str], asked: argparse.Namespace) -> int:
    """Run the plan by Spark too, in a fresh lake, and compare the images that landed."""
    by_pool = landed(work / "lake")
    root = new_lake(work, hub, names)
    submit = ["spark-submit", "--master", "local-cluster[2,1,2048]"]
    submit += ["--properties-file", str(PROJECT / "conf" / "spark-defaults.conf")]
    command = plan(root, hub, asked)
    job = str(PROJECT / "generation" / "jobs" / "generate.py")
    cost = measured([*submit, job, *command[command.index("--root") :], "--driver", "spark"])
    print(f"by Spark: wall {cost.wall:.1f} s, {load_average()}")
    missing, same = told(root, names, asked.images), landed(root) == by_pool
    print(f"{len(by_pool)} images by the pool, the same ids and bytes by Spark: {same}")
    return missing or int(not same)


def landed(root: Path) -> dict[str, str]:
    """Return the SHA-256 of every landed image by its request's id, which is its file's name."""
    files = root.glob("landing/images/p/*/*.png")
    return {file.stem: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def loop(work: Path, names: list[str], asked: argparse.Namespace) -> list[str]:
    command = [sys.executable, __file__, "--work", str(work), "--bare", ",".join(names)]
    return [*command, "--images", str(asked.images), "--steps", str(asked.steps)]


def bare(work: Path, names: list[str], images: int, steps: int) -> int:
    """Load each pipeline and call it for every prompt, as someone would who has the files and trusts them."""
    import diffusers
    import torch

    from generation.families import DEFAULTS

    torch.set_num_threads(1)
    prompts = (work / "prompts.txt").read_text().splitlines()[:images]
    for name in names:
        pipeline = diffusers.DiffusionPipeline.from_pretrained(work / "hub" / "tiny" / name, use_safetensors=True)
        pipeline.set_progress_bar_config(disable=True)
        defaults = DEFAULTS[name]
        (work / "bare" / name).mkdir(parents=True, exist_ok=True)
        for number, prompt in enumerate(prompts):
            given: dict[str, Any] = {defaults.steps_argument: steps}
            given |= {"width": 64, "height": 64} if defaults.px else {}
            given |= {"prompt": prompt} if defaults.conditioning == "prompt" else {}
            given |= {defaults.guidance_argument: defaults.guidance} if defaults.guidance is not None else {}
            given["generator"] = torch.Generator("cpu").manual_seed(number)
            pipeline(**given).images[0].save(work / "bare" / name / f"{number}.png")
    return 0


def new_lake(work: Path, hub: DemoHub, names: list[str]) -> Path:
    """Make a lake that knows the models as the catalogue would."""
    root = work / "lake"
    shutil.rmtree(root, ignore_errors=True)
    make_known(str(root), work, hub, names)
    return root


def make_known(root: str, work: Path, hub: DemoHub, names: list[str]) -> None:
    """Write the rows of the models that the demo Hub serves from `work`."""
    api, models, generators = HfApi(endpoint=hub.endpoint, token=False), [], []
    for name in names:
        info = api.model_info(f"tiny/{name}", files_metadata=True)
        shared = {
            "model_id": info.id,
            "revision": info.sha,
            "pipeline_class": name,
            "licence": "mit",
            "nsfw": False,
        }
        files = [
            {"path": s.rfilename, "size": s.size, "sha256": s.lfs.sha256 if s.lfs else None}
            for s in info.siblings or []
        ]
        index = (work / "hub" / info.id / "model_index.json").read_text()
        models.append(shared | {"files": files, "model_index": index, "base_models": [], "is_current": True})
        generators.append(shared | {"generator_id": info.id, "kind": "hub", "name": info.id, "eligible": True})
    snapshot.append(root, MODELS, models)
    snapshot.append(root, GENERATORS, generators)


def told(root: Path, names: list[str], images: int) -> int:
    """Print where the time went; return 1 unless every image of every model is there with its row."""
    rows = snapshot.read(str(root), GENERATION_ATTEMPTS)
    seconds = rows.select(pl.sum("seconds", "download_seconds", "load_seconds", "sampling_seconds")).to_dicts()[0]
    print({name: round(value, 1) for name, value in seconds.items()}, dict(rows["code"].value_counts().rows()))
    lines = [
        line for file in root.glob("landing/images/p/*/records.jsonl") for line in file.read_text().splitlines()
    ]
    ids = {json.loads(line)["request_id"] for line in lines}
    whole = len(ids) == len(lines) == len(names) * images and len(rows) == len(names)
    print(f"{len(ids)} images of {len(names)} models" + ("" if whole else ", SOME ARE MISSING"), flush=True)
    return int(not whole)


if __name__ == "__main__":
    sys.exit(main())
