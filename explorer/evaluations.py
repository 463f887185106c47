"""What the explorer asks about detectors: their evaluations, their scores, and the images behind a figure.

Predictions are many, so they are counted where they lie: curves come from a histogram of a few thousand bins.
"""

from dataclasses import dataclass

import polars as pl
from scipy.stats import beta

from explorer.query import Condition, Query, equals, is_true, query

BASELINE = "baseline:"
"""Begins the run ids of what looks at no pixel: chance, and a forest on the files' metadata."""
FINE_BINS = 4096
"""Bins of the logits behind the curves: each edge is a threshold, whose rates are exact."""
CALIBRATION_BINS = 15
"""Of the probability, equally wide, as the metric calibration_error has them."""
ZERO = "zero"
"""The operating point at logit 0, which needs no validation images."""
GENERATOR, SOURCE = "generator", "source"
_SLICES = {GENERATOR: "generator_id", SOURCE: "real_source"}


@dataclass(frozen=True)
class Judged:
    """A detector on some images: under a degradation ("none" for none), against a pool of reals."""

    run_id: str
    collection: str
    transform: str
    pool: str


def judged() -> Query:
    """Return run_id, collection, transform, pool of every evaluation: detectors before baselines, latest first."""
    return query(
        """
        select run_id, collection, transform, pool, max(evaluated_at) as evaluated_at
        from evaluations where slice_kind <> 'operating_point'
        group by run_id, collection, transform, pool
        order by starts_with(run_id, $baseline), max(evaluated_at) desc, run_id, collection, transform, pool
        """,
        baseline=BASELINE,
    )


def runs(collection: str, transform: str, pool: str) -> Query:
    """Return a row a run judged on these images: means over generators with the interval of the first."""
    return query(
        """
        select run_id,
            max(value) filter (metric = 'average_precision') as average_precision,
            max(ci_low) filter (metric = 'average_precision') as ci_low,
            max(ci_high) filter (metric = 'average_precision') as ci_high,
            max(value) filter (metric = 'roc_auc') as roc_auc,
            max(value) filter (metric = 'accuracy') as accuracy,
            max(value) filter (metric = 'tpr_at_fpr_0.05') as tpr_at_fpr,
            max(value) filter (metric = 'equal_error_rate') as equal_error_rate,
            max(value) filter (metric = 'calibration_error') as calibration_error,
            max(n_real) as n_real, max(n_fake) as n_fake, max(evaluated_at) as evaluated_at
        from evaluations {where} group by run_id order by average_precision desc nulls last, run_id
        """,
        [is_true("slice_kind = 'mean'"), *_images(collection, transform, pool)],
    )


def overall(key: Judged) -> Query:
    """Return the evaluation's figures over all images and as means over generators."""
    return query(
        "select * from evaluations {where} order by slice_kind, metric",
        [is_true("slice_kind in ('all', 'mean')"), *_of(key)],
    )


def by_generator(key: Judged) -> Query:
    """Return one row a generator, the weakest first: both metrics, interval, counts, reason where undefined."""
    return query(
        """
        select slice as generator_id, any_value(g.family) as family, any_value(g.architecture) as architecture,
            max(value) filter (metric = 'average_precision') as average_precision,
            max(ci_low) filter (metric = 'average_precision') as ci_low,
            max(ci_high) filter (metric = 'average_precision') as ci_high,
            max(value) filter (metric = 'accuracy') as accuracy,
            max(e.n_fake) as n_fake, max(e.n_real) as n_real,
            max(e.reason) filter (metric = 'average_precision') as reason
        from evaluations e left join (select distinct on (generator_id) * from generators) g
            on g.generator_id = e.slice
        {where} group by slice order by average_precision nulls last, accuracy nulls last, generator_id
        """,
        [is_true("slice_kind = 'generator'"), *_of(key)],
    )


def heat_map(collection: str, transform: str, pool: str, metric: str, most: int) -> Query:
    """Return generator_id, run_id, value, interval, counts: the generators that are hardest for the runs.

    That is on average, the hardest first, under at most 24 runs, the latest first.
    """
    return query(
        """
        with cells as (
            select slice as generator_id, run_id, value, ci_low, ci_high, n_fake, n_real, reason, evaluated_at
            from evaluations {where}
        ), hardest as (
            select generator_id, avg(value) as mean from cells where not starts_with(run_id, $baseline)
            group by generator_id having count(value) > 0 order by mean, generator_id limit $most
        ), latest as (
            select run_id, max(evaluated_at) as judged_at from cells group by run_id
            order by starts_with(run_id, $baseline), judged_at desc, run_id limit 24
        )
        select generator_id, run_id, mean, value, ci_low, ci_high, n_fake, n_real, reason
        from cells join hardest using (generator_id) join latest using (run_id)
        order by mean, generator_id, starts_with(run_id, $baseline), judged_at desc, run_id
        """,
        [is_true("slice_kind = 'generator'"), equals("metric", metric), *_images(collection, transform, pool)],
        baseline=BASELINE,
        most=most,
    )


def thresholds(run_id: str) -> Query:
    """Return name, threshold of a run's operating points, which were fixed on its validation images."""
    return query(
        "select slice as name, any_value(value) as threshold from evaluations {where} group by slice order by 1",
        [is_true("slice_kind = 'operating_point' and metric = 'threshold'"), equals("run_id", run_id)],
    )


def score_bins(key: Judged, bins: int = FINE_BINS) -> Query:
    """Return label, low (a bin's lower edge), width, n: how the detector scored real and fake images."""
    return query(
        """
        with scores as (select label, logit from predictions {where}),
        ends as (
            select min(logit) as lowest, greatest(max(logit) - min(logit), 1e-6) / $bins as width from scores
        )
        select label, lowest + width * least($bins - 1, floor((logit - lowest) / width)) as low,
            any_value(width) as width, count(*) as n
        from scores, ends group by label, low order by label, low
        """,
        _scored(key),
        bins=bins,
    )


def calibration(key: Judged) -> Query:
    """Return bin, probability (mean), share of fakes, n: by probability, in equally wide bins."""
    return query(
        """
        with scores as (select label, 1 / (1 + exp(-logit)) as probability from predictions {where})
        select least($bins - 1, floor($bins * probability))::integer as bin,
            avg(probability) as probability, avg(label) as share, count(*) as n
        from scores group by bin order by bin
        """,
        _scored(key),
        bins=CALIBRATION_BINS,
    )


def verdicts(key: Judged, threshold: float) -> Query:
    """Return one row: how many reals and fakes there are, and how many of each lie above the threshold."""
    return query(
        """
        select count(*) filter (label = 0) as n_real, count(*) filter (label = 1) as n_fake,
            count(*) filter (label = 0 and logit > $threshold) as false_positives,
            count(*) filter (label = 1 and logit > $threshold) as caught
        from predictions {where}
        """,
        _scored(key),
        threshold=threshold,
    )


def false_positives(key: Judged, threshold: float) -> Query:
    """Return real_source, n, false_positives, rate: the sources whose photographs are called fake most often."""
    return query(
        """
        select real_source, count(*) as n, count(*) filter (logit > $threshold) as false_positives,
            avg((logit > $threshold)::integer) as rate
        from predictions {where} group by real_source order by rate desc, n desc, real_source
        """,
        [is_true("label = 0"), *_scored(key)],
        threshold=threshold,
    )


def robustness(key: Judged) -> Query:
    """Return transform, metric, value, interval of the means over generators, under every degradation."""
    return query(
        """
        select transform, metric, value, ci_low, ci_high, n_real, n_fake, reason from evaluations {where}
        order by metric, value, transform
        """,
        [
            is_true("slice_kind = 'mean' and metric in ('average_precision', 'roc_auc', 'accuracy')"),
            equals("run_id", key.run_id),
            equals("collection", key.collection),
            equals("pool", key.pool),
        ],
    )


def slice_of(text: str | None) -> tuple[str, str] | None:
    """Return the kind and the name of a part of the images that an address asks for, as generator:NAME."""
    kind, _, name = (text or "").partition(":")
    return (kind, name) if kind in _SLICES and name else None


def count_behind(key: Judged, part: tuple[str, str] | None, label: int | None, above: float | None) -> Query:
    """Return n: how many images stand behind a figure, as `behind` lists them."""
    return query("select count(*) as n from predictions {where}", _behind(key, part, label, above))


def behind(
    key: Judged, part: tuple[str, str] | None, label: int | None, threshold: float | None, page: int, size: int
) -> Query:
    """Return image_id, label, generator_id, real_source, logit: a page of the images behind a figure.

    `threshold` asks for the wrong ones among the reals (label 0: above it) or the fakes (label 1: not above it).
    The most wrong come first.
    """
    return query(
        """
        select image_id, label, generator_id, real_source, logit from predictions {where}
        order by $direction * logit, image_id limit $size offset $first
        """,
        _behind(key, part, label, threshold),
        direction=1 if label == 1 else -1,
        size=size,
        first=page * size,
    )


def curve(bins: pl.DataFrame, most: int = 500) -> pl.DataFrame:
    """Return threshold, fpr, tpr from `score_bins`, the lowest threshold first, thinned to about `most` points."""
    wide = bins.pivot("label", index="low", values="n").fill_null(0).sort("low", descending=True)
    names = [name for name in ("0", "1") if name in wide.columns]
    if len(names) < 2:
        return pl.DataFrame(schema={"threshold": pl.Float64, "fpr": pl.Float64, "tpr": pl.Float64})
    shares = [(pl.col(n).cum_sum() / pl.col(n).sum()).alias(t) for n, t in (("0", "fpr"), ("1", "tpr"))]
    points = wide.select(pl.col("low").alias("threshold"), *shares)
    step = max(1, points.height // most)
    kept = points.with_row_index().filter((pl.col("index") % step == 0) | (pl.col("index") == points.height - 1))
    first = pl.DataFrame({"threshold": [float("inf")], "fpr": [0.0], "tpr": [0.0]})
    return pl.concat([first, kept.drop("index")]).sort("threshold")


def histogram(bins: pl.DataFrame, most: int = 40) -> pl.DataFrame:
    """Return label, logit (middle of a bin), width, n, share (of the class) from `score_bins`, in few bins."""
    if bins.is_empty():
        return pl.DataFrame(schema={"label": pl.Int32, "logit": pl.Float64, "width": pl.Float64, "n": pl.Int64})
    images, fine = int(bins["n"].sum()), float(bins["width"][0])
    count = min(most, max(12, round(images**0.5)))  # few images in many bins would be a comb
    lowest, width = float(bins["low"].min()), fine * FINE_BINS / count  # type: ignore[arg-type]
    at = ((pl.col("low") + fine / 2 - lowest) / width).floor().clip(0, count - 1)
    counted = bins.group_by("label", (lowest + (at + 0.5) * width).alias("logit")).agg(pl.col("n").sum())
    share = pl.col("n") / pl.col("n").sum().over("label")
    return counted.with_columns(share.alias("share"), pl.lit(width).alias("width")).sort("label", "logit")


def with_interval(rates: pl.DataFrame, hits: str, n: str) -> pl.DataFrame:
    """Add low, high: the 95 % interval of Clopper and Pearson of the share of `hits` in `n`."""
    k, m = rates[hits].to_numpy(), rates[n].to_numpy()
    low = beta.ppf(0.025, k, m - k + 1)
    high = beta.ppf(0.975, k + 1, m - k)
    return rates.with_columns(pl.Series("low", low).fill_nan(0.0), pl.Series("high", high).fill_nan(1.0))


def _images(collection: str, transform: str, pool: str) -> list[Condition | None]:
    return [equals("collection", collection), equals("transform", transform), equals("pool", pool)]


def _of(key: Judged) -> list[Condition | None]:
    return [equals("run_id", key.run_id), *_images(key.collection, key.transform, key.pool)]


def _scored(key: Judged) -> list[Condition | None]:
    held = (equals(name, getattr(key, name)) for name in ("run_id", "collection", "transform"))
    return [*held, is_true("isfinite(logit)")]


def _behind(
    key: Judged, part: tuple[str, str] | None, label: int | None, threshold: float | None
) -> list[Condition | None]:
    wrong = None
    if threshold is not None and label is not None:
        wrong = Condition("logit <= ?" if label else "logit > ?", (threshold,))
    return [*_scored(key), equals(_SLICES[part[0]], part[1]) if part else None, equals("label", label), wrong]
