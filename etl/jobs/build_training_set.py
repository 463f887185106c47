"""Write a versioned, generator-disjoint, audited training set: `images` → `training_rows/<name>`."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.command import Stage, run
from etl.config import parse
from etl.images.builds import chosen_again, record, recorded, report, require_audit
from etl.images.recipe import TrainingSetSettings
from etl.images.splits import SPLITS
from etl.images.training_set import READ, choose, pinned, rows_of
from etl.lake.schemas import IMAGES, TRAINING_SETS, training_rows
from etl.lake.session import session
from etl.lake.store import Lake


def main(argv: Sequence[str] | None = None) -> int:
    settings = parse(TrainingSetSettings, argv, "forensics build-training-set", __doc__)
    stage = Stage("build-training-set", "rows")
    with session("build-training-set") as spark:
        lake = Lake(settings.root, spark)
        lake.version(IMAGES)  # a missing lake is said before a lock makes its folder
        if settings.again:
            total = sum(chosen_again(lake, settings.again).counts.values())
            return stage.finish(total, 0, already_there=total, note=f"{settings.again} comes out the same")
        with lake.writing(training_rows(settings.name), TRAINING_SETS):
            return _build(lake, settings, stage)


def _build(lake: Lake, settings: TrainingSetSettings, stage: Stage) -> int:
    # What is read is pinned, so an ingest may go on meanwhile.
    versions = {table.name: lake.version(table) for table in READ if lake.exists(table)}
    choice, latest = choose(lake, versions, settings), recorded(lake, settings.name)
    version = 1 + (latest.version if latest else 0)
    build = record(settings, version, versions, choice, datetime.now(UTC))
    print("\n".join(report(choice)))
    total = sum(choice.counts.values())
    shown = ", ".join(f"{name} {count}" for name, count in choice.counts.items())
    if latest and (latest.config, latest.id_checksum) == (build["config"], build["id_checksum"]):
        return stage.finish(total, 0, already_there=total, note=f"{settings.name}@{latest.version} stands")
    require_audit(choice, settings)
    if settings.dry_run:
        return stage.finish(total, total, note=f"nothing written: {shown}; checksum {build['id_checksum']}")
    build["rows_version"] = _write(lake, versions, choice.rows, settings)
    row = [[build.get(column) for column in TRAINING_SETS.columns]]
    lake.append(TRAINING_SETS, lake.spark.createDataFrame(row, TRAINING_SETS.schema))
    return stage.finish(total, total, note=f"{settings.name}@{version}: {shown}")


def _write(lake: Lake, versions: dict[str, int], chosen: DataFrame, settings: TrainingSetSettings) -> int:
    """Write the rows in their shuffled order, each split in files of its own, and return the Delta version."""
    table = training_rows(settings.name)
    rows = rows_of(chosen, pinned(lake, IMAGES, versions), settings).select(*table.columns)
    splits = [rows.where(F.col("split") == split) for split in SPLITS]
    ordered = [rows.repartitionByRange("position").sortWithinPartitions("position") for rows in splits]
    return lake.overwrite(table, reduce(DataFrame.unionByName, ordered))


if __name__ == "__main__":
    sys.exit(run(main))
