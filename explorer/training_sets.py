"""What the explorer asks about training sets: builds, members, the audit's findings, what crosses splits."""

import json
from typing import Any

import polars as pl

from etl.lake import snapshot
from etl.lake.schemas import (
    DUPLICATE_CLUSTERS,
    EVALUATIONS,
    GENERATORS,
    GOLD_ADDITIONS,
    TRAINING_SETS,
    training_rows,
)
from explorer.reading import Snapshot

SPLITS = ("train", "val", "test")


def builds(lake: Snapshot) -> pl.DataFrame:
    """Return every build as recorded, the newest first, with its `label` NAME@VERSION."""
    label = pl.format("{}@{}", "name", "version").alias("label")
    return lake.scan(TRAINING_SETS).with_columns(label).sort("created_at", "label", descending=True).collect()


def balance(build: dict[str, Any]) -> pl.DataFrame:
    """Return split, fake, real: how many rows of each class a build has."""
    counts: dict[str, int] = json.loads(build["counts"] or "{}")
    rows = [
        {"split": split, "fake": counts.get(f"{split}/fake", 0), "real": counts.get(f"{split}/real", 0)}
        for split in SPLITS
    ]
    return pl.DataFrame(rows).filter(pl.col("fake") + pl.col("real") > 0)


def findings(build: dict[str, Any]) -> tuple[pl.DataFrame, float, list[str]]:
    """Return the audit's findings (view, split, auc, low, high, reason), its limit, the accepted views."""
    told = json.loads(build["audit"] or "{}")
    schema = {"view": pl.String, "split": pl.String, "auc": pl.Float64, "low": pl.Float64, "high": pl.Float64}
    schema |= {"n_real": pl.Int64, "n_fake": pl.Int64, "reason": pl.String}
    rows = [{name: found.get(name) for name in schema} for found in told.get("findings", [])]
    return pl.DataFrame(rows, schema=schema), float(told.get("limit", 0.6)), list(told.get("accepted", []))


def left_out(build: dict[str, Any]) -> dict[str, int]:
    """Return how many images were not taken, by reason."""
    return dict(json.loads(build["audit"] or "{}").get("left_out", {}))


def effective(build: dict[str, Any]) -> pl.DataFrame:
    """Return split, kind, q0, q1, q2: Hill numbers of a build's fakes; no rows for a build of an older release."""
    told = json.loads(build["audit"] or "{}").get("effective", {})
    rows = [(split, kind, *numbers) for split, kinds in told.items() for kind, numbers in kinds.items()]
    schema = {"split": pl.String, "kind": pl.String, "q0": pl.Float64, "q1": pl.Float64, "q2": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def members(lake: Snapshot, name: str, rows_version: int) -> pl.DataFrame:
    """Return split, label, generator_id, real_source, images of one build. Raises as `snapshot.open_table`."""
    rows = snapshot.scan(lake.root, training_rows(name), rows_version)
    keys = ["split", "label", "generator_id", "real_source"]
    return (
        rows.group_by(keys)
        .agg(pl.len().alias("images"))
        .sort("images", *keys, descending=[True] + [False] * 4)
        .collect()
    )


def crossings(lake: Snapshot, name: str, rows_version: int) -> pl.DataFrame:
    """Return unit, n, crossing: how many generators, families … there are, and how many lie in several splits.

    Counted from the rows, not taken from the recipe: 0 generators and 0 clusters is what a build promises.
    """
    rows = snapshot.scan(lake.root, training_rows(name), rows_version).select("image_id", "split", "generator_id")
    known = lake.scan(GENERATORS).select("generator_id", "family", "root_model_id").unique("generator_id")
    joined = rows.join(known, on="generator_id", how="left")
    if lake.has(DUPLICATE_CLUSTERS):
        clusters = lake.scan(DUPLICATE_CLUSTERS).select("image_id", "cluster_id")
        joined = joined.join(clusters, on="image_id", how="left")
    else:
        joined = joined.with_columns(pl.lit(None, pl.String).alias("cluster_id"))
    found = []
    for unit, column in UNITS.items():
        splits = joined.drop_nulls(column).group_by(column).agg(pl.col("split").n_unique().alias("splits"))
        found.append(
            splits.select(
                pl.lit(unit).alias("unit"), pl.len().alias("n"), (pl.col("splits") > 1).sum().alias("crossing")
            )
        )
    return pl.concat(found).collect()


UNITS = {
    "generators": "generator_id",
    "families": "family",
    "lineages": "root_model_id",
    "duplicate clusters": "cluster_id",
}
"""What may lie in several splits, and the column that names it."""


def additions(lake: Snapshot, label: str) -> pl.DataFrame:
    """Return the generators that `forensics additions` named for a build, in their order."""
    found = lake.scan(GOLD_ADDITIONS).filter(pl.col("subject") == label)
    return found.sort("rank").drop("subject", "root_model_id", "planned_at").collect()


def judged(lake: Snapshot, label: str) -> pl.DataFrame:
    """Return run_id, collection, value: the mean average precision of detectors on this set's splits."""
    wanted = (
        (pl.col("collection").str.starts_with(f"{label}/"))
        & (pl.col("slice_kind") == "mean")
        & (pl.col("metric") == "average_precision")
        & (pl.col("transform") == "none")
    )
    found = lake.scan(EVALUATIONS).filter(wanted).select("run_id", "collection", "pool", "value", "evaluated_at")
    return found.sort("evaluated_at", descending=True).collect()


def holding(lake: Snapshot, generator_ids: tuple[str, ...]) -> pl.DataFrame:
    """Return label, split, generator_id, images: which builds hold images of these generators."""
    found = []
    for build in builds(lake).iter_rows(named=True):
        rows = snapshot.scan(lake.root, training_rows(build["name"]), build["rows_version"])
        held = rows.filter(pl.col("generator_id").is_in(list(generator_ids))).group_by("split", "generator_id")
        counted = held.agg(pl.len().alias("images")).with_columns(pl.lit(build["label"]).alias("label"))
        found.append(counted.select("label", "split", "generator_id", "images"))
    schema = {"label": pl.String, "split": pl.String, "generator_id": pl.String, "images": pl.UInt32}
    return pl.concat(found).collect() if found else pl.DataFrame(schema=schema)
