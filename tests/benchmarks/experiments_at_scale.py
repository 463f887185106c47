"""The shipped full-scale experiments on a made-up catalogue of the paper's size: every cell chosen, as ids.

    python tests/benchmarks/experiments_at_scale.py --work FOLDER [--fakes 2700000]

The catalogue has the paper's composition, 4,803 generators: 4,763 models of the Hub with 403 images each, 19
chosen by hand with 40,000, 11 commercial and 10 open ones for tests; as many reals of 11 sources. Rows have no
bytes. Each experiment of conf/experiments that is not a toy's is planned by `forensics experiment --dry_run` in a
process of its own: its seconds, its peak memory, its training sets, and what of them could not be chosen.
"""

import argparse
import hashlib
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import deltalake
import numpy as np
import polars as pl
from measured import PROJECT, load_average, measured
from pyspark.sql.pandas.types import to_arrow_schema

from etl.lake import snapshot
from etl.lake.schemas import COLLECTIONS, GENERATORS, IMAGES, Table

FAMILIES = ("SD 1.x", "SD 2.x", "SDXL", "SD 3", "Flux", "PixArt", "Kandinsky", "Wuerstchen", "Kolors", "Sana")
SHARES = (0.62, 0.05, 0.22, 0.02, 0.04, 0.01, 0.01, 0.01, 0.01, 0.01)
MANUAL = {
    **dict.fromkeys(
        ("GigaGAN", "BigGAN", "StyleSANXL", "StyleGANXL", "StyleGAN2", "StyleGAN2-ADA", "StyleGAN3", "StyleSwin"),
        "GAN",
    ),
    **dict.fromkeys(("ProGAN", "ProjectedGAN", "Gansformer", "CIPS"), "GAN"),
    **dict.fromkeys(("glide", "guidedDiffusion", "DeepFloyd"), "PixDiff"),
    **dict.fromkeys(("LFM", "DiT", "VQDiffusion"), "LatDiff"),
    "tamingTransformers": "Other",
}
COMMERCIAL = (
    *("dalle2", "dalle3", "firefly-image2", "firefly-image3", "flux-dev", "flux-schnell", "ideogramv1"),
    *("ideogramv2", "imagen3", "midjourneyv5-2", "midjourneyv6-1"),
)
OPEN = {
    **dict.fromkeys(("dfgan", "galip"), "GAN"),
    "hourglass": "PixDiff",
    "stable-cascade": "Other",
    **dict.fromkeys(
        ("decidiffusionv2", "kandinsky-2-2", "kvikontent-midjourney-v6", "lcm-lora-sdv15", "lcm-lora-sdxl"),
        "LatDiff",
    ),
    "lcm-lora-ssd1b": "LatDiff",
}
NAMED = ("CompVis/stable-diffusion-v1-4", "runwayml/stable-diffusion-v1-5")
OUTSIDE = ("genimage", "forensynths", "synthbuster")
EVALUATION = "community-forensics-eval"
SOURCES = (
    "LAION",
    "ImageNet",
    "COCO",
    "FFHQ",
    "CelebA",
    "MetFaces",
    "AFHQ-v2",
    "Forchheim",
    "IMD2020",
    "LHQ",
    "VISION",
)
ROWS_A_FILE = 300_000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", required=True)
    parser.add_argument("--fakes", type=int, default=2_708_434)
    parser.add_argument("--again", action="store_true", help="plan on the lake that an earlier call made")
    asked = parser.parse_args()
    root = str(Path(asked.work).resolve() / "lake")
    if not asked.again:
        shutil.rmtree(root, ignore_errors=True)
        makers = generators()
        write(root, GENERATORS, makers)
        counts = images(root, makers, asked.fakes)
        print(f"{makers.height:,} generators, {counts[0]:,} fakes, {counts[1]:,} reals", flush=True)
    for path in sorted((PROJECT / "conf" / "experiments").glob("*.yaml")):
        if path.stem.startswith("toy_"):
            continue
        command = [
            sys.executable,
            "-m",
            "training.jobs.experiment",
            "--config",
            str(path),
            "--root",
            root,
            "--dry_run",
        ]
        cost = measured(command)
        print(
            f"\n{path.stem}, {load_average()}: {cost.wall:.1f} s, {cost.cpu:.1f} s of CPU, {cost.peak_mb:,.0f} MB"
        )
        print(cost.output, flush=True)


def generators() -> pl.DataFrame:
    """Return the rows of `generators`."""
    random = np.random.default_rng(1)
    rows = []
    family = random.choice(len(FAMILIES), 4763, p=SHARES)
    for number in range(4763):
        name = FAMILIES[family[number]]
        model = NAMED[number] if number < len(NAMED) else f"author-{number % 900}/model-{number}"
        rows.append((model, "hub", name, "LatDiff", f"base/{name}", 1 + number % 3))
    rows += [(f"manual:{name}", "manual", name, kind, f"manual:{name}", 0) for name, kind in MANUAL.items()]
    rows += [(f"commercial:{name}", "commercial", name, "Commercial", None, 0) for name in COMMERCIAL]
    rows += [(f"imported:{name}", "imported", name, kind, f"imported:{name}", 0) for name, kind in OPEN.items()]
    columns = ("generator_id", "kind", "family", "architecture", "root_model_id", "lineage_depth")
    frame = pl.DataFrame(rows, schema=list(columns), orient="row")
    start = datetime(2022, 8, 1, tzinfo=UTC)
    dates = [start + timedelta(days=int(day)) for day in random.integers(0, 900, frame.height)]
    return frame.with_columns(released_at=pl.Series(dates), eligible=pl.lit(True))


def images(root: str, makers: pl.DataFrame, fakes: int) -> tuple[int, int]:
    """Write the images of all generators, as many reals, and the places in the collections; return both counts."""
    each = {"hub": 1_919_493 / 4763, "manual": 774_023 / 19, "commercial": 14_918 / 11, "imported": 1100}
    scale = fakes / 2_719_434
    made = np.array([max(1, round(each[kind] * scale)) for kind in makers["kind"]])
    codes = np.repeat(np.arange(makers.height), made)
    names, kinds = makers["generator_id"].to_numpy(), makers["kind"].to_numpy()
    evaluated = np.isin(kinds, ("commercial", "imported"))
    random = np.random.default_rng(2)
    for start in range(0, len(codes), ROWS_A_FILE):
        part = codes[start : start + ROWS_A_FILE]
        numbers = np.arange(start, start + len(part))
        frame = described(numbers, "fake").with_columns(label=pl.lit(1), generator_id=pl.Series(names[part]))
        write(root, IMAGES, frame.with_columns(real_source=pl.Series(random.choice(SOURCES[:5], len(part)))))
        tested = frame.filter(pl.Series(evaluated[part]))
        write(root, COLLECTIONS, placed(tested))
    reals = len(codes)
    for start in range(0, reals, ROWS_A_FILE):
        numbers = np.arange(start, min(reals, start + ROWS_A_FILE))
        sources = np.array(SOURCES)[numbers % len(SOURCES)]
        frame = described(numbers, "real").with_columns(label=pl.lit(0), real_source=pl.Series(sources))
        write(root, IMAGES, frame)
        write(root, COLLECTIONS, placed(frame.filter(pl.Series(numbers < 25_918))))
    return len(codes), reals


def described(numbers: np.ndarray, kind: str) -> pl.DataFrame:
    """Return ids and what files say of themselves, alike for both classes."""
    ids = [hashlib.sha256(f"{kind} {number}".encode()).hexdigest() for number in numbers]
    random = np.random.default_rng(int(numbers[0]) if len(numbers) else 0)
    sides = 512 + random.integers(0, 4, len(numbers)) * 128
    return pl.DataFrame({"image_id": ids, "width": sides, "height": sides}).with_columns(
        format=pl.Series(np.where(random.random(len(numbers)) < 0.5, "PNG", "JPEG"), dtype=pl.String)
    )


def placed(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the places in the evaluation set, and of a part in each of the outside collections."""
    places = frame.select("image_id", collection=pl.lit(EVALUATION), split=pl.lit("test"))
    outside = [
        places[start :: len(OUTSIDE) + 1].with_columns(collection=pl.lit(name))
        for start, name in enumerate(OUTSIDE)
    ]
    return pl.concat([places, *outside])


def write(root: str, table: Table, frame: pl.DataFrame) -> None:
    """Append rows without looking for their keys."""
    if not frame.height:
        return
    snapshot.create(root, table)
    schema = to_arrow_schema(table.schema)
    missing = [pl.lit(None).alias(name) for name in table.columns if name not in frame.columns]
    rows = frame.with_columns(missing).select(table.columns).to_arrow().cast(schema)
    deltalake.write_deltalake(deltalake.DeltaTable(snapshot.address(root, table)), rows, mode="append")


if __name__ == "__main__":
    main()
