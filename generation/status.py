"""How plans of generation stand, in words, from the lake alone: `forensics generate --status`.

Numbers of images come from the landing, which a kill leaves ahead of the table of attempts; where a plan's landing
is gone, from that table.
"""

import polars as pl

from etl.errors import NothingUsable
from etl.lake import snapshot
from etl.lake.folder import folder
from etl.lake.schemas import GENERATION_ATTEMPTS, PLANS, Table
from generation.landing import RECORDS
from generation.ledger import Ledger, ledger


def report(root: str, plan: str | None, max_attempts: int, workers: int) -> list[str]:
    """Return the lines of `generate --status`: of one plan, or of all, the newest first and then in detail.

    Raises NothingUsable in a lake in which nothing was tried, and for a plan that it does not have.
    """
    attempts, plans = _read(root)
    tried = attempts.group_by("plan_id").agg(newest=pl.col("started_at").max())
    planned = plans.group_by("plan_id").agg(newest=pl.col("planned_at").max())
    known = pl.concat([tried, planned], how="vertical_relaxed").group_by("plan_id").agg(pl.col("newest").max())
    names = known.sort("newest", "plan_id", descending=[True, False])["plan_id"].to_list()
    if plan is not None and plan not in names:
        raise NothingUsable(f"the lake at {root} knows no plan '{plan}'; it knows {', '.join(names)}")
    shown = [plan] if plan is not None else names
    found = [
        ledger(
            name,
            attempts.filter(pl.col("plan_id") == name),
            plans.filter(pl.col("plan_id") == name),
            landed(root, name),
            max_attempts,
            workers,
        )
        for name in shown
    ]
    newest = detail(found[0], workers)
    return newest if plan is not None else [*(headline(each) for each in found), "", *newest]


def landed(root: str, plan_id: str) -> dict[str, int]:
    """Return how many images lie in each folder of a plan's landing: complete lines of its records."""
    plan = folder(root, "landing", "images", plan_id)
    found = {place: plan.read(f"{place}/{RECORDS}") for place in plan.folders()}
    return {place: content.count(b"\n") for place, content in found.items() if content is not None}


def headline(found: Ledger) -> str:
    """Return a plan in one line."""
    of, of_images = (f" of {found.asked}", f" of {found.images_asked}") if found.on_record else ("", "")
    return (
        f"{found.plan_id}: {found.done}{of} generators done, {found.partial} partial, {found.failed} failed, "
        f"{found.untried} untried; {found.images}{of_images} images; {_span(found.seconds)}; "
        f"last at {found.newest:%Y-%m-%d %H:%M}"
    )


def detail(found: Ledger, workers: int) -> list[str]:
    """Return a plan in all its figures, a line each."""
    asked = "asked" if found.on_record else "known (how many were asked is not on record)"
    codes = ", ".join(f"{count} {code}" for code, count in found.codes.items())
    an_image = "unknown" if found.seconds_an_image is None else f"{found.seconds_an_image:.2f} s"
    tell = [
        f"{found.plan_id}, last at {found.newest:%Y-%m-%d %H:%M}",
        f"  generators: {found.asked} {asked} = {found.done} done + {found.partial} partial + {found.failed} "
        f"failed + {found.untried} untried; {found.left} left for another run",
        f"  images: {found.images} landed" + (f" of {found.images_asked} asked" if found.on_record else ""),
        f"  codes of the last tries: {codes or 'none'}",
        f"  time: {_span(found.seconds)} in {found.tries} tries; download {_span(found.download_seconds)}, load "
        f"{_span(found.load_seconds)}, sampling {_span(found.sampling_seconds)}; {an_image} an accepted image",
        f"  memory: {_megabytes(found.peak_memory_mb)} at most, {_megabytes(found.median_memory_mb)} median; on a "
        f"GPU {_megabytes(found.peak_gpu_memory_mb)} at most",
        f"  bytes: {_size(found.bytes)} of images, {_size(found.download_bytes)} downloaded",
        "  slowest: " + ", ".join(f"{key} {_span(value)}" for key, value in found.slowest),
        "  largest: " + ", ".join(f"{key} {_size(value)}" for key, value in found.largest),
    ]
    how = f"an estimate: mean time of a model × {found.left} left / {workers} at a time"
    return [*tell, f"  time left: {_span(found.seconds_left)}, {how}" if found.left else "  time left: none"]


def _read(root: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return all tries, and all plans on record. Raises NothingUsable where nothing was tried."""
    attempts = _rows(root, GENERATION_ATTEMPTS)
    if not attempts.height:
        raise NothingUsable(f"nothing was generated in the lake at {root} yet; run `forensics generate` first")
    return attempts, _rows(root, PLANS)


def _rows(root: str, table: Table) -> pl.DataFrame:
    """Return a table's rows; with null in columns that an older lake lacks, and none where it is missing."""
    nothing = pl.DataFrame(schema=dict.fromkeys(table.columns, pl.Null))
    found = snapshot.scan(root, table).collect() if snapshot.exists(root, table) else nothing
    return found.with_columns(pl.lit(None).alias(name) for name in table.columns if name not in found.columns)


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _megabytes(megabytes: float | None) -> str:
    return "unknown" if megabytes is None else f"{megabytes:.0f} MB"


def _size(size: float | None) -> str:
    if size is None:
        return "unknown"
    if size < 1e6:
        return f"{size / 1e3:.1f} kB"
    return f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.2f} GB"
