"""Write a versioned, generator-disjoint training set: `images` → `training_rows/<name>`, `training_sets`."""

import hashlib
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import reduce

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from etl.command import Stage, run
from etl.config import as_dict, parse
from etl.errors import NothingUsable
from etl.images.settings import TrainingSetSettings
from etl.images.splits import choose, id_checksum
from etl.lake.schemas import GENERATORS, IMAGES, TRAINING_SETS, Table, training_rows
from etl.lake.session import session
from etl.lake.store import Lake

SPLITS = ("train", "val", "test")


def main(argv: Sequence[str] | None = None) -> int:
    settings = parse(TrainingSetSettings, argv, "forensics build-training-set", __doc__)
    stage = Stage("build-training-set", "rows")
    config = json.dumps({k: v for k, v in as_dict(settings).items() if k != "root"}, sort_keys=True)
    config_hash = hashlib.sha256(config.encode()).hexdigest()
    rows_table = training_rows(settings.name)
    with session("build-training-set") as spark:
        lake = Lake(settings.root, spark)
        lake.version(IMAGES)  # a missing lake is said before a lock makes its folder
        with lake.writing(rows_table, TRAINING_SETS):
            # What is read is pinned, so an ingest may go on meanwhile.
            versions = {table.name: lake.version(table) for table in (IMAGES, GENERATORS) if lake.exists(table)}
            images, roots = _pinned(lake, IMAGES, versions), _pinned(lake, GENERATORS, versions)
            chosen = choose(images, roots, settings).persist()
            counts = _counts(chosen, images)
            total, checksum = sum(counts.values()), id_checksum(chosen)
            latest = _latest(lake, settings.name)
            if latest and (latest.config_hash, latest.id_checksum) == (config_hash, checksum):
                note = f"{settings.name}@{latest.version} stands"
                return stage.finish(total, 0, already_there=total, note=note)
            version = 1 + (latest.version if latest else 0)
            build = {
                "name": settings.name,
                "version": version,
                "config": config,
                "config_hash": config_hash,
                "table_versions": json.dumps(versions, sort_keys=True),
                "rows_version": _write(lake, rows_table, images, chosen),
                "counts": json.dumps(counts, sort_keys=True),
                "id_checksum": checksum,
                "created_at": datetime.now(UTC),
            }
            row = [[build.get(column) for column in TRAINING_SETS.columns]]
            lake.append(TRAINING_SETS, spark.createDataFrame(row, TRAINING_SETS.schema))
            chosen.unpersist()
    shown = ", ".join(f"{name} {count}" for name, count in counts.items())
    return stage.finish(total, total, note=f"{settings.name}@{version}: {shown}")


def _pinned(lake: Lake, table: Table, versions: dict[str, int]) -> DataFrame:
    """Return the table at its recorded version, no rows where it does not exist; images must."""
    if table.name not in versions and table is not IMAGES:
        return lake.read_or_empty(table)
    return lake.read(table, versions.get(table.name))


def _latest(lake: Lake, name: str) -> Row | None:
    builds = lake.read_or_empty(TRAINING_SETS).where(F.col("name") == name)
    return builds.orderBy(F.desc("version")).first()


def _counts(chosen: DataFrame, images: DataFrame) -> dict[str, int]:
    """Count rows by split and label; raise NothingUsable when a split lacks a class."""
    labelled = chosen.join(images.select("image_id", "label"), on="image_id", how="inner")
    found = {(r.split, r.label): r["count"] for r in labelled.groupBy("split", "label").count().collect()}
    counts = {
        f"{s}/{kind}": found.get((s, label), 0) for s in SPLITS for label, kind in ((0, "real"), (1, "fake"))
    }
    if empty := [name for name, count in counts.items() if not count]:
        raise NothingUsable(
            f"the splits lack {', '.join(empty)}: at least 3 generators and 3 real images are needed; "
            "run `forensics generate` and `forensics ingest` first"
        )
    return counts


def _write(lake: Lake, table: Table, images: DataFrame, chosen: DataFrame) -> int:
    """Write the rows in their shuffled order, each split in files of its own, and return the Delta version."""
    rows = chosen.join(images, on="image_id", how="inner").select(*table.columns)
    splits = [rows.where(F.col("split") == split) for split in SPLITS]
    ordered = [rows.repartitionByRange("position").sortWithinPartitions("position") for rows in splits]
    return lake.overwrite(table, reduce(DataFrame.unionByName, ordered))


if __name__ == "__main__":
    sys.exit(run(main))
