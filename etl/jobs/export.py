"""Write a training set for others: Parquet as released, the reference trainer's folders, or WebDataset."""

import hashlib
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from etl import durable
from etl.command import Stage, run
from etl.config import parse
from etl.faults import fault_point
from etl.images.exports import FORMS
from etl.images.exports.card import card
from etl.images.exports.contents import Contents, opened
from etl.images.exports.destination import CARD, claim
from etl.images.exports.shards import cut, write
from etl.images.settings import ExportSettings
from etl.lake import snapshot
from etl.lake.lock import table_lock
from etl.lake.schemas import TRAINING_SETS
from etl.lake.session import session
from etl.lake.store import Lake

log = logging.getLogger("etl.export")


def main(argv: Sequence[str] | None = None) -> int:
    settings = parse(ExportSettings, argv, "forensics export", __doc__ or "")
    stage = Stage("export", "images")
    folder = Path(str(settings.to)).resolve()
    snapshot.current_version(settings.root, TRAINING_SETS)  # a missing lake is said before Spark starts
    with session("export", root=settings.root) as spark:
        lake = Lake(settings.root, spark)
        # Two that write the same folder would sweep away each other's unfinished files.
        with table_lock(settings.root, f"export/{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}"):
            contents = opened(lake, settings.training_set, settings.version)
            try:
                total, new = _export(contents, settings, folder)
            finally:
                contents.facts.unpersist()
    return stage.finish(total, new, already_there=total - new, note=f"{contents.label} in {folder}")


def _export(contents: Contents, settings: ExportSettings, folder: Path) -> tuple[int, int]:
    """Write what the folder lacks; return how many images there are, and how many were written now."""
    form = FORMS[settings.format]
    claim(
        folder,
        {
            "training_set": contents.label,
            "id_checksum": contents.build.id_checksum,
            "format": form.name,
            "rows_per_file": settings.rows_per_file,
        },
    )
    shards = cut(contents.sizes, settings.rows_per_file)
    missing = [shard for shard in shards if not form.holds(folder, shard.name)]
    new = 0
    for start in range(0, len(missing), settings.wave):
        wave = missing[start : start + settings.wave]
        new += write(contents, form, folder, wave, settings.rows_per_file)
        log.info("export: %d of %d shards, %d images", start + len(wave), len(missing), new)
        fault_point("export:after-wave")
    form.finish(folder, [shard.name for shard in shards])
    durable.write(folder / CARD, card(contents, form).encode())
    total = sum(shard.rows for shard in shards)
    there = total - sum(shard.rows for shard in missing)
    if new + there != total:
        raise AssertionError(f"export lost count: {total} images are not {new} written and {there} already there")
    return total, new


if __name__ == "__main__":
    sys.exit(run(main))
