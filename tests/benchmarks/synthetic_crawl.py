"""A landed crawl of made-up model records, heavy-tailed and messy like the Hub's, for benchmarks at full scale.

    python tests/benchmarks/synthetic_crawl.py --root LAKE --models 1000000 [--changed 0.01] [--gone 0.005]

Record i depends on (seed, i) alone, so a second crawl of the same seed differs only by what --changed, --gone and
--new ask for. Downloads follow a Pareto law, creation times grow with i, most models are adapters or fine-tunes of
a few bases, and 0.1 % of the records are broken in one of the ways that `catalogue` must name.
"""

import argparse
import hashlib
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from etl.models.landing import LOAD, CrawlState, Landing

PAGE = 1000
START = datetime(2022, 8, 22, tzinfo=UTC)
CLASSES = [
    ("StableDiffusionPipeline", 45),
    ("StableDiffusionXLPipeline", 30),
    ("FluxPipeline", 15),
    ("StableDiffusion3Pipeline", 4),
    ("PixArtAlphaPipeline", 2),
    ("LatentConsistencyModelPipeline", 1),
    ("StableDiffusionInpaintPipeline", 2),
    ("CustomPipeline", 1),
]
LICENCES = [("creativeml-openrail-m", 50), ("openrail++", 20), ("apache-2.0", 8), ("mit", 4), ("other", 10)]
LICENCES += [("cc-by-nc-nd-4.0", 1), ("", 7)]
BROKEN = ("no id", "no revision", "unsafe file", "wrong types")


def draw(rng: random.Random, weighted: list[tuple[str, int]]) -> str:
    """Return one of the values by its weight."""
    return rng.choices([value for value, _ in weighted], [weight for _, weight in weighted])[0]


def digest(*parts: object) -> str:
    """Return a SHA-256 in hexadecimal of the parts."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()


def model_id(seed: int, i: int) -> str:
    """Return the id of model i; authors repeat with a heavy tail."""
    return f"author{int(random.Random(f'{seed}/{i}/author').paretovariate(0.6)) % 40000}/model-{i:07d}"


def record(seed: int, i: int, total: int, edition: int) -> dict[str, Any]:
    """Return model i's listing record; `edition` above 0 is a changed card: another revision, the same weights."""
    rng = random.Random(f"{seed}/{i}")
    created = START + timedelta(days=1500) * (i / max(total, 1))
    name, kind = model_id(seed, i), rng.random()
    tags = ["diffusers", "safetensors", "text-to-image", "region:us"]
    files, card = ["README.md", ".gitattributes"], {}
    licence, pipeline = draw(rng, LICENCES), draw(rng, CLASSES)
    base = model_id(seed, min(i, int(rng.paretovariate(0.9)) % 2000)) if i else None
    if kind < 0.55 and base:
        tags += ["lora", "template:sd-lora", f"base_model:{base}", f"base_model:adapter:{base}"]
        files += ["pytorch_lora_weights.safetensors"]
        card["instance_prompt"] = f"a photo of sks {i}"
    else:
        tags.append(f"diffusers:{pipeline}")
        files += ["model_index.json", "scheduler/scheduler_config.json", "tokenizer/vocab.json"]
        files += [f"{part}/{name}" for part, name in (("unet", "config.json"), ("vae", "config.json"))]
        suffix = "bin" if rng.random() < 0.08 else "safetensors"
        files += [f"unet/diffusion_pytorch_model.{suffix}", f"vae/diffusion_pytorch_model.{suffix}"]
        files += [f"samples/{n:03d}.png" for n in range(min(int(rng.paretovariate(0.8)) - 1, 400))]
        if kind < 0.75 and base:
            tags += [f"base_model:{base}", f"base_model:finetune:{base}"]
    if licence:
        tags.append(f"license:{licence}")
        card["license"] = licence
    if rng.random() < 0.06:
        tags.append("not-for-all-audiences")
    if base:
        card["base_model"] = base if rng.random() < 0.7 else [base]
    return {
        "_id": digest(seed, i, "hub")[:24],
        "id": name,
        "modelId": name,
        "author": name.split("/")[0],
        "sha": digest(seed, i, edition)[:40],
        "createdAt": created.isoformat().replace("+00:00", "Z"),
        "lastModified": (created + timedelta(days=edition)).isoformat().replace("+00:00", "Z"),
        "private": False,
        "gated": "auto" if rng.random() < 0.03 else False,
        "disabled": False,
        "downloads": int(rng.paretovariate(0.7)) % 10_000_000,
        "likes": int(rng.paretovariate(1.0)) - 1,
        "library_name": "diffusers",
        "pipeline_tag": "text-to-image",
        "tags": tags,
        "siblings": [sibling(seed, i, file) for file in files],
        "cardData": card,
        "config": {"diffusers": {"_class_name": pipeline}} if kind >= 0.55 else {},
    }


def sibling(seed: int, i: int, file: str) -> dict[str, Any]:
    """Return one file of a record; weights have a size and a hash."""
    if not file.endswith((".safetensors", ".bin")):
        return {"rfilename": file}
    return {"rfilename": file, "size": 1_000_000 + i, "lfs": {"sha256": digest(seed, i, file)}}


def broken(item: dict[str, Any], way: str) -> dict[str, Any]:
    """Return the record with one fault that `catalogue` must name, or bear."""
    match way:
        case "no id":
            return item | {"id": None}
        case "no revision":
            return item | {"sha": "main"}
        case "unsafe file":
            return item | {"siblings": [*item["siblings"], {"rfilename": "../escape"}]}
        case _:
            return item | {"downloads": "many", "tags": {"a": 1}, "cardData": None, "createdAt": 7}


def records(models: int, seed: int, changed: float, gone: float, new: float) -> Iterator[dict[str, Any]]:
    """Yield one crawl's records; `changed`, `gone`, `new` are shares of `models` since the first crawl."""
    for i in range(models + round(models * new)):
        fate = random.Random(f"{seed}/{i}/fate").random()
        if i < models and fate < gone:
            continue
        item = record(seed, i, models, edition=int(i < models and gone <= fate < gone + changed))
        oddity = random.Random(f"{seed}/{i}/oddity").random()
        yield broken(item, BROKEN[int(oddity * 4000) % 4]) if oddity < 0.001 else item


def land(
    root: str, crawl_id: str, models: int, seed: int = 1, changed: float = 0, gone: float = 0, new: float = 0
):
    """Land the crawl under `root`, as far as a crawl comes before it is loaded; return its state."""
    landing = Landing(root)
    state = CrawlState(crawl_id, "127.0.0.1", ["filter=diffusers"], 0, phase=LOAD)
    page: list[dict[str, Any]] = []
    for item in records(models, seed, changed, gone, new):
        page.append(item)
        if len(page) == PAGE:
            landing.land_page(state, f"/api/models?page={len(state.pages)}", page)
            page = []
    if page:
        landing.land_page(state, f"/api/models?page={len(state.pages)}", page)
    landing.save(state)
    return state


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--root", required=True)
    parser.add_argument("--models", type=int, default=100_000)
    parser.add_argument("--crawl-id", default="20260101T000000Z")
    parser.add_argument("--changed", type=float, default=0.0)
    parser.add_argument("--gone", type=float, default=0.0)
    parser.add_argument("--new", type=float, default=0.0)
    asked = parser.parse_args()
    landed = land(asked.root, asked.crawl_id, asked.models, 1, asked.changed, asked.gone, asked.new)
    print(json.dumps({"crawl_id": landed.crawl_id, "pages": len(landed.pages), "records": landed.records}))
