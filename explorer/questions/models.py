"""Questions on the Hub's models, from `gold_models`, one row a model, the most downloaded first."""

from dataclasses import dataclass

from explorer.query import Condition, Query, equals, holds, is_true, query

PAGE = 50
ORDERS = {
    "Most downloaded": "downloads desc nulls last, model_id",
    "Newest": "created_at desc nulls last, model_id",
    "Most liked": "likes desc nulls last, model_id",
    "Largest": "weight_bytes desc nulls last, model_id",
    "By name": "model_id",
}


@dataclass(frozen=True)
class ModelFilter:
    """Which models are listed; None and "" mean any."""

    words: str = ""
    eligible: bool | None = None
    family: str | None = None
    reason: str | None = None
    licence: str | None = None
    root: str | None = None
    gone: bool = False

    def conditions(self) -> list[Condition | None]:
        return [
            holds(("model_id",), self.words),
            equals("eligible", self.eligible),
            equals("family", self.family),
            equals("reason", self.reason),
            equals("licence", self.licence),
            equals("root_model_id", self.root),
            None if self.gone else is_true("not is_gone"),
        ]


def count(chosen: ModelFilter) -> Query:
    return query(
        "select count(*) as n, count(*) filter (eligible) as eligible from gold_models {where}",
        chosen.conditions(),
    )


def page(chosen: ModelFilter, number: int, order: str) -> Query:
    """One page of the list; `number` counts from 0."""
    text = (
        "select model_id, family, eligible, reason, licence, downloads, likes, weight_bytes / 1e9 as gigabytes, "
        "created_at, lineage_depth, root_model_id from gold_models {where} "
        "order by {order} limit $size offset $start"
    )
    return query(text.replace("{order}", ORDERS[order]), chosen.conditions(), size=PAGE, start=number * PAGE)


def values() -> Query:
    """The values of family, reason and licence with how many models have each: facet, value, n."""
    return query(
        "select case when grouping(family) = 0 then 'family' when grouping(reason) = 0 then 'reason' "
        "else 'licence' end as facet, coalesce(family, reason, licence) as value, count(*) as n from gold_models "
        "group by grouping sets ((family), (reason), (licence)) having value is not null "
        "order by facet, n desc, value"
    )


def model(model_id: str) -> Query:
    return query("select * from gold_models where model_id = $id", id=model_id)


def revisions(model_id: str) -> Query:
    """The revisions that crawls have seen, the newest first."""
    return query(
        "select revision, first_seen, last_seen, is_current, downloads, weight_bytes / 1e9 as gigabytes "
        "from models where model_id = $id order by is_current desc, last_seen desc limit 50",
        id=model_id,
    )


def ancestors(model_id: str) -> Query:
    """The model and the bases that it names first, upwards: depth, model_id, relation, family. Circles end."""
    return query(
        "with recursive up(depth, model_id, base, relation, family, seen) as ("
        "select 0, model_id, base_model_id, relation, family, [model_id] from gold_models where model_id = $id "
        "union all select up.depth + 1, m.model_id, m.base_model_id, m.relation, m.family, "
        "list_append(up.seen, m.model_id) from up join gold_models m on m.model_id = up.base "
        "where not list_contains(up.seen, m.model_id) and up.depth < 20), "
        "unlisted as (select depth + 1, base, null, relation, null, null from up "
        "where base is not null and base not in (select model_id from up)), "
        "chain as (select * from up union all select * from unlisted) "
        "select depth, model_id, lag(relation) over (order by depth) as relation, family "
        "from chain order by depth",
        id=model_id,
    )


def descendants(model_id: str) -> Query:
    """The models that name this one as their base: the most downloaded, with how many there are."""
    return query(
        "select model_id, relation, family, eligible, downloads, count(*) over () as total from gold_models "
        "where base_model_id = $id and model_id <> $id order by downloads desc nulls last, model_id limit 25",
        id=model_id,
    )


def growth() -> Query:
    """Models by month of creation and family."""
    return query(
        "select month, family, sum(models)::bigint as models from gold_growth group by 1, 2 order by 1, 2"
    )


def verdicts() -> Query:
    """Why models are not eligible, the commonest reason first."""
    return query(
        "select value, models from gold_catalogue where dimension = 'verdict' order by models desc, value"
    )
