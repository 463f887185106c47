"""One page of /api/models: filter, sort and cut records; the cursor survives changes between pages."""

import base64
import binascii
import json
from typing import Any

PAGE_LIMIT = 1000
"""Most rows of one page, whatever `limit` asks for."""
SORT_KEYS = frozenset({"createdAt", "lastModified", "downloads", "likes", "trendingScore"})

Query = dict[str, list[str]]
Rank = tuple[float, str, str]
"""(sort key where it is a number, sort key where it is text, _id): ordered whatever a record holds."""


class BadQuery(ValueError):
    """A listing parameter that the Hub answers with 400."""


def page(
    records: list[dict[str, Any]], query: Query, most: int = PAGE_LIMIT
) -> tuple[list[dict[str, Any]], str | None]:
    """The records of one page and the cursor of the next (None at the end); raises BadQuery.

    Like the Hub's, the cursor holds the last row's rank, not a position: rows that come or go between
    two pages neither shift nor repeat the others.
    """
    key = query.get("sort", ["trendingScore"])[-1]
    if key not in SORT_KEYS:
        raise BadQuery(f"sort must be one of {sorted(SORT_KEYS)}, not {key!r}")
    limit = _limit(query, most)
    ascending = query.get("direction", ["-1"])[-1] == "1"
    found = sorted((r for r in records if matches(r, query)), key=lambda r: _rank(r, key), reverse=not ascending)
    if cursor := query.get("cursor", [""])[-1]:
        after = decode_cursor(cursor)
        found = [r for r in found if (_rank(r, key) > after if ascending else _rank(r, key) < after)]
    rows = found[:limit]
    return rows, encode_cursor(_rank(rows[-1], key)) if len(found) > limit else None


def matches(record: dict[str, Any], query: Query) -> bool:
    """Whether a record passes every filter tag, author, pipeline_tag, gated and search of the query."""
    found, identity = record.get("tags"), str(record["id"])
    tags = {str(tag) for tag in found} if isinstance(found, list) else set()
    gated = query.get("gated")
    return (
        all(tag in tags for value in query.get("filter", []) for tag in value.split(","))
        and all(identity.split("/")[0] == author for author in query.get("author", []))
        and all(record.get("pipeline_tag") == tag for tag in query.get("pipeline_tag", []))
        and all(text.lower() in identity.lower() for text in query.get("search", []))
        and (gated is None or (gated[-1].lower() == "true") == bool(record.get("gated")))
    )


def encode_cursor(rank: Rank) -> str:
    return base64.urlsafe_b64encode(json.dumps(rank).encode()).decode()


def decode_cursor(cursor: str) -> Rank:
    """The rank that a cursor holds; raises BadQuery where it is not one of ours."""
    try:
        number, text, identity = json.loads(base64.urlsafe_b64decode(cursor))
        return float(number), str(text), str(identity)
    except (binascii.Error, ValueError, TypeError) as error:
        raise BadQuery("cursor is not valid") from error


def _rank(record: dict[str, Any], key: str) -> Rank:
    value = record.get(key)
    number = float(value) if isinstance(value, int | float) else 0.0
    return number, value if isinstance(value, str) else "", str(record["_id"])


def _limit(query: Query, most: int) -> int:
    try:
        limit = int(query.get("limit", [str(most)])[-1])
    except ValueError as error:
        raise BadQuery("limit must be a number") from error
    return max(1, min(limit, most))
