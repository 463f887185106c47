"""What a source holds, told before anything is written: counts by class, generator and split; new generators."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from pyspark.sql import functions as F

from etl.images.sources import Found, Source
from etl.images.sources.records import KINDS
from etl.lake.schemas import GENERATORS
from etl.lake.store import Lake
from etl.models.eligibility import Reason

_SHOWN = 20
"""Kinds that are listed; a data set of thousands of generators has as many."""


def survey(source: Source) -> Counter[Found]:
    """Count what the source holds; as large as its number of generators, not of images."""
    counts: Counter[Found] = Counter()
    for kind, count in source.survey():
        counts[kind] += count
    return counts


def told(source: Source, counts: Counter[Found]) -> Iterator[str]:
    """Yield lines for people: the sum, then the largest kinds."""
    by_label = Counter[int | None]()
    for kind, count in counts.items():
        by_label[kind.label] += count
    generators = {kind.generator_id for kind in counts if kind.generator_id}
    codes = Counter[str]()
    for kind, count in counts.items():
        if kind.code:
            codes[kind.code] += count
    why = ", ".join(f"{count:,} {code}" for code, count in codes.most_common())
    refused = f", {codes.total():,} refused ({why})" if codes else ""
    fakes = f"{by_label[1]:,} fake by {len(generators):,} generators"
    yield f"found in {source.name}: {counts.total():,} images: {fakes}, {by_label[0]:,} real{refused}"
    listed = Counter({kind: count for kind, count in counts.items() if kind.label is not None})
    shown = listed.most_common(_SHOWN)
    for kind, count in shown:
        maker = kind.generator_id if kind.label else kind.real_source
        words = ("fake" if kind.label else "real", maker or "?", kind.split or "no split")
        yield f"  {count:>12,}  {', '.join(words)}"
    if len(listed) > len(shown):
        rest = listed.total() - sum(count for _, count in shown)
        yield f"  {rest:>12,}  of {len(listed) - len(shown)} other kinds"


def add_generators(lake: Lake, counts: Iterable[Found], at: datetime) -> int:
    """Append the generators that `generators` lacks; return how many. Those of the catalogue stay as they are."""
    rows = generator_rows(counts, at)
    if not rows:
        return 0
    words = [[row.get(column) for column in GENERATORS.columns] for row in rows]
    offered = lake.spark.createDataFrame(words, GENERATORS.schema)
    there = lake.read_or_empty(GENERATORS).select("generator_id", F.lit(True).alias("_there"))
    lacking = offered.join(there, on="generator_id", how="left").where(F.col("_there").isNull()).drop("_there")
    # Asked first: to append takes the table's lock, which a catalogue may hold for long.
    return 0 if lacking.isEmpty() else lake.append(GENERATORS, lacking)[0]


def generator_rows(counts: Iterable[Found], at: datetime) -> list[dict[str, Any]]:
    """Return a row of `generators` for each that made a fake, with its architecture where any image tells it."""
    architectures: dict[str, str | None] = {}
    for kind in counts:
        if kind.label == 1 and kind.generator_id:
            name = kind.generator_id
            architectures[name] = architectures.get(name) or kind.architecture
    return [_row(name, architecture, at) for name, architecture in sorted(architectures.items())]


def _row(generator_id: str, architecture: str | None, at: datetime) -> dict[str, Any]:
    kind, colon, name = generator_id.partition(":")
    of_kind = bool(colon) and kind in KINDS
    on_hub = not of_kind and "/" in generator_id
    return {
        "generator_id": generator_id,
        "kind": kind if of_kind else "imported",
        "name": name if of_kind else generator_id,
        "model_id": generator_id if on_hub else None,
        "architecture": architecture,
        "eligible": False,
        "reason": Reason.IMPORTED.value,
        "detail": "known by its images only",
        "updated_at": at,
    }
