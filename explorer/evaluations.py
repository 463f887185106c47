"""What the explorer asks the lake about detectors: evaluations of runs and baselines, and their scores."""

import polars as pl

from etl.lake.schemas import EVALUATIONS, GENERATORS, PREDICTIONS
from explorer.reading import Snapshot

BASELINE = "baseline:"
"""Begins the run ids of what looks at no pixel: chance, and a forest on the files' metadata."""


def runs(lake: Snapshot) -> pl.DataFrame:
    """Return run_id, collection, transform, pool, evaluated_at of every evaluation: detectors before baselines,
    the latest first."""
    keys = ["run_id", "collection", "transform", "pool"]
    judged = lake.scan(EVALUATIONS).filter(pl.col("slice_kind") != "operating_point")
    found = judged.group_by(keys).agg(pl.col("evaluated_at").max())
    last = pl.col("run_id").str.starts_with(BASELINE)
    return found.sort(last, "evaluated_at", *keys, descending=[False, True, *[False] * 4]).collect()


def overall(lake: Snapshot, run_id: str, collection: str, transform: str, pool: str) -> pl.DataFrame:
    """Return the evaluation's figures over all images and as means over generators."""
    kinds = pl.col("slice_kind").is_in(["all", "mean"])
    found = _evaluation(lake, run_id, collection, transform, pool).filter(kinds)
    return found.sort("slice_kind", "metric").collect()


def baselines(lake: Snapshot, collection: str, pool: str) -> pl.DataFrame:
    """Return run_id and the mean average precision over generators of what looks at no pixel of these images."""
    mean = (pl.col("slice_kind") == "mean") & (pl.col("metric") == "average_precision")
    found = lake.scan(EVALUATIONS).filter(
        mean,
        pl.col("collection") == collection,
        pl.col("pool") == pool,
        pl.col("run_id").str.starts_with(BASELINE),
    )
    return found.select("run_id", "value").drop_nulls().sort("run_id").collect()


def by_generator(lake: Snapshot, run_id: str, collection: str, transform: str, pool: str) -> pl.DataFrame:
    """Return one row a generator, the weakest first: both metrics, interval, counts, reason where undefined."""
    found = _evaluation(lake, run_id, collection, transform, pool).filter(pl.col("slice_kind") == "generator")

    def of(metric: str, column: str) -> pl.Expr:
        return pl.col(column).filter(pl.col("metric") == metric).first()

    rows = found.group_by(pl.col("slice").alias("generator_id")).agg(
        of("average_precision", "value").alias("average_precision"),
        of("accuracy", "value").alias("accuracy"),
        *[of("average_precision", column) for column in ("ci_low", "ci_high", "n_real", "n_fake", "reason")],
    )
    kinds = lake.scan(GENERATORS).select("generator_id", "family", "architecture")
    joined = rows.join(kinds, on="generator_id", how="left")
    return joined.sort("average_precision", "accuracy", "generator_id", nulls_last=True).collect()


def score_bins(lake: Snapshot, run_id: str, collection: str, transform: str) -> pl.DataFrame:
    """Return label, logit (middle of a bin), width, n, share: how the detector scored real and fake images.

    Counted here, since a table of millions of scores has no place in a browser; `share` is of the class.
    """
    found = lake.scan(PREDICTIONS).filter(
        pl.col("run_id") == run_id, pl.col("collection") == collection, pl.col("transform") == transform
    )
    finite = found.filter(pl.col("logit").is_finite()).select("label", "logit").collect()
    low, high = finite["logit"].min() or 0.0, finite["logit"].max() or 0.0
    bins = min(40, max(12, round(finite.height**0.5)))  # few images in many bins would be a comb
    width = max((high - low) / bins, 1e-6)  # type: ignore[operator]
    middle = ((pl.col("logit") - low) / width).floor().clip(0, bins - 1) * width + low + width / 2
    counted = finite.group_by("label", middle.alias("logit")).agg(pl.len().alias("n"))
    share = pl.col("n") / pl.col("n").sum().over("label")
    return counted.with_columns(share.alias("share"), pl.lit(width).alias("width")).sort("label", "logit")


def _evaluation(lake: Snapshot, run_id: str, collection: str, transform: str, pool: str) -> pl.LazyFrame:
    return lake.scan(EVALUATIONS).filter(
        pl.col("run_id") == run_id,
        pl.col("collection") == collection,
        pl.col("transform") == transform,
        pl.col("pool") == pool,
    )
