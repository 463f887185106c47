"""Questions on generators: the list, and all that is known about one."""

from explorer.query import Query, equals, holds, is_true, query

PAGE = 50
ORDERS = {
    "Most images": "images desc nulls last, generator_id",
    "Most downloaded": "downloads desc nulls last, generator_id",
    "Newest": "released_at desc nulls last, generator_id",
    "By name": "generator_id",
}
SAMPLED = {
    "All": "",
    "Sampled": "coalesce(c.images, 0) > 0",
    "Eligible": "g.eligible",
    "Refused": "not g.eligible",
}


def _from(words: str, family: str | None, state: str) -> tuple[str, list[object]]:
    return (
        "from generators g left join gold_generator_cards c using (generator_id)",
        [
            holds(("g.generator_id", "g.name"), words),
            equals("g.family", family),
            is_true(SAMPLED[state]) if SAMPLED[state] else None,
        ],
    )


def count(words: str, family: str | None, state: str) -> Query:
    source, where = _from(words, family, state)
    return query(" ".join(["select count(*) as n", source, "{where}"]), where)  # type: ignore[arg-type]


def page(words: str, family: str | None, state: str, order: str, number: int) -> Query:
    """One page of the list; `number` counts from 0."""
    source, where = _from(words, family, state)
    columns = (
        "select g.generator_id, g.family, g.architecture, g.eligible, g.reason, coalesce(c.images, 0) as images, "
        "c.last_code, g.licence, g.downloads, g.released_at"
    )
    text = " ".join([columns, source, "{where} order by", ORDERS[order], "limit $size offset $start"])
    return query(text, where, size=PAGE, start=number * PAGE)  # type: ignore[arg-type]


def families() -> Query:
    return query(
        "select family as value, count(*) as n from generators where family is not null "
        "group by 1 order by 2 desc, 1"
    )


def generator(generator_id: str) -> Query:
    """All that the catalogue knows of one, with its number of images."""
    return query(
        "select g.*, coalesce(c.images, 0) as images from generators g "
        "left join gold_generator_cards c using (generator_id) where g.generator_id = $id",
        id=generator_id,
    )


def attempts(generator_id: str) -> Query:
    """The tries at one generator, the latest first."""
    return query(
        "select plan_id, attempt, status, code, images, seconds, download_bytes / 1e6 as megabytes, "
        "coalesce(peak_gpu_memory_mb, peak_memory_mb) as peak_memory_mb, started_at, message "
        "from generation_attempts where generator_id = $id order by started_at desc, attempt desc limit 50",
        id=generator_id,
    )


def settings(generator_id: str) -> Query:
    """The settings with which its images were made: one row a combination, the commonest first."""
    return query(
        "select steps, guidance, scheduler, dtype, device, model_revision, format, width, height, "
        "count(*) as images "
        "from images where generator_id = $id group by all order by images desc limit 20",
        id=generator_id,
    )


def spectra(generator_id: str) -> Query:
    """Mean spectra (dB) of one generator and of all real images."""
    return query(
        "select kind, name, images, spectrum from gold_spectra "
        "where (kind = 'generator' and name = $id) or (kind = 'label' and name = 'real')",
        id=generator_id,
    )


def detection(generator_id: str) -> Query:
    """How well every detector told its images from reals, the worst first."""
    return query(
        "select run_id, collection, transform, pool, "
        "max(value) filter (metric = 'average_precision') as average_precision, "
        "max(ci_low) filter (metric = 'average_precision') as ci_low, "
        "max(ci_high) filter (metric = 'average_precision') as ci_high, "
        "max(value) filter (metric = 'accuracy') as accuracy, max(n_fake) as n_fake, max(n_real) as n_real "
        "from evaluations where slice_kind = 'generator' and slice = $id "
        "group by all order by average_precision nulls last, run_id limit 200",
        id=generator_id,
    )
