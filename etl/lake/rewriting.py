"""Rewriting a table's files with the same rows: put together, or sorted by the clustering columns."""

import math

from etl.errors import TableDamaged
from etl.lake.file_settings import set_on, writing_files
from etl.lake.layout import CLUSTERED, live
from etl.lake.lock import table_lock
from etl.lake.properties import removals_allowed
from etl.lake.schemas import Table
from etl.lake.store import Lake


def compact(lake: Lake, table: Table, target: int) -> None:
    """Put small files together into files of about `target` bytes, as one commit that changes no row."""
    sizes = {
        "spark.databricks.delta.optimize.minFileSize": str(target // 2),
        "spark.databricks.delta.optimize.maxFileSize": str(target),
    }
    path = lake.path(table).replace("`", "``")
    with table_lock(lake.root, table.name), writing_files(lake.spark, table), set_on(lake.spark, sizes):
        lake.spark.sql(f"OPTIMIZE delta.`{path}`").collect()


def cluster(lake: Lake, table: Table, target: int) -> None:
    """Write the table anew in the order of its clustering columns, as one commit that changes no row.

    Needs the table's size once more on disk until the old files are vacuumed. Raises TableDamaged where the log
    counts other rows afterwards; the version before is untouched by that.
    """
    with table_lock(lake.root, table.name), removals_allowed(lake.root, table), writing_files(lake.spark, table):
        before, version = live(lake.root, table), lake.version(table)
        files = max(1, math.ceil(sum(file.size for file in before) / target))
        ordered = lake.read(table, version).repartitionByRange(files, *table.clustered_by)
        writer = ordered.sortWithinPartitions(*table.clustered_by).write.format("delta").mode("overwrite")
        writer.option("dataChange", "false").option("userMetadata", CLUSTERED).save(lake.path(table))
        after = live(lake.root, table)
        if sum(file.rows or 0 for file in before) != sum(file.rows or 0 for file in after):
            raise TableDamaged(f"{lake.path(table)} was clustered and its rows differ from version {version}")
