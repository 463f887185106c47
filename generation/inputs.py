"""What a plan is made from, read from the lake: eligible generators with their files, and prompts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from etl.errors import ConfigError, NothingUsable
from etl.lake import snapshot
from etl.lake.schemas import GENERATORS, IMAGES, MODELS
from generation.plan import Generator
from generation.repository import RepoFile, Repository

Row = Mapping[str, Any]

_NO_MODEL: dict[str, Any] = {"files": [], "model_index": None, "base_models": []}
"""Stands in for a row of `models` that is missing: the generator is then refused, not left out."""


def eligible_generators(root: str, only: list[str] | None = None) -> list[Generator]:
    """Return the eligible generators of the Hub, each with the files of its model at its revision.

    Raises LakeMissing, NothingUsable when none is left, ConfigError for an id in `only` that is not eligible.
    """
    generators = snapshot.scan(root, GENERATORS).filter(pl.col("eligible") & (pl.col("kind") == "hub"))
    found = generators.collect().sort("generator_id").to_dicts()
    if only is not None:
        missing = sorted(set(only) - {row["generator_id"] for row in found})
        if missing:
            raise ConfigError(f"not among the eligible generators: {', '.join(missing)}")
        found = [row for row in found if row["generator_id"] in only]
    if not found:
        raise NothingUsable(
            f"no generator in the lake at {root} is eligible; run `forensics crawl` and `catalogue`"
        )
    columns = ["model_id", "revision", "pipeline_class", "base_models", "files", "model_index", "is_current"]
    models = snapshot.read(root, MODELS, columns=columns).to_dicts()
    at_revision = {(row["model_id"], row["revision"]): row for row in models}
    current = {row["model_id"]: row for row in models if row["is_current"]}
    return [
        _generator(row, at_revision.get((row["model_id"], row["revision"]), _NO_MODEL | row), current)
        for row in found
    ]


def read_prompts(root: str, path: str | None) -> list[str]:
    """Return the distinct prompts, sorted: lines of the text file, else captions of the lake's real images.

    Raises NothingUsable when there are none, ConfigError when the file cannot be read.
    """
    if path is not None:
        try:
            lines = Path(path).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read the prompts in {path}: {error}") from None
        prompts = {line.strip() for line in lines}
    elif snapshot.exists(root, IMAGES):
        real = snapshot.scan(root, IMAGES).filter(pl.col("label") == 0)
        prompts = {text.strip() for text in real.select("prompt").drop_nulls().collect()["prompt"]}
    else:
        prompts = set()
    prompts.discard("")
    if not prompts:
        where = path or f"the real images of the lake at {root}"
        raise NothingUsable(
            f"there is no prompt in {where}; ingest captioned photos, or name a file with --prompts"
        )
    return sorted(prompts)


def _generator(row: Row, model: Row, current: Mapping[str, Row]) -> Generator:
    """Join a generator's row with its model's; an adapter comes with its base at the base's current commit."""
    bases = [base["model_id"] for base in model["base_models"] or [] if base["relation"] == "adapter"]
    is_adapter = model["model_index"] is None and bool(bases)
    base = current.get(bases[0]) if is_adapter else None
    return Generator(
        generator_id=row["generator_id"],
        repository=_repository(model),
        pipeline_class=(base or model)["pipeline_class"] or "",
        licence=row["licence"],
        nsfw=row["nsfw"] or None,
        is_adapter=is_adapter,
        base=_repository(base) if base else None,
    )


def _repository(model: Row) -> Repository:
    files = tuple(RepoFile(f["path"], f["size"] or 0, f["sha256"]) for f in model["files"] or [])
    return Repository(model["model_id"], model["revision"], files, model["model_index"])
