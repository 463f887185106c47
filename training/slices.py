"""Slices of an evaluation: which fakes are judged against which reals.

A pool declares the reals that a generator's fakes are judged against: `all` of the collection; `matched`, those of
the data sets that its fakes were made after; `paired`, those that the collection sets beside the generator.
Figures of different pools do not compare, so that each result names its own.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import polars as pl

from training.metrics import Ints

NO_MATCHED_REALS = "NO_MATCHED_REALS"
NO_PAIRED_REALS = "NO_PAIRED_REALS"
UNKNOWN = "unknown"
_NONE: Ints = np.zeros(0, np.int64)


class Slice(NamedTuple):
    """Fakes and reals by their positions among the fakes and among the reals; `missing` says why no real is."""

    kind: str
    name: str
    fakes: Ints
    reals: Ints
    missing: str | None = None


class Images(NamedTuple):
    """The judged images, sorted by id, with logit, generator_id, family, architecture, real_source and format."""

    fakes: pl.DataFrame
    reals: pl.DataFrame


def images(rows: pl.DataFrame, generators: pl.DataFrame) -> Images:
    """Part predictions by their label, and join what is known of each fake's generator."""
    known = generators.select("generator_id", "family", "architecture")
    named = rows.sort("image_id").join(known, on="generator_id", how="left", maintain_order="left")
    fakes = named.filter(pl.col("label") == 1)
    names = pl.col("generator_id", "family", "architecture").fill_null(UNKNOWN)
    return Images(fakes.with_columns(names), named.filter(pl.col("label") == 0))


def slices(judged: Images, pool: str, pairs: pl.DataFrame | None = None) -> list[Slice]:
    """Return all, each generator, family, architecture, real source and format.

    `pairs` holds image_id and paired_generator_id for the pool `paired`.
    """
    every = np.arange(judged.fakes.height), np.arange(judged.reals.height)
    reals_of = _pool(judged, pool, pairs)
    missing = {"matched": NO_MATCHED_REALS, "paired": NO_PAIRED_REALS}.get(pool)

    def against(kind: str, name: str, fakes: Ints) -> Slice:
        names = judged.fakes["generator_id"].gather(fakes).unique().to_list() if len(fakes) else []
        reals = reals_of(names) if names else every[1]
        return Slice(kind, name, fakes, reals, None if len(reals) else missing)

    found = [against("all", "all", every[0])]
    for kind, column in (("generator", "generator_id"), ("family", "family"), ("architecture", "architecture")):
        found += [against(kind, name, fakes) for name, fakes in _groups(judged.fakes, column)]
    pooled = found[0].reals
    fakes_of = dict(_groups(judged.fakes, "real_source"))
    for source, reals in _groups(judged.reals, "real_source"):
        fakes = fakes_of.get(source, _NONE) if pool == "matched" else every[0]
        found.append(Slice("real_source", source, fakes, np.intersect1d(reals, pooled)))
    of_format = [dict(_groups(part, "format")) for part in judged]
    for name in sorted({*of_format[0], *of_format[1]}):
        fakes, reals = (part.get(name, _NONE) for part in of_format)
        found.append(Slice("format", name, fakes, np.intersect1d(reals, pooled)))
    return found


def _pool(judged: Images, pool: str, pairs: pl.DataFrame | None) -> Callable[[Iterable[str]], Ints]:
    """Return the function from generators to their reals; it gives one array for equal sets of reals."""
    if pool == "all":
        every = np.arange(judged.reals.height)
        return lambda _: every
    if pool == "matched":
        sources = dict(_groups(judged.reals, "real_source"))
        made_after = judged.fakes.drop_nulls("real_source").group_by("generator_id")
        sets_of = dict(made_after.agg(pl.col("real_source").unique().sort()).iter_rows())
    else:
        assert pairs is not None
        numbered = judged.reals.select("image_id").with_row_index("at")
        sources = dict(_groups(numbered.join(pairs, on="image_id", how="inner"), "paired_generator_id", "at"))
        sets_of = {name: [name] for name in sources}
    known: dict[tuple[str, ...], Ints] = {}

    def of(generators: Iterable[str]) -> Ints:
        key = tuple(sorted({source for name in generators for source in sets_of.get(name, [])}))
        if key not in known:
            parts = [sources.get(source, _NONE) for source in key]
            known[key] = np.unique(np.concatenate([_NONE, *parts]))
        return known[key]

    return of


def _groups(rows: pl.DataFrame, column: str, at: str = "at") -> list[tuple[str, Ints]]:
    """Return the values of a column, sorted, each with the positions of its rows; null is none."""
    numbered = rows if at in rows.columns else rows.with_row_index(at)
    grouped = numbered.drop_nulls(column).group_by(column).agg(pl.col(at).sort()).sort(column)
    return [(str(name), np.array(positions, dtype=np.int64)) for name, positions in grouped.iter_rows()]
