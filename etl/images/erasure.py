"""Erasing images of withdrawn generators from the tables that hold images or say something of one."""

from collections.abc import Sequence

from pyspark.sql import functions as F

from etl.lake.schemas import COLLECTIONS, IMAGE_FEATURES, IMAGES, THUMBNAILS, Table
from etl.lake.store import Lake

ERASED: tuple[Table, ...] = (COLLECTIONS, IMAGE_FEATURES, THUMBNAILS, IMAGES)
"""`images` last: until then it tells which rows the others must lose, also after a kill."""


def erase(lake: Lake, generator_ids: Sequence[str]) -> dict[str, int]:
    """Delete all rows of these generators' images; return how many by table.

    The files that hold them stay until the tables are vacuumed, and so do older versions of training sets.
    """
    theirs = F.col("generator_id").isin(*generator_ids)
    with lake.writing(*ERASED):
        ids = lake.read(IMAGES).where(theirs).select("image_id").distinct()
        counts = {
            table.name: lake.erase_keys(table, ids)
            for table in (COLLECTIONS, IMAGE_FEATURES)
            if lake.exists(table)
        }
        # Both name the generator: to delete by it moves no other row's bytes between tasks.
        return counts | {
            table.name: lake.erase(table, theirs) for table in (THUMBNAILS, IMAGES) if lake.exists(table)
        }
