"""From a recipe and pinned tables to the rows of a training set: chosen, split, balanced, audited."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.errors import ConfigError, NothingUsable
from etl.images import audit
from etl.images.candidates import candidates
from etl.images.makers import Makers, makers
from etl.images.matching import POOL, balance, trimmed
from etl.images.recipe import TrainingSetSettings
from etl.images.reencoding import reencoded
from etl.images.resizing import as_pixels
from etl.images.splits import SPLITS, draw, positions, split
from etl.lake.schemas import (
    COLLECTIONS,
    DUPLICATE_CLUSTERS,
    GENERATORS,
    IMAGE_FEATURES,
    IMAGES,
    WITHDRAWALS,
    Table,
)
from etl.lake.store import Lake

READ: tuple[Table, ...] = (IMAGES, GENERATORS, IMAGE_FEATURES, DUPLICATE_CLUSTERS, COLLECTIONS, WITHDRAWALS)
"""The tables that a recipe is about; their versions are part of a build's record."""
_REPLACED = ("format", "mode", "width", "height", "n_frames", "exif_orientation", "bit_depth", "icc_profile")
_MEASURED = ("byte_size", "jpeg_quality", "jpeg_subsampling")


@dataclass(frozen=True)
class Choice:
    """What a recipe chose from one state of the lake."""

    rows: DataFrame
    """image_id, split and position; computed."""
    counts: dict[str, int]
    """Rows by split and class."""
    left_out: dict[str, int]
    """Images that met the conditions and are not in the set, by why."""
    findings: list[audit.Finding]
    makers: Makers


def pinned(lake: Lake, table: Table, versions: Mapping[str, int]) -> DataFrame:
    """Return the table at its recorded version, no rows where it did not exist; images must."""
    if table.name not in versions and table is not IMAGES:
        return lake.spark.createDataFrame([], table.schema)
    return lake.read(table, versions.get(table.name))


def choose(lake: Lake, versions: Mapping[str, int], settings: TrainingSetSettings) -> Choice:
    """Return the rows that the recipe takes, none of a generator that was withdrawn when `versions` were read.

    Raises NothingUsable, ConfigError, as the modules behind it.

    Each step is computed and its plan cut off: nested in one another the plans take Spark minutes to print.
    """
    images, *others = [pinned(lake, table, versions) for table in READ]
    generators, features, clusters, collections, withdrawals = others
    barred = F.broadcast(withdrawals.select("generator_id"))
    usable = images.join(barred, on="generator_id", how="left_anti")
    if settings.collection:
        _require_splits(collections, settings.collection)
    found = _computed(candidates(usable, generators, features, clusters, collections, settings))
    fakes, reals = (found.where(F.col("label") == label) for label in (1, 0))
    drawn = draw(fakes, settings)
    placed = split(drawn, reals, settings).localCheckpoint()
    if settings.reencode:
        # Only what may stay is worth the decoding.
        ratio = settings.max_reals_per_fake
        few = trimmed(placed, POOL * ratio, settings.seed) if settings.match else balance(placed, settings)
        kept = balance(_as_reencoded(few, images, settings), settings).localCheckpoint()
    else:
        kept = balance(placed, settings).localCheckpoint()
    rows = positions(kept, settings.seed).localCheckpoint()
    counts = _counts(kept)
    met, in_draw, in_splits = found.count(), drawn.count(), placed.count()
    undrawn = fakes.count() - in_draw
    left_out = {
        "fakes not drawn": undrawn,
        "near duplicates of another split, or without a split": met - undrawn - in_splits,
        "without counterpart, or more reals than wanted": in_splits - sum(counts.values()),
    }
    findings = audit.audit(_seen(kept, rows), settings.seed)
    return Choice(rows, counts, left_out, findings, makers(kept))


def _require_splits(collections: DataFrame, name: str) -> None:
    splits = collections.where((F.col("collection") == name) & F.col("split").isNotNull())
    if splits.isEmpty():
        known = sorted(row.collection for row in collections.select("collection").distinct().collect())
        raise NothingUsable(f"--collection: nothing of '{name}' has a split (known: {', '.join(known) or 'none'})")


def _computed(found: DataFrame) -> DataFrame:
    """Compute the rows that meet the recipe. Raises ConfigError for a condition that fails on a row's value."""
    try:
        return found.localCheckpoint()
    except PySparkException as error:
        places = [place for place in error.getQueryContext() if place.contextType().name == "SQL"]
        if not places:
            raise
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(
            f"--where, --fakes, --reals: '{places[0].fragment()}' fails on a row: {reason}"
        ) from None


def rows_of(chosen: DataFrame, images: DataFrame, settings: TrainingSetSettings) -> DataFrame:
    """Return the chosen images with their bytes, encoded anew and then as pixels where the recipe says so."""
    rows = chosen.join(images, on="image_id", how="inner")
    if settings.reencode:
        new = reencoded(rows, settings, keep_bytes=True).select("image_id", "bytes", "format", "width", "height")
        rows = rows.drop("bytes", "format", "width", "height").join(new, on="image_id", how="inner")
    return as_pixels(rows, settings.rows_size) if settings.rows_size else rows


def _as_reencoded(pool: DataFrame, images: DataFrame, settings: TrainingSetSettings) -> DataFrame:
    """Return `pool` with the properties that its files will have once they are encoded anew."""
    wanted = images.join(pool.select("image_id"), on="image_id", how="left_semi")
    new = reencoded(wanted, settings, keep_bytes=False)
    return pool.drop(*_REPLACED, *_MEASURED).join(new, on="image_id", how="inner")


def _seen(kept: DataFrame, rows: DataFrame) -> pl.DataFrame:
    """Return what the audit sees of the first rows of each split's shuffled order."""
    first = rows.where(F.col("position") < audit.MOST_ROWS).select("image_id")
    columns = ["split", "label", *audit.COLUMNS]
    seen = kept.join(first, on="image_id", how="left_semi").orderBy("image_id").select(*columns)
    # An order of their own: the forest draws by row numbers.
    return pl.DataFrame([row.asDict() for row in seen.collect()], schema=_types(seen), orient="row")


def _types(seen: DataFrame) -> dict[str, pl.DataType]:
    return {
        field.name: pl.String() if field.dataType.typeName() == "string" else pl.Int64() for field in seen.schema
    }


def _counts(kept: DataFrame) -> dict[str, int]:
    """Count rows by split and label; raise NothingUsable when a split lacks a class."""
    found = {(r.split, r.label): r["count"] for r in kept.groupBy("split", "label").count().collect()}
    counts = {
        f"{s}/{kind}": found.get((s, label), 0) for s in SPLITS for label, kind in ((0, "real"), (1, "fake"))
    }
    if empty := [name for name, count in counts.items() if not count]:
        raise NothingUsable(
            f"the splits lack {', '.join(empty)}: at least 3 generators and 3 real images must meet the recipe's "
            "conditions and, where it matches classes, have counterparts; widen it (--reencode makes files "
            "alike), or run `forensics generate` and `forensics ingest` first"
        )
    return counts
