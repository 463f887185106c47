"""A small lake with a row of every kind that the explorer shows, hostile names among them."""

import contextlib
import hashlib
import io
import math
import random
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from etl.lake import schemas, snapshot
from etl.lake.schemas import Table

Rows = Sequence[Mapping[str, Any]]

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOSTILE = "evil/<img src=x onerror=alert(1)>"
"""A model's name as its author might choose it."""
HOSTILE_PROMPT = "a **bold** [link](http://192.0.2.1) ![dot](http://192.0.2.1/dot.png) <script>alert(1)</script>"
RUN, COLLECTION = "5f1c2e7ab04d4d6c9a3e8b7f60d1c2e3", "demo@1/test"

# generator, architecture, family, licence, base model, why it is not eligible
GENERATORS = [
    ("lab/tiny-sd", "LatDiff", "SD 1.x", "openrail", None, None),
    ("community/watercolour-sd", "LatDiff", "SD 1.x", "openrail", "lab/tiny-sd", None),
    ("community/ink-watercolour", "LatDiff", "SD 1.x", "openrail", "community/watercolour-sd", None),
    ("lab/tiny-sdxl", "LatDiff", "SDXL", "openrail++", None, None),
    ("lab/tiny-flux", "LatDiff", "Flux", "apache-2.0", None, None),
    ("lab/tiny-sana", "LatDiff", "Sana", "apache-2.0", None, None),
    ("lab/tiny-pixart", "LatDiff", "PixArt", "openrail++", None, None),
    ("lab/tiny-ddpm", "PixDiff", "DDPM", "apache-2.0", None, None),
    ("community/tiny-gan", "GAN", "StyleGAN", "mit", None, None),
    ("community/after-dark", "LatDiff", "SDXL", "openrail++", "lab/tiny-sdxl", None),
    (HOSTILE, "LatDiff", "SD 1.x", "other", "lab/tiny-sd", None),
    ("closed/gated-model", "LatDiff", "Flux", "other", None, "GATED"),
    ("closed/pickles", "LatDiff", "SD 1.x", "openrail", None, "PICKLE_ONLY"),
    ("closed/strict", "LatDiff", "SD 3.x", "cc-by-nc-nd-4.0", None, "LICENCE"),
]
SAMPLED = [generator[0] for generator in GENERATORS if generator[5] is None]


def drawing(seed: int, edge: int = 128) -> bytes:
    """Encode a small colourful picture as JPEG, a different one for each seed."""
    dice = random.Random(seed)
    picture = Image.linear_gradient("L").resize((edge, edge)).rotate(dice.choice([0, 90, 180, 270]))
    low, high = ([dice.randrange(256) for _ in range(3)] for _ in range(2))
    bands = [picture.point(lambda v, a=a, b=b: a + (b - a) * v // 255) for a, b in zip(low, high, strict=True)]
    picture = Image.merge("RGB", bands)
    pen = ImageDraw.Draw(picture)
    for _ in range(5):
        x, y, r = dice.randrange(edge), dice.randrange(edge), dice.randrange(8, 40)
        pen.ellipse([x - r, y - r, x + r, y + r], fill=tuple(dice.randrange(256) for _ in range(3)))
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=88)
    return encoded.getvalue()


def models() -> Rows:
    return [
        {
            "model_id": name,
            "revision": hashlib.sha1(name.encode()).hexdigest(),
            "licence": licence,
            "base_models": [{"model_id": base, "relation": "finetune"}] if base else [],
            "last_seen": NOON,
            "is_current": True,
        }
        for name, _, _, licence, base, _ in GENERATORS
    ]


def generators() -> Rows:
    return [
        {
            "generator_id": name,
            "kind": "hub",
            "name": name,
            "model_id": name,
            "revision": hashlib.sha1(name.encode()).hexdigest(),
            "architecture": architecture,
            "family": family,
            "pipeline_class": "StableDiffusionPipeline",
            "lineage_depth": 1 if base else 0,
            "licence": licence,
            "nsfw": name == "community/after-dark",
            "weight_bytes": 3_000_000 + 1000 * number,
            "downloads": 90_000 // (number + 1),
            "released_at": NOON - timedelta(days=30 * number),
            "eligible": reason is None,
            "reason": reason,
            "detail": "the repository asks for a login" if reason == "GATED" else None,
        }
        for number, (name, architecture, family, licence, base, reason) in enumerate(GENERATORS)
    ]


def attempts() -> Rows:
    return [
        {
            "plan_id": "plan1",
            "generator_id": name,
            "attempt": 1,
            "status": "failed" if name == HOSTILE else "ok",
            "code": "NAN_IMAGE" if name == HOSTILE else "OK",
            "message": "every pixel is black" if name == HOSTILE else None,
            "seconds": 2.5,
            "images": 4,
            "started_at": NOON,
        }
        for name in SAMPLED
    ]


def images() -> Rows:
    """36 real images, then 4 of every sampled generator; one real one is marked not safe for work."""
    made = [(None, index) for index in range(36)] + [(name, index) for name in SAMPLED for index in range(4)]
    rows = []
    for seed, (generator, index) in enumerate(made):
        data = drawing(seed)
        rows.append(
            {
                "image_id": hashlib.sha256(data).hexdigest(),
                "bytes": data,
                "format": "JPEG",
                "width": 128,
                "height": 128,
                "label": 0 if generator is None else 1,
                "generator_id": generator,
                "real_source": "photos" if generator is None else None,
                "source": "photos" if generator is None else "plan1",
                "prompt": HOSTILE_PROMPT if generator == HOSTILE else f"a red lighthouse at dusk, number {index}",
                "licence": "CC0-1.0" if generator is None else "openrail",
                "nsfw": True if seed == 0 else None,
                "request_id": None if generator is None else f"request-{seed}",
                "model_revision": None if generator is None else hashlib.sha1(generator.encode()).hexdigest(),
                "seed": seed,
                "steps": 2,
                "ingested_at": NOON,
            }
        )
    return rows


def thumbnails() -> Rows:
    kept = ("image_id", "generator_id", "label", "width", "height")
    return [{key: row[key] for key in kept} | {"jpeg": row["bytes"]} for row in images()]


def rejects() -> Rows:
    codes = ["TRUNCATED", "TRUNCATED", "NOT_IMAGE", "TOO_BIG"]
    return [
        {"stage": "ingest", "key": f"folder/{n}.jpg", "sha256": "", "code": code, "run_id": "r1", "ts": NOON}
        for n, code in enumerate(codes)
    ]


def evaluations() -> Rows:
    keys = {"run_id": RUN, "collection": COLLECTION, "transform": "none", "pool": "all", "evaluated_at": NOON}
    rows = []
    for number, name in enumerate(SAMPLED):
        alone = name == "community/tiny-gan"  # no real image to compare with: the metric is undefined
        for metric, value in (("average_precision", 0.99 - 0.04 * number), ("accuracy", 0.95 - 0.04 * number)):
            row = {"slice_kind": "generator", "slice": name, "metric": metric, "n_real": 0 if alone else 36}
            row |= {"n_fake": 4, "value": None if alone else value, "reason": "ONE_CLASS" if alone else None}
            rows.append(keys | row)
    for kind, value in (("all", 0.84), ("mean", 0.81)):
        for metric in ("average_precision", "accuracy"):
            row = {"slice_kind": kind, "slice": kind, "metric": metric, "n_real": 36, "n_fake": 44, "value": value}
            rows.append(keys | row | ({"ci_low": 0.74, "ci_high": 0.88} if kind == "mean" else {}))
    chance = {"run_id": "baseline:chance", "slice_kind": "mean", "slice": "mean", "metric": "average_precision"}
    return [*rows, keys | chance | {"value": 0.31, "n_real": 36, "n_fake": 44}]


def predictions() -> Rows:
    keys = {"run_id": RUN, "collection": COLLECTION, "transform": "none", "scored_at": NOON}
    kept = ("image_id", "label", "generator_id", "real_source")
    dice = random.Random(1)
    return [
        keys | {key: row[key] for key in kept} | {"logit": dice.gauss(1.5 if row["label"] else -1.5, 1.0)}
        for row in images()
    ]


def gold_models() -> Rows:
    """What `forensics catalogue` would write of the models and generators."""
    return [
        {
            "model_id": name,
            "author": name.split("/")[0],
            "revision": hashlib.sha1(name.encode()).hexdigest(),
            "family": family,
            "architecture": architecture,
            "licence": licence,
            "eligible": reason is None,
            "reason": reason,
            "base_model_id": base,
            "relation": "finetune" if base else None,
            "downloads": 90_000 // (number + 1),
            "created_at": NOON - timedelta(days=30 * number),
            "is_gone": False,
        }
        for number, (name, architecture, family, licence, base, reason) in enumerate(GENERATORS)
    ]


def gold_images() -> Rows:
    """What `forensics summarise` would write of the images and their generators."""
    maker = {row["generator_id"]: row for row in generators()}
    kept = ("image_id", "label", "generator_id", "real_source", "source", "licence", "format", "width", "height")
    rows = []
    for row in images():
        made_by = maker.get(row["generator_id"], {})
        rows.append(
            {key: row[key] for key in (*kept, "prompt", "ingested_at")}
            | {key: made_by.get(key) for key in ("kind", "architecture", "family", "root_model_id")}
            | {"generator_licence": made_by.get("licence"), "byte_size": len(row["bytes"])}
            | {"nsfw": bool(row["nsfw"] or made_by.get("nsfw")), "place": int(row["image_id"][:15], 16)}
        )
    return sorted(rows, key=lambda row: row["place"])


def gold_spectra() -> Rows:
    names = [("generator", name) for name in SAMPLED] + [("real_source", "photos"), ("label", "real")]
    return [
        {"kind": kind, "name": name, "images": 4, "spectrum": [-30.0 - ring / 8 for ring in range(64)]}
        for kind, name in names
    ]


def features() -> Rows:
    """Embeddings of three dimensions: images whose seeds are close are alike."""
    return [
        {
            "image_id": row["image_id"],
            "feature_version": 2,
            "byte_size": len(row["bytes"]),
            "sharpness": 3.5,
            "embedding_model": "tiny",
            "embedding": [math.cos(row["seed"] / 30), math.sin(row["seed"] / 30), 0.1],
        }
        for row in images()
    ]


def taught() -> Rows:
    """Every second image as training row, the others as test row."""
    kept = ("image_id", "label", "generator_id", "real_source", "format", "width", "height")
    return [
        {key: row[key] for key in kept} | {"split": "test" if at % 2 else "train", "position": at}
        for at, row in enumerate(images())
    ]


def duplicates() -> Rows:
    first, second = images()[40]["image_id"], images()[41]["image_id"]
    return [{"image_id": min(first, second), "other_id": max(first, second), "distance": 3}]


def crawls() -> Rows:
    return [
        {"crawl_id": f"2026030{n}T000000Z", "status": "taken", "started_at": NOON + timedelta(days=n)}
        | {"records": 10 + n, "new": 10 if n == 1 else 1, "gone": 0, "changed": 0, "rejected": 0}
        for n in (1, 2)
    ]


def gold_catalogue() -> Rows:
    reasons = [generator[5] or "ELIGIBLE" for generator in GENERATORS]
    return [
        {"dimension": "verdict", "value": value, "models": reasons.count(value), "eligible": 0, "downloads": 0}
        for value in sorted(set(reasons))
    ]


def gold_growth() -> Rows:
    return [
        {"month": f"2025-{number + 1:02}", "family": g[2], "models": 1} for number, g in enumerate(GENERATORS[:12])
    ]


def gold_counts() -> Rows:
    rows = []
    for dimension, position in (("architecture", 1), ("family", 2), ("licence", 3)):
        for value in sorted({generator[position] for generator in GENERATORS}):
            members = [g for g in GENERATORS if g[position] == value]
            sampled = sum(g[5] is None for g in members)
            counts = {"generators": len(members), "images": 4 * sampled}
            rows.append({"dimension": dimension, "value": value} | counts)
    return rows


def gold_diversity() -> Rows:
    rows = []
    for dimension in ("architecture", "family", "licence"):
        for unit in ("generators", "images"):
            counts = [row[unit] for row in gold_counts() if row["dimension"] == dimension and row[unit]]
            bits = -sum(n / sum(counts) * math.log2(n / sum(counts)) for n in counts)
            measured = {"values": len(counts), "total": sum(counts), "entropy_bits": bits}
            rows.append({"dimension": dimension, "unit": unit, "effective_number": 2**bits} | measured)
    return rows


def cards() -> Rows:
    return [
        {"generator_id": name, "attempts": 1 if reason is None else 0, "images": 4 if reason is None else 0}
        | {"last_code": None if reason else ("NAN_IMAGE" if name == HOSTILE else "OK")}
        for name, _, _, _, _, reason in GENERATORS
    ]


@pytest.fixture(scope="session")
def full_lake(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The root of a lake that every stage has been through; tests only read it."""
    root = str(tmp_path_factory.mktemp("explorer") / "lake")
    tables: dict[Table, Rows] = {
        schemas.MODELS: models(),
        schemas.GENERATORS: generators(),
        schemas.GENERATION_ATTEMPTS: attempts(),
        schemas.IMAGES: images(),
        schemas.THUMBNAILS: thumbnails(),
        schemas.REJECTS: rejects(),
        schemas.training_rows("demo"): taught(),
        schemas.EVALUATIONS: evaluations(),
        schemas.PREDICTIONS: predictions(),
        schemas.GOLD_COUNTS: gold_counts(),
        schemas.GOLD_DIVERSITY: gold_diversity(),
        schemas.GOLD_GENERATOR_CARDS: cards(),
        schemas.GOLD_MODELS: gold_models(),
        schemas.GOLD_IMAGES: gold_images(),
        schemas.GOLD_SPECTRA: gold_spectra(),
        schemas.GOLD_CATALOGUE: gold_catalogue(),
        schemas.GOLD_GROWTH: gold_growth(),
        schemas.IMAGE_FEATURES: features(),
        schemas.DUPLICATES: duplicates(),
        schemas.CRAWLS: crawls(),
    }
    for table, rows in tables.items():
        snapshot.append(root, table, rows)
    rows_version = snapshot.current_version(root, schemas.training_rows("demo"))
    built = {"name": "demo", "version": 1, "created_at": NOON, "rows_version": rows_version, "counts": "{}"}
    nothing = {"config": "{}", "table_versions": "{}", "audit": "{}"}
    snapshot.append(root, schemas.TRAINING_SETS, [built | nothing])
    return root


@dataclass(frozen=True)
class Served:
    """An explorer that is up: its process, its address, and the file that its output goes to."""

    process: subprocess.Popen[bytes]
    port: int
    output: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serving(root: str, folder: Path) -> Iterator[Served]:
    """Run `forensics explore` in `folder` until its health check answers, and end it afterwards."""
    port, output = free_port(), folder / "explorer.log"
    command = [sys.executable, "-m", "etl.cli", "explore", "--root", root, "--port", str(port)]
    with output.open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    try:
        _await_health(process, port, output)
        yield Served(process, port, output)
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_health(process: subprocess.Popen[bytes], port: int, output: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2).close()
            return
        time.sleep(0.1)
    raise AssertionError(f"the explorer did not come up:\n{output.read_text()}")


@pytest.fixture(scope="session")
def explorer(full_lake: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The explorer of the full lake, run from a folder whose own Streamlit settings are unsafe."""
    folder = tmp_path_factory.mktemp("run")
    settings = folder / ".streamlit" / "config.toml"
    settings.parent.mkdir()
    settings.write_text('[server]\naddress = "0.0.0.0"\n[client]\nshowErrorDetails = "full"\n')
    with serving(full_lake, folder) as served:
        yield served


@pytest.fixture
def start() -> Callable[[str, Path], contextlib.AbstractContextManager[Served]]:
    """Start an explorer of the test's own."""
    return serving


OTHER_RUN = "0ac93b71d5e84f62b7f0c1d2e3f4a5b6"


def experiment() -> dict[Table, Rows]:
    """One experiment of four cells with its verdict, and the images that one cell was tested on."""
    cells, units = [], []
    for x, seed, value in ((1.0, 1, 0.6), (1.0, 2, 0.7), (8.0, 1, 0.9), (8.0, 2, 0.8)):
        keys = {"experiment": "toy", "cell": f"families/x{x:g}/s{seed}/f0/d0/linear_srm", "cell_hash": "h"}
        more = {"arm": "families", "x": x, "seed": seed, "fold": 0, "draw": 0, "detector": "linear_srm"}
        cells.append(keys | more | {"run_id": RUN, "metrics": "{}", "seconds": 1.0, "finished_at": NOON})
        counts = {"average_precision": value, "accuracy": value, "n_fake": 4, "n_real": 4}
        units.append(keys | {"test": "unseen", "unit": HOSTILE} | counts)
    effect = {
        "experiment": "toy", "effect": "more families", "detector": "linear_srm", "is_headline": True,
        "test": "unseen", "difference": 0.2, "ci_low": 0.1, "ci_high": 0.3, "level": 0.95, "minimum": 0.02,
        "units": 1, "seeds": 2, "verdict": "shown", "decided_at": NOON,
    }  # fmt: skip
    tested = [row["image_id"] for row in images()[:4]]
    scores = {key: cells[0][key] for key in ("experiment", "cell", "cell_hash")}
    return {
        schemas.EXPERIMENTS: cells,
        schemas.EXPERIMENT_UNITS: units,
        schemas.EXPERIMENT_EFFECTS: [effect],
        schemas.EXPERIMENT_IMAGES: [{"images": "i", "image_ids": tested}],
        schemas.EXPERIMENT_SCORES: [scores | {"test": "unseen", "images": "i", "logits": [1.0, -3.0, 0.5, 2.0]}],
    }


@pytest.fixture(scope="session")
def complete_lake(full_lake: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The full lake with a second detector on the same images and an experiment; tests only read it."""
    root = str(tmp_path_factory.mktemp("complete") / "lake")
    shutil.copytree(full_lake, root)
    judged = [row for row in evaluations() if row["run_id"] == RUN]
    rows = [row | {"run_id": OTHER_RUN, "value": row.get("value") and row["value"] - 0.02} for row in judged]
    snapshot.append(root, schemas.EVALUATIONS, rows)
    snapshot.append(
        root, schemas.PREDICTIONS,
        [row | {"run_id": OTHER_RUN, "logit": 0.5 - row["logit"] / 4} for row in predictions()],
    )  # fmt: skip
    for table, rows in experiment().items():
        snapshot.append(root, table, rows)
    return root
