"""What a plan of generation has come to, and what it cost: figures over its rows of the lake's tables. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from generation.attempts import decide
from generation.failures import OF_IMAGE
from generation.landing import slug

LONGEST_LIST = 5
"""Models named as the slowest and as the largest."""


@dataclass(frozen=True)
class Ledger:
    """One plan. Sums leave out tries that did not record the figure, and are None where none did."""

    plan_id: str
    newest: datetime
    """Its last try, or when it was planned."""
    on_record: bool
    """Whether `forensics plan` wrote it: only then is it known what was asked."""
    done: int
    partial: int
    failed: int
    untried: int
    again: int
    """Of the partial and failed: those that another run tries again."""
    images: int
    images_asked: int
    """Where the plan is not on record: of the generators that are done, as many as they made."""
    codes: dict[str, int]
    """Of each generator's last try, the most frequent first."""
    tries: int
    seconds: float
    download_seconds: float | None
    load_seconds: float | None
    sampling_seconds: float | None
    peak_memory_mb: float | None
    median_memory_mb: float | None
    peak_gpu_memory_mb: float | None
    bytes: int
    download_bytes: float | None
    seconds_an_image: float | None
    """Of all tries, failed ones too."""
    slowest: tuple[tuple[str, float], ...]
    """Generators with their seconds, over all tries."""
    largest: tuple[tuple[str, float], ...]
    """Generators with the bytes of their download."""
    seconds_left: float | None
    """An estimate; None where no try says how long a model takes."""

    @property
    def asked(self) -> int:
        """Generators, as far as known."""
        return self.done + self.partial + self.failed + self.untried

    @property
    def left(self) -> int:
        """Generators that another run tries."""
        return self.untried + self.again


def ledger(
    plan_id: str,
    attempts: pl.DataFrame,
    plan: pl.DataFrame,
    there: Mapping[str, int],
    max_attempts: int,
    workers: int,
) -> Ledger:
    """Return how a plan stands, from its rows of both tables and the images in each of its landing's folders."""
    history: dict[str, list[dict[str, Any]]] = {}
    for row in attempts.sort("attempt").to_dicts():
        history.setdefault(row["generator_id"], []).append(row)
    asked = dict(plan.select("generator_id", "images").iter_rows())
    ended: Counter[str] = Counter()
    images = images_asked = again = 0
    for generator_id in sorted({*asked, *history}):
        tries = history.get(generator_id, [])
        made = there.get(slug(generator_id), 0) if there else sum(row["images"] for row in tries)
        wanted = asked.get(generator_id, made)
        state = _state(tries, made, asked.get(generator_id))
        ended[state] += 1
        images, images_asked = images + made, images_asked + wanted
        if state in ("partial", "failed"):
            # Of a model that lacks some images for what they show, those were refused for good.
            again += tries[-1]["code"] not in OF_IMAGE and decide(1, tries, max_attempts) == "try"
    costs = attempts.group_by("generator_id").agg(pl.col("seconds").sum(), pl.col("download_bytes").max())
    took = dict(costs.select("generator_id", "seconds").iter_rows())
    sizes = dict(plan.select("generator_id", "download_bytes").iter_rows())
    sizes |= {key: size for key, size in costs.select("generator_id", "download_bytes").iter_rows() if size}
    made_by_tries, seconds = int(attempts["images"].sum()), float(attempts["seconds"].sum())
    return Ledger(
        plan_id=plan_id,
        newest=max([*attempts["started_at"].to_list(), *plan["planned_at"].to_list()]),
        on_record=bool(asked),
        done=ended["done"],
        partial=ended["partial"],
        failed=ended["failed"],
        untried=ended["untried"],
        again=again,
        images=images,
        images_asked=images_asked,
        codes=dict(Counter(tries[-1]["code"] for tries in history.values()).most_common()),
        tries=attempts.height,
        seconds=seconds,
        download_seconds=_sum(attempts, "download_seconds"),
        load_seconds=_sum(attempts, "load_seconds"),
        sampling_seconds=_sum(attempts, "sampling_seconds"),
        peak_memory_mb=_over(attempts, pl.col("peak_memory_mb").max()),
        median_memory_mb=_over(attempts, pl.col("peak_memory_mb").median()),
        peak_gpu_memory_mb=_over(attempts, pl.col("peak_gpu_memory_mb").max()),
        bytes=int(attempts["bytes"].sum()),
        download_bytes=_sum(attempts, "download_bytes"),
        seconds_an_image=seconds / made_by_tries if made_by_tries else None,
        slowest=_first(took),
        largest=_first({key: size for key, size in sizes.items() if key in history}),
        seconds_left=_seconds_left(took.values(), ended["untried"] + again, workers),
    )


def _state(tries: Sequence[Mapping[str, Any]], made: int, wanted: int | None) -> str:
    """Return how a generator stands; `wanted` None where it is not on record how many were asked."""
    whole = made >= wanted if wanted is not None else bool(tries) and tries[-1]["status"] == "ok"
    if whole:
        return "done"
    if not tries:
        return "untried"
    return "partial" if made else "failed"


def _first(figures: Mapping[str, float | None]) -> tuple[tuple[str, float], ...]:
    """Return the generators with the highest figures."""
    known = sorted((-figure, key) for key, figure in figures.items() if figure)
    return tuple((key, -figure) for figure, key in known[:LONGEST_LIST])


def _seconds_left(seconds: Iterable[float], left: int, workers: int) -> float | None:
    """Return the mean over generators × those left / workers; tries of 0 s tell of nothing but a kill."""
    took = [value for value in seconds if value > 0]
    return sum(took) / len(took) * left / workers if took else None


def _over(attempts: pl.DataFrame, what: pl.Expr) -> float | None:
    value: float | None = attempts.select(what).item()
    return value


def _sum(attempts: pl.DataFrame, column: str) -> float | None:
    known = attempts[column].drop_nulls()
    return float(known.sum()) if known.len() else None
