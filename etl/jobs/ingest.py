"""Check and store images: files → `images`, `collections`, `rejects`."""

import hashlib
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice

from pyspark.sql import functions as F

from etl.command import Stage, run
from etl.config import as_dict, parse
from etl.errors import NothingUsable
from etl.faults import fault_point
from etl.images.ingestion import ENTRY, accepted, check, refused
from etl.images.settings import IngestSettings
from etl.images.sources import Folder, Source, generated_plans
from etl.lake.schemas import COLLECTIONS, IMAGES
from etl.lake.session import session
from etl.lake.store import Lake


def main(argv: Sequence[str] | None = None) -> int:
    settings = parse(IngestSettings, argv, "forensics ingest", __doc__)
    stage = Stage("ingest", "files")
    sources = _sources(settings)
    # The same source has the same run id, so that a repetition rejects nothing twice.
    what = {key: value for key, value in as_dict(settings).items() if key not in ("root", "limit", "wave")}
    run_id = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]
    total = fresh = there = rejected = 0
    with session("ingest") as spark:
        lake = Lake(settings.root, spark)
        with lake.writing(IMAGES, COLLECTIONS):
            for source in sources:
                entries = islice(source.entries(), settings.limit)
                while wave := list(islice(entries, settings.wave)):
                    counts = _ingest(lake, source, wave, run_id)
                    total, fresh = total + len(wave), fresh + counts[0]
                    there, rejected = there + counts[1], rejected + counts[2]
                    fault_point("ingest:after-wave")
    if not total:
        raise NothingUsable("the source lists no images; run `forensics generate` first, or name another --path")
    names = ", ".join(source.name for source in sources)
    return stage.finish(total, fresh, rejected, there, note=names)


def _sources(settings: IngestSettings) -> Sequence[Source]:
    if settings.source == "generated":
        return generated_plans(settings.root)
    return [Folder(str(settings.path), str(settings.collection), settings.generator, settings.table)]


def _ingest(lake: Lake, source: Source, wave: list[dict], run_id: str) -> tuple[int, int, int]:
    """Check one wave and commit it; return how many files were new, already there, and refused."""
    rows = [[entry.get(name) for name in ENTRY.fieldNames()] for entry in wave]
    entries = lake.spark.createDataFrame(rows, ENTRY)
    checked = check(entries.repartition(max(1, min(len(wave) // 16, 64)), "key")).persist()
    try:
        images = accepted(checked, source.name, run_id, datetime.now(UTC))
        fresh, _ = lake.append(IMAGES, images, order=("generator_id", "image_id"))
        fault_point("ingest:after-images")
        places = images.select(
            F.lit(source.collection).alias("collection"),
            "image_id",
            F.lit(None).cast("string").alias("paired_generator_id"),
            F.lit(None).cast("string").alias("split"),
            F.col("ingested_at").alias("added_at"),
        )
        lake.append(COLLECTIONS, places)
        lake.reject("ingest", refused(checked), run_id)
        usable, rejected = images.count(), refused(checked).count()
    finally:
        checked.unpersist()
    return fresh, usable - fresh, rejected


if __name__ == "__main__":
    sys.exit(run(main))
