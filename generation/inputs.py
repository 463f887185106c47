"""What to sample, read from the lake: generators of a plan or all eligible ones, with their files."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from etl.errors import ConfigError, NothingUsable
from etl.images.withdrawal import withdrawn
from etl.lake import snapshot
from etl.lake.schemas import GENERATORS, MODELS, PLANS
from generation.hints import Hints, hints, merged
from generation.plan import Generator
from generation.repository import RepoFile, Repository
from generation.settings import GenerateSettings

Row = Mapping[str, Any]

_NO_MODEL: dict[str, Any] = {
    "files": [],
    "model_index": None,
    "scheduler_config": None,
    "base_models": [],
    "tags": [],
}
"""Stands in for a row of `models` that is missing: the generator is then refused, not left out."""
_NO_GENERATOR: dict[str, Any] = {
    "eligible": False,
    "reason": "GONE",
    "detail": "the catalogue no longer has it",
    "pipeline_class": None,
    "licence": None,
    "nsfw": None,
}
"""Stands in for a row of `generators` that is missing."""


def wanted_generators(settings: GenerateSettings) -> list[Generator]:
    """Return the generators of the plan on record that the settings name, else those that are eligible.

    Raises as `eligible_generators`, and ConfigError where the settings name generators beside such a plan.
    """
    recorded = recorded_plan(settings.root, settings.plan) if settings.plan else None
    if recorded is None or not recorded.height:
        return eligible_generators(settings.root, settings.generators)
    if settings.generators is not None:
        raise ConfigError(f"the plan '{settings.plan}' says which generators to sample; leave --generators out")
    return planned_generators(settings.root, recorded)


def recorded_plan(root: str, name: str) -> pl.DataFrame:
    """Return the rows that `forensics plan` wrote under this name; none for any other name."""
    if not snapshot.exists(root, PLANS):
        return pl.DataFrame()
    return snapshot.scan(root, PLANS).filter(pl.col("plan_id") == name).sort("rank").collect()


def eligible_generators(root: str, only: list[str] | None = None) -> list[Generator]:
    """Return the eligible generators of the Hub, each with the files of its model at its revision.

    Those that were withdrawn are not among them.

    Raises LakeMissing, NothingUsable when none is left, ConfigError for an id in `only` that is not eligible.
    """
    generators = snapshot.scan(root, GENERATORS).filter(pl.col("eligible") & (pl.col("kind") == "hub"))
    barred = withdrawn(root)
    rows = generators.collect().sort("generator_id").to_dicts()
    found = [row for row in rows if row["generator_id"] not in barred]
    if only is not None:
        missing = sorted(set(only) - {row["generator_id"] for row in found})
        if missing:
            raise ConfigError(f"not among the eligible generators: {', '.join(missing)}")
        found = [row for row in found if row["generator_id"] in only]
    if not found:
        raise NothingUsable(
            f"no generator in the lake at {root} is eligible; run `forensics crawl` and `catalogue`"
        )
    return _with_models(root, found)


def planned_generators(root: str, recorded: pl.DataFrame) -> list[Generator]:
    """Return the generators of a plan at the revisions and with the numbers of images that it holds.

    All of them: one that has lost its eligibility since comes with the reason, so that it is counted and not
    sampled, whatever the plan says: its owner may have closed it, the policy barred it, or it was withdrawn.
    """
    barred = withdrawn(root)
    of_plan = pl.col("generator_id").is_in(recorded["generator_id"].to_list())
    known = {
        row["generator_id"]: row for row in snapshot.scan(root, GENERATORS).filter(of_plan).collect().to_dicts()
    }
    rows, asked = [], {}
    for planned in recorded.to_dicts():
        generator_id = planned["generator_id"]
        row = known.get(generator_id, _NO_GENERATOR | {"generator_id": generator_id, "model_id": generator_id})
        rows.append(row | {"revision": planned["revision"]})
        refused = None if row["eligible"] else f"{row['reason']}: {row['detail']}"
        if generator_id in barred:
            refused = f"WITHDRAWN: {barred[generator_id] or 'from this lake'}"
        asked[generator_id] = {"images": planned["images"], "refused": refused}
    return [replace(found, **asked[found.generator_id]) for found in _with_models(root, rows)]


def _with_models(root: str, rows: Sequence[dict[str, Any]]) -> list[Generator]:
    """Join rows of `generators` with the models at their revisions, and with the bases of adapters."""
    models = _models(root, [row["model_id"] for row in rows])
    at_revision = {(row["model_id"], row["revision"]): row for row in models}
    named = {base["model_id"] for row in models if row["model_index"] is None for base in row["base_models"] or []}
    bases = _bases(root, sorted(named))
    return [
        _generator(row, at_revision.get((row["model_id"], row["revision"]), _NO_MODEL | row), bases)
        for row in rows
    ]


def _bases(root: str, model_ids: list[str]) -> dict[str, Row]:
    """Return those of the models that may be sampled, at the revisions at which they are sampled themselves.

    A generator's revision is the oldest with the weights of today, so that a new card of the base changes nothing
    for its adapters.
    """
    of_base = pl.col("model_id").is_in(model_ids) & pl.col("eligible")
    pinned = snapshot.scan(root, GENERATORS).filter(of_base).select("model_id", "revision").collect()
    models = {(row["model_id"], row["revision"]): row for row in _models(root, model_ids)}
    barred = withdrawn(root)
    return {key[0]: models[key] for key in pinned.iter_rows() if key in models and key[0] not in barred}


def _models(root: str, model_ids: list[str]) -> list[dict[str, Any]]:
    """Read the revisions of these models; a catalogue of a million would not fit as Python objects."""
    columns = [
        *("model_id", "revision", "pipeline_class", "base_models", "tags"),
        *("files", "model_index", "scheduler_config"),
    ]
    scanned = snapshot.scan(root, MODELS).filter(pl.col("model_id").is_in(model_ids))
    return scanned.select(columns).collect().to_dicts()


def _generator(row: Row, model: Row, bases: Mapping[str, Row]) -> Generator:
    """Join a generator's row with its model's; an adapter comes with the first of its bases that there is."""
    named = [base["model_id"] for base in model["base_models"] or [] if base["relation"] == "adapter"]
    is_adapter = model["model_index"] is None and bool(named)
    base = next((bases[name] for name in named if name in bases), None) if is_adapter else None
    return Generator(
        generator_id=row["generator_id"],
        repository=_repository(model),
        pipeline_class=(base or model)["pipeline_class"] or "",
        licence=row["licence"],
        nsfw=row["nsfw"] or None,
        is_adapter=is_adapter,
        base=_repository(base) if base else None,
        hints=_hints(model, base),
    )


def _hints(model: Row, base: Row | None) -> Hints:
    """Return what the model says of how it is sampled, completed by what its base says."""
    pipeline = base or model
    of_pipeline = hints(
        *(pipeline["pipeline_class"] or "", pipeline["model_id"], pipeline["tags"] or []),
        *(pipeline["model_index"], pipeline["scheduler_config"]),
    )
    if base is None:
        return of_pipeline
    of_adapter = hints(base["pipeline_class"] or "", model["model_id"], model["tags"] or [], is_adapter=True)
    return merged(of_adapter, of_pipeline)


def _repository(model: Row) -> Repository:
    files = tuple(RepoFile(f["path"], f["size"] or 0, f["sha256"]) for f in model["files"] or [])
    return Repository(model["model_id"], model["revision"], files, model["model_index"])
