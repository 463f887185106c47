"""Questions on the lake as a whole: what it holds, how it grew, what it refused and what that cost."""

from explorer.query import Query, equals, query


def totals() -> Query:
    """One row: how much of each thing there is. Counted from gold and from the small tables."""
    return query(
        "select (select count(*) from gold_models where not is_gone) as models, "
        "(select count(*) from generators) as generators, "
        "(select count(*) from generators where eligible) as eligible, "
        "(select count(*) from gold_generator_cards where images > 0) as sampled, "
        "(select count(*) from gold_images where label = 1) as fake, "
        "(select count(*) from gold_images where label = 0) as real, "
        "(select count(*) from training_sets) as training_sets, "
        "(select count(distinct run_id) from evaluations where not starts_with(run_id, 'baseline:')) as runs"
    )


def crawls() -> Query:
    """The crawls that were taken up or refused, the oldest first."""
    return query(
        "select crawl_id, started_at, mode, status, complete, records, new, changed, gone, rejected from crawls "
        "order by started_at, crawl_id"
    )


def diversity() -> Query:
    """How diverse what was sampled is, by each property."""
    return query("select * from gold_diversity order by dimension, unit")


def value_counts(dimension: str, unit: str) -> Query:
    """Generators or images by the values of one property of their generators, the commonest first."""
    column = {"generators": "generators", "images": "images"}[unit]
    text = "select value, generators, images from gold_counts {where} order by {column} desc, value"
    return query(text.replace("{column}", column), [equals("dimension", dimension)])


def refusals() -> Query:
    """What each stage refused, by code: stage, code, n; generators that may not be sampled among it."""
    return query(
        "select stage, code, count(*) as n from ("
        "select stage, code from rejects "
        "union all select 'sampling', code from generation_attempts where status = 'failed' "
        "union all select 'eligibility', reason from generators where not eligible) "
        "group by 1, 2 order by n desc, stage, code"
    )


def rejects(stage: str | None, code: str | None) -> Query:
    """The newest refused inputs."""
    return query(
        "select ts, stage, code, key, detail, run_id from rejects {where} "
        "order by ts desc nulls last, key limit 500",
        [equals("stage", stage), equals("code", code)],
    )


def attempts() -> Query:
    """Tries at generators by code, with what they cost."""
    return query(
        "select code, count(*) as tries, count(distinct generator_id) as generators, "
        "coalesce(sum(images), 0)::bigint as images, sum(seconds) / 3600 as hours, "
        "sum(download_bytes) / 1e9 as gigabytes, max(peak_memory_mb) / 1000 as peak_memory_gb "
        "from generation_attempts group by 1 order by tries desc, code"
    )


def costs() -> Query:
    """The generators whose sampling took longest, with the cost of an image that was kept."""
    return query(
        "select generator_id, count(*) as tries, coalesce(sum(images), 0)::bigint as images, "
        "sum(seconds) as seconds, sum(download_bytes) / 1e9 as gigabytes, "
        "sum(seconds) / nullif(sum(images), 0) as seconds_an_image from generation_attempts "
        "group by 1 order by seconds desc nulls last, generator_id limit 200"
    )
