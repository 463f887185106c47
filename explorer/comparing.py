"""What the explorer asks about two detectors judged on the same images: differences, and flipped verdicts."""

import polars as pl

from explorer import page
from explorer.query import Query, query
from explorer.reading import Snapshot

_THRESHOLDS = """
    select run_id, any_value(threshold) as threshold from evaluations
    where slice_kind = 'operating_point' and slice = 'balanced' and metric = 'threshold' group by run_id
"""


def pairs() -> Query:
    """Every (collection, transform, run) that has scores, baselines left out."""
    return query(
        "select distinct collection, transform, run_id from evaluations where slice_kind = 'all' "
        "and run_id not like 'baseline:%' order by all"
    )


def differences(a: str, b: str, collection: str, transform: str, pool: str, metric: str) -> Query:
    """Each generator's metric under both detectors and the difference B - A, the largest loss first."""
    return query(
        """
        select x.slice as generator_id, any_value(g.family) as family, any_value(x.value) as a,
               any_value(y.value) as b, any_value(y.value - x.value) as difference,
               any_value(x.n_fake) as n_fake, any_value(x.n_real) as n_real
        from evaluations x
        join evaluations y using (slice_kind, slice, collection, transform, pool, metric)
        left join generators g on g.generator_id = x.slice
        where x.slice_kind = 'generator' and x.run_id = $a and y.run_id = $b and collection = $collection
          and transform = $transform and pool = $pool and metric = $metric
        group by x.slice order by difference nulls last, generator_id
        """,
        a=a, b=b, collection=collection, transform=transform, pool=pool, metric=metric,
    )  # fmt: skip


def means(a: str, b: str, collection: str, transform: str, pool: str) -> Query:
    """The unweighted means over generators of both detectors, by metric."""
    return query(
        """
        select x.metric, x.value as a, y.value as b, y.value - x.value as difference
        from evaluations x join evaluations y using (slice_kind, slice, collection, transform, pool, metric)
        where x.slice_kind = 'mean' and x.run_id = $a and y.run_id = $b and collection = $collection
          and transform = $transform and pool = $pool order by x.metric
        """,
        a=a, b=b, collection=collection, transform=transform, pool=pool,
    )  # fmt: skip


def flipped(a: str, b: str, collection: str, transform: str, limit: int, offset: int) -> Query:
    """Images that one detector calls fake and the other real, each by its own threshold from validation (else 0).

    Those on which the detectors are furthest apart come first.
    """
    return query(
        f"""
        with limits as ({_THRESHOLDS}),
        a as (select image_id, label, generator_id, real_source, logit from predictions
              where run_id = $a and collection = $collection and transform = $transform),
        b as (select image_id, logit from predictions
              where run_id = $b and collection = $collection and transform = $transform),
        told as (
            select a.image_id, label, generator_id, real_source, a.logit as logit_a, b.logit as logit_b,
                   a.logit > coalesce((select threshold from limits where run_id = $a), 0) as a_fake,
                   b.logit > coalesce((select threshold from limits where run_id = $b), 0) as b_fake
            from a join b using (image_id))
        select image_id, label, generator_id, real_source, logit_a, logit_b, a_fake, b_fake,
               count(*) over () as total
        from told where a_fake != b_fake
        order by abs(logit_b - logit_a) desc, image_id limit $limit offset $offset
        """,  # noqa: S608 (a constant of this module)
        a=a, b=b, collection=collection, transform=transform, limit=limit, offset=offset,
    )  # fmt: skip


def shared(lake: Snapshot) -> dict[tuple[str, str], list[str]]:
    """Return the runs that were judged on each (collection, transform), where there are at least two."""
    found: dict[tuple[str, str], list[str]] = {}
    for collection, transform, run in page.rows(lake, pairs()).iter_rows():
        found.setdefault((collection, transform), []).append(run)
    return {key: runs for key, runs in found.items() if len(runs) > 1}


def with_verdicts(rows: pl.DataFrame) -> pl.DataFrame:
    """Return flipped images with what was right and what each detector said, as words."""

    def word(column: str) -> pl.Expr:
        return pl.when(pl.col(column)).then(pl.lit("fake")).otherwise(pl.lit("real"))

    truth = pl.when(pl.col("label") == 1).then(pl.lit("fake")).otherwise(pl.lit("real"))
    return rows.with_columns(truth=truth, a_says=word("a_fake"), b_says=word("b_fake"))
