"""From the catalogue to a plan: candidates, the choice under the budget, and its rows."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from datetime import date as day
from typing import Any

import polars as pl

from etl.config import as_dict
from etl.errors import ConfigError, NothingUsable
from etl.images.withdrawal import withdrawn
from etl.lake import snapshot
from etl.lake.schemas import GENERATORS
from etl.statistics.diversity import effective_number
from generation.budget import Limit, Taken, take, with_costs
from generation.plan_settings import PlanSettings
from generation.selection import ranked, with_known_roots

_READ = [
    *("generator_id", "revision", "architecture", "family", "pipeline_class", "root_model_id", "root_certain"),
    *("lineage_depth", "scheduler", "licence", "weight_bytes", "download_bytes", "downloads", "released_at"),
]


@dataclass(frozen=True)
class Choice:
    """The generators chosen, in the order of the strategy, from how many, and what kept the others out."""

    chosen: pl.DataFrame
    candidates: pl.DataFrame
    eligible: int
    taken: Taken


def resolved(settings: PlanSettings) -> str:
    """Return as JSON what a plan follows from; neither where the lake lies nor the name are of it."""
    content = {key: value for key, value in as_dict(settings).items() if key not in ("root", "plan")}
    return json.dumps(content, sort_keys=True)


def plan_name(settings: PlanSettings, version: int) -> str:
    """Return the plan's name, by default one that follows from its settings and the catalogue's version."""
    digest = hashlib.sha256(f"{resolved(settings)}/{version}".encode()).hexdigest()
    return settings.plan or f"plan-{digest[:16]}"


def require_same(settings: PlanSettings, recorded: pl.DataFrame) -> None:
    """Raise ConfigError when the plan on record was made with other settings."""
    before, now = json.loads(recorded["settings"][0]), json.loads(resolved(settings))
    changed = [f"{key} was {before.get(key)!r}, is {now[key]!r}" for key in now if before.get(key) != now[key]]
    if changed:
        raise ConfigError(
            f"the plan '{recorded['plan_id'][0]}' is there with other settings ({', '.join(changed)}); "
            "give this one another name with --plan, or none"
        )


def choose(root: str, version: int, settings: PlanSettings) -> Choice:
    """Return the choice from the generators that are eligible in `version` of the catalogue.

    Raises NothingUsable where none is eligible, passes the filters, or fits the budget, and ConfigError for an id
    to include that is not eligible.
    """
    eligible = _eligible(root, version, settings)
    kept = eligible.filter(_filters(settings))
    if not kept.height:
        raise NothingUsable(
            f"none of the {eligible.height} eligible generators passes the filters; widen --families, --licences, "
            "--released_after, --released_before, --min_downloads, --include or --exclude"
        )
    candidates = with_costs(kept, settings.images_per_generator, settings.gpu_tflops)
    order = ranked(candidates, settings.strategy, settings.strata, settings.seed)
    taken = take(order, settings.generators or candidates.height, _limits(candidates, settings))
    if not taken.rows:
        named = ", ".join(sorted({*taken.refused, *([taken.exhausted] if taken.exhausted else [])}))
        raise NothingUsable(
            f"not one of {candidates.height} generators fits the budget ({named}) with "
            f"{settings.images_per_generator} images each; raise it, or lower --images_per_generator"
        )
    return Choice(candidates[taken.rows], candidates, eligible.height, taken)


def rows(choice: Choice, name: str, version: int, settings: PlanSettings, now: datetime) -> list[dict[str, Any]]:
    """Return the rows of `plans`."""
    shared = {
        "plan_id": name,
        "strategy": settings.strategy,
        "seed": settings.seed,
        "images": settings.images_per_generator,
        "settings": resolved(settings),
        "generators_version": version,
        "planned_at": now,
    }
    own = choice.chosen.select("generator_id", "revision", "download_bytes", "gpu_seconds").to_dicts()
    return [{**shared, **row, "rank": rank} for rank, row in enumerate(own, start=1)]


def report(choice: Choice, settings: PlanSettings) -> list[str]:
    """Return in words what was chosen from what, what it costs, what kept more out, and how diverse it is."""
    chosen, candidates = choice.chosen, choice.candidates
    strata = f" by {', '.join(settings.strata)}" if settings.strategy == "stratified" else ""
    unknown = chosen["gpu_seconds"].null_count()
    images = chosen.height * settings.images_per_generator
    gigabytes, hours = float(chosen["download_bytes"].sum()) / 1e9, float(chosen["gpu_seconds"].sum()) / 3600
    diversity = [
        f"{_effective(chosen, column):.1f} {noun} ({_effective(candidates, column):.1f} within the filters)"
        for column, noun in (("family", "families"), ("root_model_id", "roots"))
    ]
    return [
        f"{choice.eligible} generators eligible, {candidates.height} within the filters, {chosen.height} chosen "
        f"({settings.strategy}{strata}, seed {settings.seed})",
        f"{_of(images, settings.max_images)} images, {_of(gigabytes, settings.max_download_gb)} GB to download, "
        f"{_of(hours, settings.max_gpu_hours)} GPU-hours, an estimate"
        + (f" without {unknown} generators whose cost is unknown" if unknown else ""),
        f"bound by {_bound(choice, settings)}",
        f"effective number of kinds: {', '.join(diversity)}",
    ]


def _eligible(root: str, version: int, settings: PlanSettings) -> pl.DataFrame:
    snapshot.require_columns(root, GENERATORS, version)
    scanned = snapshot.scan(root, GENERATORS, version).filter(pl.col("eligible") & (pl.col("kind") == "hub"))
    barred = pl.col("generator_id").is_in(list(withdrawn(root)))
    found = with_known_roots(scanned.filter(~barred).select(_READ).collect())
    if not found.height:
        raise NothingUsable(
            f"no generator in the lake at {root} is eligible; run `forensics crawl` and `catalogue`"
        )
    if missing := sorted(set(settings.include) - set(found["generator_id"])):
        raise ConfigError(f"not among the eligible generators: {', '.join(missing)}")
    if unknown := sorted(set(settings.families) - set(found["family"])):
        known = ", ".join(sorted(found["family"].drop_nulls().unique()))
        raise ConfigError(f"--families: no eligible generator is of {', '.join(unknown)}; there are {known}")
    if settings.exclude and (others := sorted(set(settings.exclude) - set(_ids(root, version)))):
        raise ConfigError(f"--exclude: the catalogue has no generator {', '.join(others)}")
    return found


def _ids(root: str, version: int) -> list[str]:
    """Return the ids of all generators, eligible or not."""
    ids = snapshot.scan(root, GENERATORS, version).select("generator_id").collect()
    return ids["generator_id"].to_list()


def _filters(settings: PlanSettings) -> list[pl.Expr]:
    wanted = [~pl.col("generator_id").is_in(settings.exclude)]
    if settings.include:
        wanted.append(pl.col("generator_id").is_in(settings.include))
    if settings.families:
        wanted.append(pl.col("family").is_in(settings.families))
    if settings.licences:
        named = pl.col("licence").str.split(",")
        wanted.append(named.list.eval(pl.element().is_in(settings.licences)).list.all())
    if settings.released_after:
        wanted.append(pl.col("released_at") >= _midnight(settings.released_after))
    if settings.released_before:
        wanted.append(pl.col("released_at") < _midnight(settings.released_before))
    if settings.min_downloads:
        wanted.append(pl.col("downloads") >= settings.min_downloads)
    return wanted


def _limits(candidates: pl.DataFrame, settings: PlanSettings) -> Sequence[Limit]:
    images = pl.repeat(settings.images_per_generator, candidates.height, dtype=pl.Float64, eager=True)
    limits = [
        ("images", settings.max_images, images),
        ("download", settings.max_download_gb * 1e9, candidates["download_bytes"]),
        ("GPU time", settings.max_gpu_hours * 3600, candidates["gpu_seconds"]),
    ]
    # NaN stands for an unknown cost.
    return [
        Limit(name, most, costs.cast(pl.Float64).fill_null(float("nan")).to_numpy())
        for name, most, costs in limits
        if most
    ]


def _bound(choice: Choice, settings: PlanSettings) -> str:
    """Say why the walk ended where it did, and how many it passed over for which limit."""
    passed = "; ".join(f"{count} passed over for {name}" for name, count in sorted(choice.taken.refused.items()))
    if choice.taken.exhausted:
        why = f"the budget of {choice.taken.exhausted}"
    elif choice.chosen.height == settings.generators:
        why = "the number of generators asked for"
    elif passed:
        why = "the budget"
    elif settings.generators:
        why = f"the catalogue: all {choice.candidates.height} are taken, {settings.generators} were asked for"
    else:
        why = "nothing: all are taken"
    return f"{why} ({passed})" if passed else why


def _effective(frame: pl.DataFrame, column: str) -> float:
    return effective_number(frame[column].value_counts()["count"].to_list())


def _of(amount: float, most: float) -> str:
    shown = f"{amount:,.0f}" if isinstance(amount, int) else f"{amount:,.1f}"
    return f"{shown} of {most:,}" if most else shown


def _midnight(text: str) -> datetime:
    return datetime.combine(day.fromisoformat(text), time(), UTC)
