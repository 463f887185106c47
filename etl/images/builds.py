"""Builds of training sets on record: chosen by which recipe, from which versions, and the same once more."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from etl.config import as_dict
from etl.errors import AuditFailed, NothingUsable, NotTheSame
from etl.images import audit, makers
from etl.images.recipe import TrainingSetSettings
from etl.images.splits import SPLITS, id_checksum
from etl.images.training_set import READ, Choice, choose, pinned, rows_of
from etl.lake.schemas import IMAGES, TRAINING_SETS, training_rows
from etl.lake.store import Lake

_NOT_OF_THE_RECIPE = ("root", "dry_run", "again")


@dataclass(frozen=True)
class Build:
    """A build that was chosen, and is not written yet."""

    settings: TrainingSetSettings
    versions: dict[str, int]
    choice: Choice
    row: dict[str, Any]
    """Its row of `training_sets`, but for `rows_version`"""
    latest: Row | None
    """The row of the set's newest version"""

    @property
    def label(self) -> str:
        return f"{self.row['name']}@{self.row['version']}"

    @property
    def stands(self) -> bool:
        """Whether the newest version is the same already."""
        same = ("config", "id_checksum")
        return self.latest is not None and all(self.latest[name] == self.row[name] for name in same)


def prepared(lake: Lake, settings: TrainingSetSettings, now: datetime) -> Build:
    """Choose and audit a set's next version. Raises as `choose`.

    What is read is pinned, so an ingest may go on meanwhile.
    """
    versions = {table.name: lake.version(table) for table in READ if lake.exists(table)}
    choice, latest = choose(lake, versions, settings), recorded(lake, settings.name)
    row = record(settings, 1 + (latest.version if latest else 0), versions, choice, now)
    return Build(settings, versions, choice, row, latest)


def written(lake: Lake, build: Build) -> None:
    """Write a build's rows in their shuffled order, each split in files of its own, and put it on record."""
    table = training_rows(build.settings.name)
    images = pinned(lake, IMAGES, build.versions)
    rows = rows_of(build.choice.rows, images, build.settings).select(*table.columns)
    splits = [rows.where(F.col("split") == split) for split in SPLITS]
    ordered = [rows.repartitionByRange("position").sortWithinPartitions("position") for rows in splits]
    version = lake.overwrite(table, reduce(DataFrame.unionByName, ordered))
    row = build.row | {"rows_version": version}
    words = [[row.get(column) for column in TRAINING_SETS.columns]]
    lake.append(TRAINING_SETS, lake.spark.createDataFrame(words, TRAINING_SETS.schema))


def recorded(lake: Lake, name: str, version: int | None = None) -> Row | None:
    """Return a set's row of `training_sets`, by default the newest; None where there is none."""
    builds = lake.read_or_empty(TRAINING_SETS).where(F.col("name") == name)
    wanted = builds if version is None else builds.where(F.col("version") == version)
    return wanted.orderBy(F.desc("version")).first()


def recipe(settings: TrainingSetSettings) -> str:
    """Return what of the settings decides the rows, as JSON."""
    kept = {key: value for key, value in as_dict(settings).items() if key not in _NOT_OF_THE_RECIPE}
    return json.dumps(kept, sort_keys=True)


def settings_of(lake: Lake, build: Row) -> TrainingSetSettings:
    """Return the recipe of a build on record."""
    return TrainingSetSettings(**{**json.loads(build.config), "root": lake.root})


def record(
    settings: TrainingSetSettings, version: int, versions: Mapping[str, int], choice: Choice, now: datetime
) -> dict[str, Any]:
    """Return the row of `training_sets` of a build, but for `rows_version`."""
    config = recipe(settings)
    audited = {
        "limit": settings.audit_limit,
        "accepted": settings.accept,
        "findings": audit.as_dicts(choice.findings),
        "left_out": choice.left_out,
        "effective": choice.makers.effective,
        "generators_in_several_splits": choice.makers.crossing,
    }
    return {
        "name": settings.name,
        "version": version,
        "config": config,
        "config_hash": hashlib.sha256(config.encode()).hexdigest(),
        "table_versions": json.dumps(versions, sort_keys=True),
        "counts": json.dumps(choice.counts, sort_keys=True),
        "id_checksum": id_checksum(choice.rows),
        "audit": json.dumps(audited, sort_keys=True),
        "created_at": now,
    }


def chosen_again(lake: Lake, build: str) -> Choice:
    """Choose the rows of NAME@VERSION once more, from its record and the table versions that it read.

    Raises NothingUsable where there is no such build, NotTheSame where other rows come out.
    """
    name, _, version = build.partition("@")
    row = recorded(lake, name, int(version))
    if row is None:
        raise NothingUsable(f"there is no training set '{build}'")
    choice = choose(lake, json.loads(row.table_versions), settings_of(lake, row))
    if (checksum := id_checksum(choice.rows)) != row.id_checksum:
        raise NotTheSame(f"{build} is recorded with the checksum {row.id_checksum} and comes out with {checksum}")
    return choice


def report(choice: Choice) -> list[str]:
    """Return what was left out, how diverse the rest is and what the audit found, in lines."""
    left_out = [f"left out: {count} {why}" for why, count in choice.left_out.items() if count]
    found = ["audit, area under the ROC curve [95 %]:", *audit.report(choice.findings)]
    return [*left_out, *makers.told(choice.makers), *found]


def require_audit(choice: Choice, settings: TrainingSetSettings) -> None:
    """Raise AuditFailed where a shortcut lies above the recipe's limit and is not accepted by name."""
    failed = audit.failures(choice.findings, settings.audit_limit, settings.accept)
    if not failed:
        return
    views = list(dict.fromkeys(found.view for found in failed))
    named = "; ".join(
        f"{view} " + ", ".join(f"{found.auc:.2f} in {found.split}" for found in failed if found.view == view)
        for view in views
    )
    accept = ", ".join(views)
    raise AuditFailed(
        f"real and fake can be told apart without looking at the images ({named}; the limit is "
        f"{settings.audit_limit:g}): make the classes alike with --match or --reencode, or name what you accept, "
        f"as in --accept '[{accept}]'"
    )
