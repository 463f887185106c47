"""Make a lake of the size that the explorer is measured on, without Spark: made-up rows, real Delta tables.

    python tests/benchmarks/explorer_lake.py --root F [--images 2700000 --models 1000000 --thumbnails 48000]

2.7 million images (metadata; pictures for some of them), 4,800 generators, 1 million models and 20 runs with
predictions, with the gold tables that `forensics catalogue` and `forensics summarise` would write of them.
"""

import argparse
import io
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import deltalake
import numpy as np
import polars as pl
from deltalake import WriterProperties
from PIL import Image
from pyspark.sql.pandas.types import to_arrow_schema

from etl.lake import schemas, snapshot
from etl.lake.schemas import Table

NOW = datetime(2026, 11, 1, tzinfo=UTC)
FAMILIES = ["SD 1.x", "SD 2.x", "SDXL", "SD 3.x", "Flux", "PixArt", "Sana", "Kandinsky", "DDPM", "StyleGAN", "Wan"]
REASONS = ["NO_WEIGHTS", "GATED", "PICKLE_ONLY", "LICENCE", "NOT_A_PIPELINE", "TOO_BIG", "NSFW", "NO_BASE"]
LICENCES = ["openrail", "openrail++", "apache-2.0", "mit", "other", "cc-by-nc-4.0", "flux-1-dev", None]
SOURCES = ["laion", "coco", "imagenet", "openimages", "celebahq", "redcaps", "ffhq"]
EMBEDDING = 1280


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True)
    parser.add_argument("--images", type=int, default=2_700_000)
    parser.add_argument("--models", type=int, default=1_000_000)
    parser.add_argument("--generators", type=int, default=4_800)
    parser.add_argument("--thumbnails", type=int, default=48_000)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--scored", type=int, default=100_000, help="images that each run scored")
    settings = parser.parse_args()
    dice = np.random.default_rng(1)
    models = model_rows(settings.models, dice)
    generators = models.filter(pl.col("eligible")).head(settings.generators)
    images = image_rows(settings.images, generators, dice)
    for table, frame in (
        *catalogue(models, generators),
        *image_tables(images, generators, settings.thumbnails, dice),
        *judgements(images, generators, settings.runs, settings.scored, dice),
    ):
        write(settings.root, table, frame)


def write(root: str, table: Table, frame: pl.DataFrame) -> None:
    begun = time.perf_counter()
    schema = to_arrow_schema(table.schema)
    there = [pl.col(name) if name in frame.columns else pl.lit(None).alias(name) for name in table.columns]
    snapshot.create(root, table)
    group = 256 if table.holds_images and table.name == "thumbnails" else 122_880
    compression = "UNCOMPRESSED" if table.holds_images else "ZSTD"
    deltalake.write_deltalake(
        snapshot.address(root, table),
        frame.select(there).to_arrow().cast(schema),
        mode="append",
        writer_properties=WriterProperties(compression=compression, max_row_group_size=group),
    )
    print(f"{table.name:24} {frame.height:>10,} rows {time.perf_counter() - begun:6.1f} s", flush=True)


def pick(values: list[Any], n: int, dice: np.random.Generator, skew: float = 2.0) -> pl.Series:
    """Draw `n` values, the first ones more often."""
    return pl.Series(values).gather((dice.random(n) ** skew * len(values)).astype(np.int64))


def model_rows(n: int, dice: np.random.Generator) -> pl.DataFrame:
    number = pl.int_range(n, eager=True)
    eligible = pl.Series(dice.random(n) < 0.06)
    words = ["dream", "real", "anime", "ink", "photo", "lora", "turbo", "style", "portrait", "pixel", "mix", "art"]
    frame = pl.DataFrame(
        {
            "number": number,
            "author": pl.Series("author", dice.integers(0, 80_000, n)).cast(pl.String),
            "word": pick(words, n, dice, 1.0),
            "family": pick(FAMILIES, n, dice),
            "reason": pick(REASONS, n, dice),
            "licence": pick(LICENCES, n, dice, 1.3),
            "downloads": (10 ** (dice.random(n) ** 3 * 7)).astype(np.int64),
            "likes": (10 ** (dice.random(n) ** 4 * 4)).astype(np.int64),
            "weight_bytes": dice.integers(10**8, 10**10, n),
            "days": dice.integers(0, 1400, n),
            "nsfw": dice.random(n) < 0.04,
            "eligible": eligible,
        }
    )
    name = pl.format("author-{}/{}-{}", "author", "word", "number")
    root = pl.format("lab/{}", "family")
    made = frame.with_columns(
        model_id=name,
        revision=pl.format("{}", pl.col("number").hash(3)),
        architecture=pl.when(pl.col("family").is_in(["DDPM", "StyleGAN"]))
        .then(pl.lit("PixDiff"))
        .otherwise(pl.lit("LatDiff")),
        pipeline_class=pl.lit("StableDiffusionPipeline"),
        gated=pl.lit("no"),
        root_model_id=root,
        base_model_id=root,
        relation=pl.lit("finetune"),
        lineage_depth=(pl.col("number") % 4).cast(pl.Int32),
        reason=pl.when(pl.col("eligible")).then(None).otherwise(pl.col("reason")),
        created_at=pl.lit(NOW) - pl.duration(days="days"),
        last_modified=pl.lit(NOW),
        is_gone=pl.lit(False),
    )
    return made.sort("downloads", "model_id", descending=[True, False])


def image_rows(n: int, generators: pl.DataFrame, dice: np.random.Generator) -> pl.DataFrame:
    hexed = dice.bytes(32 * n).hex()
    ids = pl.Series([hexed[at : at + 64] for at in range(0, 64 * n, 64)])
    real = pl.Series(dice.random(n) < 0.1)
    maker = pl.Series((dice.random(n) ** 1.6 * generators.height).astype(np.int64))
    frame = pl.DataFrame(
        {
            "image_id": ids,
            "label": (~real).cast(pl.Int32),
            "maker": maker,
            "real_source": pick(SOURCES, n, dice, 1.2),
            "format": pick(["PNG", "JPEG", "WEBP"], n, dice),
            "width": pick([512, 768, 1024, 640], n, dice).cast(pl.Int32),
            "height": pick([512, 768, 1024, 640], n, dice).cast(pl.Int32),
            "byte_size": dice.integers(40_000, 900_000, n),
            "subject": dice.integers(0, 100_000, n),
            "marked": dice.random(n) < 0.005,
            "minutes": dice.integers(0, 500_000, n),
        }
    )
    kinds = generators.select(
        *("family", "architecture", "root_model_id"),
        generator_id="model_id",
        generator_licence="licence",
        maker_nsfw="nsfw",
    ).with_columns(maker=pl.int_range(generators.height), kind=pl.lit("hub"))
    joined = frame.join(kinds, on="maker", how="left", maintain_order="left")
    fake = pl.col("label") == 1
    of_maker = ("generator_id", "kind", "architecture", "family", "root_model_id", "generator_licence")
    text = "a photograph of subject number {} in the manner of an old master, soft light, shallow depth of field"
    rows = joined.with_columns(
        *[pl.when(fake).then(pl.col(name)).alias(name) for name in of_maker],
        nsfw=pl.col("marked") | (fake & pl.col("maker_nsfw")),
        real_source=pl.when(fake).then(None).otherwise(pl.col("real_source")),
        source=pl.when(fake).then(pl.lit("plan-1")).otherwise(pl.lit("photos")),
        licence=pl.lit("openrail"),
        prompt=pl.format(text, "subject"),
        ingested_at=pl.lit(NOW) - pl.duration(minutes="minutes"),
        place=pl.col("image_id").str.slice(0, 15).str.to_integer(base=16),
        seed=pl.col("subject"),
        steps=pl.lit(50),
    )
    return rows.sort("place")


def catalogue(models: pl.DataFrame, generators: pl.DataFrame) -> list[tuple[Table, pl.DataFrame]]:
    base = pl.struct(model_id="base_model_id", relation="relation")
    full = models.with_columns(
        base_models=pl.concat_list(base), is_current=pl.lit(True), last_seen=pl.lit(NOW), first_seen="created_at"
    )
    named = generators.with_columns(
        generator_id="model_id", kind=pl.lit("hub"), name="model_id", released_at="created_at"
    )
    month = pl.col("created_at").dt.strftime("%Y-%m").alias("month")
    grown = models.group_by(month, "family").agg(pl.len().alias("models"), pl.col("eligible").sum().cast(pl.Int64))
    verdicts = models.group_by(pl.col("reason").fill_null("ELIGIBLE").alias("value")).agg(
        pl.len().alias("models"), pl.col("eligible").sum().cast(pl.Int64), pl.col("downloads").sum()
    )
    dimension = verdicts.with_columns(dimension=pl.lit("verdict"), share=pl.col("models") / models.height)
    crawls = pl.DataFrame(
        {
            "crawl_id": [f"2026{m:02}01T000000Z" for m in range(1, 11)],
            "started_at": [NOW - timedelta(days=30 * (11 - m)) for m in range(1, 11)],
            "records": [models.height * m // 10 for m in range(1, 11)],
            "status": ["taken"] * 10,
            "mode": ["sweep"] * 10,
            "complete": [True] * 10,
            "new": [models.height // 10] * 10,
            "gone": [100] * 10,
            "changed": [1000] * 10,
        }
    )
    return [
        (schemas.MODELS, full),
        (schemas.GOLD_MODELS, models),
        (schemas.GENERATORS, named),
        (schemas.GOLD_GROWTH, grown),
        (schemas.GOLD_CATALOGUE, dimension),
        (schemas.CRAWLS, crawls),
    ]


def image_tables(
    images: pl.DataFrame, generators: pl.DataFrame, thumbnails: int, dice: np.random.Generator
) -> list[tuple[Table, pl.DataFrame]]:
    pictures = [picture(n) for n in range(200)]
    shown = images.head(thumbnails)  # in the gallery's order, so that they are of all generators
    chosen = pl.Series([pictures[n] for n in dice.integers(0, 200, shown.height)], dtype=pl.Binary)
    shown = shown.with_columns(jpeg=chosen).sort("generator_id", "image_id")
    plain = images.join(shown.select("image_id", bytes="jpeg"), on="image_id", how="left", maintain_order="left")
    made = images.filter(pl.col("label") == 1).group_by("generator_id").agg(pl.len().alias("images"))
    cards = generators.with_columns(generator_id="model_id", kind=pl.lit("hub"), released_at="created_at").join(
        made, on="generator_id", how="left"
    )
    cards = cards.with_columns(attempts=pl.lit(1), last_code=pl.lit("OK"), images=pl.col("images").fill_null(0))
    tries = cards.select("generator_id", "images").with_columns(
        *(pl.lit("plan-1").alias("plan_id"), pl.lit(1).alias("attempt"), pl.lit("ok").alias("status")),
        *(pl.lit("OK").alias("code"), pl.lit(300.0).alias("seconds"), pl.lit(NOW).alias("started_at")),
    )
    counts = []
    for name in ("architecture", "family", "licence", "kind", "root_model_id"):
        value = pl.col(name).fill_null("unknown").alias("value")
        by = cards.group_by(value).agg(pl.len().alias("generators"), pl.col("images").sum())
        counts.append(by.with_columns(dimension=pl.lit(name)))
    counted = pl.concat(counts)
    curve = -40.0 - 30.0 * np.linspace(0, 1, 64)
    names = [("generator", n) for n in generators["model_id"]] + [("real_source", n) for n in SOURCES]
    names += [("label", "fake"), ("label", "real")]
    spectra = pl.DataFrame({"kind": [k for k, _ in names], "name": [n for _, n in names]}).with_columns(
        images=pl.lit(500), spectrum=pl.Series([(curve + dice.normal(0, 1, 64)).tolist() for _ in names])
    )
    embeddings = dice.standard_normal((shown.height, EMBEDDING), dtype=np.float32)
    features = shown.select("image_id", "byte_size", "format", "width", "height").with_columns(
        feature_version=pl.lit(2), embedding_model=pl.lit("made up"), embedding=pl.Series(embeddings)
    )
    features = features.with_columns(pl.col("embedding").arr.to_list())
    pairs = shown.select("image_id").with_columns(other_id=pl.col("image_id").shift(-1), distance=pl.lit(3))
    refused = pl.DataFrame({"key": [f"folder/{n}.jpg" for n in range(50_000)]}).with_columns(
        *(pl.lit("ingest").alias("stage"), pl.lit("r1").alias("run_id"), pl.lit(NOW).alias("ts")),
        code=pick(["TRUNCATED", "NOT_IMAGE", "TOO_BIG", "UNREADABLE"], 50_000, dice),
    )
    placed = images.select("image_id", added_at="ingested_at").with_columns(collection=pl.lit("released"))
    return [
        (schemas.GOLD_IMAGES, images),
        (schemas.IMAGES, plain.sort("generator_id", "image_id")),
        (schemas.THUMBNAILS, shown),
        (schemas.COLLECTIONS, placed.sample(fraction=1.0, shuffle=True, seed=1)),
        (schemas.IMAGE_FEATURES, features),
        (schemas.DUPLICATES, pairs.drop_nulls().head(20_000)),
        (schemas.REJECTS, refused),
        (schemas.GENERATION_ATTEMPTS, tries),
        (schemas.GOLD_GENERATOR_CARDS, cards),
        (schemas.GOLD_COUNTS, counted),
        (schemas.GOLD_SPECTRA, spectra),
    ]


def judgements(
    images: pl.DataFrame, generators: pl.DataFrame, runs: int, scored: int, dice: np.random.Generator
) -> list[tuple[Table, pl.DataFrame]]:
    chosen = images.sample(min(scored, images.height), seed=1).select(
        "image_id", "label", "generator_id", "real_source", "format"
    )
    keys = {"collection": "released@1/test", "transform": "none"}
    scores, rows = [], []
    for run in range(runs):
        logit = dice.normal(0, 1, chosen.height) + (2 * chosen["label"].to_numpy() - 1) * (0.5 + run / 10)
        name = f"{run:032x}"
        at = NOW + timedelta(hours=run)
        words = {k: pl.lit(v) for k, v in (keys | {"run_id": name, "scored_at": at}).items()}
        scores.append(chosen.with_columns(logit=pl.Series(logit), **words))
        slices = generators.select(slice="model_id").with_columns(slice_kind=pl.lit("generator"))
        for kind, named in (("all", ["all"]), ("mean", ["mean"]), ("real_source", SOURCES), ("family", FAMILIES)):
            one = pl.DataFrame({"slice": named}).with_columns(slice_kind=pl.lit(kind))
            slices = pl.concat([slices, one])
        for metric in ("average_precision", "accuracy", "roc_auc"):
            value = pl.Series(np.clip(dice.normal(0.8 + run / 200, 0.1, slices.height), 0, 1))
            words = {k: pl.lit(v) for k, v in (keys | {"run_id": name, "metric": metric, "pool": "all"}).items()}
            words |= {"n_real": pl.lit(10_000), "n_fake": pl.lit(20), "evaluated_at": pl.lit(at)}
            interval = {"value": value, "ci_low": value - 0.05, "ci_high": value + 0.05}
            rows.append(slices.with_columns(interval_over=pl.lit("generators"), **interval, **words))
    return [(schemas.PREDICTIONS, pl.concat(scores)), (schemas.EVALUATIONS, pl.concat(rows))]


def picture(seed: int, edge: int = 256) -> bytes:
    """Encode a soft noise picture of about 12 kB."""
    dice = np.random.default_rng(seed)
    coarse = dice.integers(0, 256, (24, 24, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((edge, edge), Image.Resampling.BICUBIC)
    grain = np.clip(np.asarray(image, np.int16) + dice.integers(-12, 12, (edge, edge, 1)), 0, 255).astype(np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(grain).save(encoded, "JPEG", quality=72)
    return encoded.getvalue()


if __name__ == "__main__":
    main()
