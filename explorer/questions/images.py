"""Questions on images: galleries and filters from `gold_images`, which holds no bytes; pictures by their ids."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from explorer.query import Condition, Query, at_least, equals, holds, is_true, query

PAGE = 48
"""Thumbnails on one page of the gallery."""
FACETS = ("family", "architecture", "format", "real_source", "source", "licence", "generator_licence", "kind")
"""Columns with few values, offered as filters."""
ORDERS = {
    "Mixed": "place",
    "Newest first": "ingested_at desc, place",
    "Largest first": "width * height desc, place",
}
"""Orders of a gallery; ids are hashes, so that `place` mixes makers, and stays the same."""


@dataclass(frozen=True)
class ImageFilter:
    """Which images a gallery shows; None and "" mean any."""

    label: int | None = None
    generator: str | None = None
    maker: str = ""
    prompt: str = ""
    facets: tuple[tuple[str, str], ...] = ()
    """Columns of FACETS with the value that they must have."""
    root: str | None = None
    least_edge: int | None = None
    since: date | None = None
    until: date | None = None
    nsfw: bool = False
    """Whether images that are marked not safe for work, or whose generator is, are shown."""

    def conditions(self) -> list[Condition | None]:
        until = self.until + timedelta(days=1) if self.until else None
        return [
            equals("label", self.label),
            equals("generator_id", self.generator),
            equals("root_model_id", self.root),
            *[equals(column, value) for column, value in self.facets if column in FACETS],
            holds(("generator_id", "real_source"), self.maker),
            holds(("prompt",), self.prompt),
            at_least("least(width, height)", self.least_edge),
            at_least("ingested_at", self.since),
            None if until is None else Condition("ingested_at < ?", (until,)),
            None if self.nsfw else is_true("not nsfw"),
        ]


def count(chosen: ImageFilter) -> Query:
    """How many images match (n), and how many of those are hidden for being not safe for work."""
    hidden = "0" if chosen.nsfw else "count(*) filter (nsfw)"
    text = "select count(*) - {hidden} as n, {hidden} as hidden from gold_images {where}"
    return query(text.replace("{hidden}", hidden), replace(chosen, nsfw=True).conditions())


def page(chosen: ImageFilter, number: int, order: str = "Mixed", size: int = PAGE) -> Query:
    """One page of what matches: image_id, label, generator_id, real_source, nsfw; `number` counts from 0."""
    text = (
        "with found as (select place from gold_images {where} order by {order} limit $size offset $start) "
        "select image_id, label, generator_id, real_source, nsfw from gold_images semi join found using (place) "
        "order by {order}"
    )
    return query(text.replace("{order}", ORDERS[order]), chosen.conditions(), size=size, start=number * size)


def thumbnails(image_ids: Sequence[str]) -> Query:
    """The thumbnails of these images: image_id, jpeg."""
    return query(
        "select image_id, jpeg from thumbnails where image_id in (select unnest($ids::varchar[]))",
        ids=tuple(image_ids),
    )


def facets(chosen: ImageFilter) -> Query:
    """How many of the images that match have each value of each facet: facet, value, n; the commonest first."""
    named = " ".join(
        ["case", *[f"when grouping({column}) = 0 then '{column}'" for column in FACETS], "end as facet"]
    )
    text = (
        "select {named}, coalesce({columns}) as value, count(*) as n from gold_images {where} "
        "group by grouping sets ({sets}) having value is not null order by facet, n desc, value"
    )
    text = text.replace("{named}", named).replace("{columns}", ", ".join(FACETS))
    return query(text.replace("{sets}", ", ".join(f"({column})" for column in FACETS)), chosen.conditions())


def listed(image_id: str) -> Query:
    """The image's row of `gold_images`, or none; quick, for its rows lie in the order of ids."""
    return query(
        "select * from gold_images where place = $place and image_id = $id",
        id=image_id,
        place=int(image_id[:15], 16),
    )


def image(image_id: str, generator_id: str | None) -> Query:
    """The image's row of `images` with its bytes; the generator, where known, tells which files may hold it."""
    return query(
        "select * from images {where}", [equals("image_id", image_id), equals("generator_id", generator_id)]
    )


def near_duplicates(image_id: str) -> Query:
    """The images that look alike by perceptual hash: image_id, distance (bits of 64)."""
    return query(
        "select case when image_id = $id then other_id else image_id end as image_id, min(distance) as distance "
        "from duplicates where image_id = $id or other_id = $id group by 1 order by 2, 1 limit 24",
        id=image_id,
    )


def marked(image_ids: Sequence[str]) -> Query:
    """Whether images are not safe for work, as `gold_images` says it of those that it holds: image_id, nsfw."""
    return query(
        "select i.image_id, coalesce(i.nsfw, false) or coalesce(g.nsfw, false) as nsfw from images i "
        "left join generators g using (generator_id) where i.image_id in (select unnest($ids::varchar[]))",
        ids=tuple(image_ids),
    )


def features(image_id: str) -> Query:
    """What was measured on the image, its embedding left out."""
    return query("select * exclude (embedding) from image_features where image_id = $id", id=image_id)


def places(image_id: str) -> Query:
    """The collections that hold the image."""
    return query(
        "select collection, split, paired_generator_id, added_at from collections where image_id = $id "
        "order by collection limit 100",
        id=image_id,
    )


def scores(image_id: str) -> Query:
    """What every detector said of the image: a logit above 0 is called fake where no threshold was chosen."""
    return query(
        "select p.run_id, p.collection, p.transform, p.logit, 1 / (1 + exp(-p.logit)) as probability, p.label, "
        "p.scored_at from predictions p where p.image_id = $id "
        "order by p.run_id, p.collection, p.transform limit 500",
        id=image_id,
    )


def known(image_ids: Sequence[str]) -> Query:
    """The rows of `gold_images` of these ids, for tiles."""
    return query(
        "select image_id, label, generator_id, real_source, nsfw from gold_images "
        "where image_id in (select unnest($ids::varchar[]))",
        ids=tuple(image_ids),
    )
