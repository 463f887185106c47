"""A landed crawl of made-up model records, heavy-tailed and messy like the Hub's, for benchmarks at full scale.

    python tests/benchmarks/synthetic_crawl.py --root LAKE --models 1000000
    … --models 1000000 --crawl-id 20260201T000000Z --changed 0.01 --gone 0.005 --new 0.02

Record i depends on (seed, i) alone, so a second crawl of the same seed differs only by what --changed, --gone and
--new ask for, and by exactly that many models. Downloads follow a Pareto law, creation times grow with i, most
models are adapters or fine-tunes of a few bases, some have the weights of another, and one in five has its details
landed, as when a crawl has only begun to ask for them. Of 10,000 records 10 are broken in one of the ways that
`catalogue` must name or bear, and 2 are listed twice.
"""

import argparse
import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from etl.models.landing import LOAD, CrawlState, Landing, Walk

PAGE = 1000
BASES = 50
"""Of the first models, which most others derive from, all have details."""
DETAILED, COPIES, HUGE = 0.2, 0.02, 0.005
"""Shares of the other models with details; of all, that have the weights of another; that are too large."""
START, DAYS = datetime(2022, 8, 22, tzinfo=UTC), 1100
LISTING = "filter=diffusers"
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
REFUSED = {"no id": "BAD_RECORD", "no revision": "BAD_RECORD", "unsafe file": "UNSAFE_NAME", "twice": "DUPLICATE"}
NAMED = REFUSED | {"wrong types": "BAD_FIELD"}
"""Codes in `rejects`; wrong types cost only those fields."""


@dataclass(frozen=True)
class Told:
    """What `catalogue` must find in a crawl, as exact numbers."""

    crawl_id: str
    pages: int
    records: int
    rejects: dict[str, int]
    """By code in `rejects`."""
    there: int
    """Models that are good and there."""
    new: int
    changed: int
    gone: int


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
    created = START + timedelta(days=DAYS) * (i / max(total, 1))
    name, kind = model_id(seed, i), rng.random()
    tags = ["diffusers", "safetensors", "text-to-image", "region:us"]
    files = ["README.md", ".gitattributes"]
    card: dict[str, Any] = {}
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
        "siblings": [sibling(seed, source(seed, i), file, i) for file in files],
        "cardData": card,
        "config": {"diffusers": {"_class_name": pipeline}} if kind >= 0.55 else {},
    }


def source(seed: int, i: int) -> int:
    """Return the model whose weights model i has: itself, or for some one of the first thousand."""
    rng = random.Random(f"{seed}/{i}/source")
    return rng.randrange(min(i, 1000) + 1) if rng.random() < COPIES else i


def sibling(seed: int, weights: int, file: str, i: int) -> dict[str, Any]:
    """Return one file of record i; weights have a size and the hash of the model that they are from."""
    if not file.endswith((".safetensors", ".bin")):
        return {"rfilename": file}
    size = 50_000_000_000 if random.Random(f"{seed}/{weights}/size").random() < HUGE else 1_000_000 + i
    return {"rfilename": file, "size": size, "lfs": {"sha256": digest(seed, weights, file)}}


def detail(seed: int, i: int, item: dict[str, Any]) -> dict[str, Any] | None:
    """Return the line of a detail file on model i, None where its details were not asked for."""
    asked = i < BASES or random.Random(f"{seed}/{i}/detail").random() < DETAILED
    if item["gated"] or not asked:
        return None
    name = item["config"].get("diffusers", {}).get("_class_name")
    parts = {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL", "scheduler": "PNDMScheduler"}
    index = {"_class_name": name} | {part: ["diffusers", cls] for part, cls in parts.items()}
    said = {
        "outcome": "OK",
        "info": item,
        "model_index": json.dumps(index) if name else None,
        "scheduler": json.dumps({"_class_name": "PNDMScheduler", "steps_offset": 1}) if name else None,
    }
    return {"model_id": item["id"], "outcome": "OK", "message": None, "detail": said}


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


def oddity(seed: int, i: int) -> str | None:
    """Return how model i is odd: broken in a way, or listed `twice`; None for nearly all."""
    place = int(random.Random(f"{seed}/{i}/oddity").random() * 10_000)
    return BROKEN[place % len(BROKEN)] if place < 10 else "twice" if place < 12 else None


def fates(models: int, seed: int, changed: float, gone: float) -> tuple[set[int], set[int]]:
    """Return the models that changed and those that are gone since the first crawl: exact shares of `models`.

    Only sound ones, which are in the tables: the others could not be found to change.
    """
    numbers = round(models * changed), round(models * gone)
    order = random.Random(f"{seed}/fates").sample(range(models), models)
    sound = (i for i in order if oddity(seed, i) is None)
    return {next(sound) for _ in range(numbers[0])}, {next(sound) for _ in range(numbers[1])}


def land(
    root: str, crawl_id: str, models: int, seed: int = 1, changed: float = 0, gone: float = 0, new: float = 0
) -> Told:
    """Land a whole crawl; `changed`, `gone` and `new` are shares of `models` since the first crawl of the seed."""
    landing = Landing(root)
    state = CrawlState(crawl_id, "127.0.0.1", [LISTING], 0, walks=[Walk(LISTING)], phase=LOAD)
    edited, missing = fates(models, seed, changed, gone)
    page: list[dict[str, Any]] = []
    details: list[dict[str, Any]] = []
    seen: dict[str, int] = {}
    refused, named = 0, Counter[str]()

    def flush() -> None:
        landing.land_page(state, f"/api/models?page={len(state.pages)}", page, seen)
        page.clear()
        landing.land_details(state, details)
        details.clear()

    first = not (changed or gone or new)
    for i, item, odd in records(models, seed, edited, missing, round(models * new)):
        page += [item, item] if odd == "twice" else [item]
        if odd is None and (first or i in edited or i >= models):  # what is known already is not asked for again
            details += [line for line in [detail(seed, i, item)] if line]
        refused += odd in REFUSED
        named.update([NAMED[odd]] if odd in NAMED else [])
        if len(page) >= PAGE:
            flush()
    if page:
        flush()
    landing.save(state)
    there = state.records - refused
    fresh = there if first else round(models * new)
    return Told(crawl_id, len(state.pages), state.records, dict(named), there, fresh, len(edited), len(missing))


def records(
    models: int, seed: int, edited: set[int], missing: set[int], new: int
) -> Iterator[tuple[int, dict[str, Any], str | None]]:
    """Yield one crawl's records, each with its number before it and its oddity after; new models have none."""
    for i in range(models + new):
        if i in missing:
            continue
        odd = oddity(seed, i) if i < models else None
        item = record(seed, i, models, edition=int(i in edited))
        yield i, broken(item, odd) if odd in BROKEN else item, odd


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--root", required=True)
    parser.add_argument("--models", type=int, default=100_000)
    parser.add_argument("--crawl-id", default="20260101T000000Z")
    parser.add_argument("--changed", type=float, default=0.0)
    parser.add_argument("--gone", type=float, default=0.0)
    parser.add_argument("--new", type=float, default=0.0)
    asked = parser.parse_args()
    told = land(asked.root, asked.crawl_id, asked.models, 1, asked.changed, asked.gone, asked.new)
    print(json.dumps(asdict(told)))
