"""Everything the explorer asks the lake: functions of a snapshot and filters that return Polars frames.

Filters arrive as values and meet the rows in Polars expressions, never as text of a query; text is looked for
literally. Only the gallery's page and one image's card read encoded images, by id.
"""

from dataclasses import dataclass

import polars as pl

from etl.lake.schemas import (
    EVALUATIONS,
    GENERATION_ATTEMPTS,
    GENERATORS,
    GOLD_COUNTS,
    GOLD_DIVERSITY,
    GOLD_GENERATOR_CARDS,
    IMAGES,
    MODELS,
    REJECTS,
    THUMBNAILS,
    TRAINING_SETS,
)
from explorer.evaluations import BASELINE
from explorer.reading import Snapshot

PAGE = 48
"""Thumbnails on one page of the gallery."""

LONGEST_LINEAGE = 20
"""Bases followed upwards: real chains have a handful, and a card may name itself."""


@dataclass(frozen=True)
class ImageFilter:
    """Which images a gallery shows; None and "" mean any."""

    label: int | None = None
    generator: str | None = None
    family: str | None = None
    text: str = ""
    nsfw: bool = False
    """Whether images, and images of generators, that are marked not safe for work are shown."""


def totals(lake: Snapshot) -> pl.DataFrame:
    """Return one row: how much of each thing the lake holds."""
    generators, images, evaluations = lake.scan(GENERATORS), lake.scan(IMAGES), lake.scan(EVALUATIONS)
    counts = [
        lake.scan(MODELS).select(pl.col("model_id").n_unique().cast(pl.Int64).alias("models")),
        generators.select(pl.len().alias("generators"), pl.col("eligible").sum().alias("eligible")),
        images.select(
            pl.col("generator_id").drop_nulls().n_unique().alias("sampled"),
            (pl.col("label") == 1).sum().alias("fake"),
            (pl.col("label") == 0).sum().alias("real"),
        ),
        lake.scan(TRAINING_SETS).select(pl.len().alias("training_sets")),
        evaluations.filter(~pl.col("run_id").str.starts_with(BASELINE)).select(
            pl.col("run_id").n_unique().alias("runs")
        ),
        lake.scan(REJECTS).select(pl.len().alias("rejects")),
    ]
    return pl.concat(pl.collect_all(counts), how="horizontal")


def value_counts(lake: Snapshot) -> pl.DataFrame:
    """Return dimension, value, generators, images; the commonest first."""
    return lake.scan(GOLD_COUNTS).sort("generators", "images", "value", descending=[True, True, False]).collect()


def diversity(lake: Snapshot) -> pl.DataFrame:
    """Return the Shannon entropy (bits) and effective number of each dimension and unit."""
    return lake.scan(GOLD_DIVERSITY).sort("dimension", "unit").collect()


def refusals(lake: Snapshot) -> pl.DataFrame:
    """Return stage, code, n: what each stage refused and why, generators that are not eligible among it."""
    ineligible = (
        lake.scan(GENERATORS)
        .filter(~pl.col("eligible"))
        .select(pl.lit("eligibility").alias("stage"), pl.col("reason").alias("code"))
    )
    failed = (
        lake.scan(GENERATION_ATTEMPTS)
        .filter(pl.col("status") == "failed")
        .select(pl.lit("sampling").alias("stage"), "code")
    )
    refused = lake.scan(REJECTS).select("stage", "code")
    counts = pl.concat([ineligible, failed, refused]).group_by("stage", "code").agg(pl.len().alias("n"))
    return counts.sort("n", "stage", "code", descending=[True, False, False]).collect()


def generators(
    lake: Snapshot, text: str = "", eligible: bool | None = None, family: str | None = None
) -> pl.DataFrame:
    """Return the generators whose name holds `text`, with what was made so far, most downloaded first."""
    found = lake.scan(GENERATORS)
    if text:
        found = found.filter(_holds("generator_id", text) | _holds("name", text))
    if eligible is not None:
        found = found.filter(pl.col("eligible") == eligible)
    if family is not None:
        found = found.filter(pl.col("family") == family)
    cards = lake.scan(GOLD_GENERATOR_CARDS).select("generator_id", "attempts", "last_code", "images")
    joined = found.join(cards, on="generator_id", how="left")
    return joined.sort("downloads", "generator_id", descending=[True, False], nulls_last=True).collect()


def families(lake: Snapshot) -> pl.DataFrame:
    """Return the generators' families, sorted."""
    return lake.scan(GENERATORS).select(pl.col("family").drop_nulls().unique().sort()).collect()


def attempts(lake: Snapshot, generator_id: str) -> pl.DataFrame:
    """Return the tries at one generator, the latest first."""
    found = lake.scan(GENERATION_ATTEMPTS).filter(pl.col("generator_id") == generator_id)
    return found.sort("started_at", "attempt", descending=True).collect()


def lineage(lake: Snapshot, model_id: str) -> pl.DataFrame:
    """Return depth, model_id, relation: the model itself and the bases it names, upwards to its root."""
    rows: list[tuple[int, str, str]] = [(0, model_id, "")]
    seen = {model_id}
    while lake.has(MODELS) and len(rows) < LONGEST_LINEAGE:
        newest = lake.scan(MODELS).filter(pl.col("model_id") == rows[-1][1]).sort("last_seen").last()
        bases = newest.select(pl.col("base_models").explode().struct.unnest()).drop_nulls("model_id").collect()
        if bases.is_empty() or bases["model_id"][0] in seen:
            break
        seen.add(bases["model_id"][0])
        rows.append((len(rows), bases["model_id"][0], bases["relation"][0] or "base"))
    return pl.DataFrame(
        rows, schema={"depth": pl.Int64, "model_id": pl.String, "relation": pl.String}, orient="row"
    )


def sampled_generators(lake: Snapshot) -> pl.DataFrame:
    """Return generator_id, family, n: the generators that have thumbnails."""
    counts = lake.scan(THUMBNAILS).drop_nulls("generator_id").group_by("generator_id").agg(pl.len().alias("n"))
    families = lake.scan(GENERATORS).select("generator_id", "family")
    return counts.join(families, on="generator_id", how="left").sort("generator_id").collect()


def count_images(lake: Snapshot, chosen: ImageFilter) -> pl.DataFrame:
    """Return one row: how many images match, `hidden` of them for being marked not safe for work."""
    shown = _matching(lake, chosen).select(pl.len().alias("n"))
    every = _matching(lake, ImageFilter(chosen.label, chosen.generator, chosen.family, chosen.text, nsfw=True))
    n, total = pl.collect_all([shown, every.select(pl.len().alias("total"))])
    return pl.concat([n, total], how="horizontal").with_columns((pl.col("total") - pl.col("n")).alias("hidden"))


def gallery(lake: Snapshot, chosen: ImageFilter, page: int = 0, size: int = PAGE) -> pl.DataFrame:
    """Return one page of matching thumbnails: image_id, generator_id, label, jpeg.

    They are sorted by id, which is a hash and so a shuffle that stays the same: a first page shows a fair
    mixture rather than one generator.
    """
    ids = _matching(lake, chosen).select("image_id").sort("image_id").slice(page * size, size).collect()
    wanted = _thumbnails(lake, chosen).filter(pl.col("image_id").is_in(ids["image_id"].implode()))
    return wanted.select("image_id", "generator_id", "label", "jpeg").collect().sort("image_id")


def image(lake: Snapshot, image_id: str) -> pl.DataFrame:
    """Return the image's row with its bytes and its generator's family, or no row."""
    found = lake.scan(IMAGES).filter(pl.col("image_id") == image_id)
    families = lake.scan(GENERATORS).select("generator_id", "family", pl.col("nsfw").alias("generator_nsfw"))
    return found.join(families, on="generator_id", how="left").collect()


def _thumbnails(lake: Snapshot, chosen: ImageFilter) -> pl.LazyFrame:
    """Thumbnails of the label and generator: the table is sorted by generator, so other groups are not read."""
    found = lake.scan(THUMBNAILS)
    if chosen.label is not None:
        found = found.filter(pl.col("label") == chosen.label)
    if chosen.generator is not None:
        found = found.filter(pl.col("generator_id") == chosen.generator)
    return found


def _matching(lake: Snapshot, chosen: ImageFilter) -> pl.LazyFrame:
    """Thumbnails that match, joined only with the few rows of other tables that decide."""
    found = _thumbnails(lake, chosen).select("image_id", "generator_id", "label")
    if chosen.family is not None:
        members = lake.scan(GENERATORS).filter(pl.col("family") == chosen.family).select("generator_id")
        found = found.join(members, on="generator_id", how="semi")
    if chosen.text:
        told = lake.scan(IMAGES).filter(_holds("prompt", chosen.text)).select("image_id")
        found = found.join(told, on="image_id", how="semi")
    if not chosen.nsfw:
        images = lake.scan(IMAGES).filter(pl.col("nsfw")).select("image_id")
        generators = lake.scan(GENERATORS).filter(pl.col("nsfw")).select("generator_id")
        found = found.join(images, on="image_id", how="anti").join(generators, on="generator_id", how="anti")
    return found


def _holds(column: str, text: str) -> pl.Expr:
    return pl.col(column).str.to_lowercase().str.contains(text.lower(), literal=True)
