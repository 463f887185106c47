"""What becomes of the images of a wave, decided on narrow rows: new, there already, or rejected with a code."""

from collections.abc import Collection
from datetime import datetime

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from etl.images.decoding import Code
from etl.lake.schemas import IMAGES

NEW, THERE, REJECTED = "new", "there", "rejected"

FACTS = ("position", "item", "key", "code", "detail", "image_id", "label", "generator_id", "split", "pairs")
"""What the decision rests on: the place in the wave, the image, and what is known of it."""


def judge(checked: DataFrame, stored: DataFrame, source: str, withdrawn: Collection[str] = ()) -> DataFrame:
    """Return the checked rows without bytes, with `verdict`; `code` and `detail` on all that are REJECTED.

    Of equal bytes the first is NEW. ID_CLASH: the source has brought other bytes under this key, in the lake or
    earlier in the wave. LABEL_CLASH: the bytes are known as the other class. WITHDRAWN: they are of one of the
    generators `withdrawn`, whether the lake has them or not.
    """
    facts = checked.select(*FACTS)
    if withdrawn:
        barred = F.col("code").isNull() & F.col("generator_id").isin(*withdrawn)
        facts = _rejected(facts, barred, Code.WITHDRAWN, F.lit("its generator has been withdrawn"))
    # Only the rows of the lake that the wave asks for are moved, not the lake.
    ids = stored.join(F.broadcast(facts.select("image_id").distinct()), on="image_id", how="left_semi")
    ids = ids.select("image_id", F.col("label").alias("_label"))
    keys = stored.where(F.col("source") == source).withColumnRenamed("source_key", "key")
    keys = keys.join(F.broadcast(facts.select("key").distinct()), on="key", how="left_semi")
    keys = keys.groupBy("key").agg(F.collect_set("image_id").alias("_held"))

    usable = F.col("code").isNull()
    by_key = Window.partitionBy("key", usable).orderBy("position", "item")
    known = facts.join(F.broadcast(keys), on="key", how="left")
    known = known.withColumn("_held", F.coalesce("_held", F.array(F.first("image_id").over(by_key))))
    known = _rejected(
        known,
        usable & ~F.array_contains("_held", F.col("image_id")),
        Code.ID_CLASH,
        F.concat(F.lit("under this key came "), F.array_join("_held", ", ")),
    )
    by_id = Window.partitionBy("image_id", usable).orderBy("position", "item")
    known = known.join(F.broadcast(ids), on="image_id", how="left")
    known = known.withColumns(
        {
            "_there": F.col("_label").isNotNull() | (F.row_number().over(by_id) > 1),
            "_label": F.coalesce("_label", F.first("label").over(by_id)),
        }
    )
    known = _rejected(
        known,
        usable & (F.col("label") != F.col("_label")),
        Code.LABEL_CLASH,
        F.concat(F.lit("in the lake it is "), F.when(F.col("_label") == 1, "fake").otherwise("real")),
    )
    verdict = F.when(~usable, REJECTED).when(F.col("_there"), THERE).otherwise(NEW)
    return known.withColumn("verdict", verdict).select(*facts.columns, "verdict")


def images(checked: DataFrame, judged: DataFrame, source: str, run_id: str, now: datetime) -> DataFrame:
    """Return the rows of `images` that are new."""
    new = judged.where(F.col("verdict") == NEW).select("position", "item")
    stamps = {
        "source": F.lit(source),
        "source_key": F.col("key"),
        "run_id": F.lit(run_id),
        "ingested_at": F.lit(now),
    }
    rows = checked.join(F.broadcast(new), on=["position", "item"], how="left_semi").withColumns(stamps)
    return rows.select(*IMAGES.columns).sortWithinPartitions("generator_id")


def places(judged: DataFrame, collection: str, now: datetime) -> DataFrame:
    """Return the rows of `collections` of all that is in the lake now: one a generator that it is paired with."""
    return judged.where(F.col("verdict") != REJECTED).select(
        F.lit(collection).alias("collection"),
        "image_id",
        F.explode_outer("pairs").alias("paired_generator_id"),
        "split",
        F.lit(now).alias("added_at"),
    )


def refused(judged: DataFrame) -> DataFrame:
    """Return the refused images as `Lake.reject` takes them."""
    rejected = judged.where(F.col("verdict") == REJECTED)
    return rejected.select("key", F.col("image_id").alias("sha256"), "code", "detail")


def _rejected(known: DataFrame, when: Column, code: Code, detail: Column) -> DataFrame:
    flagged = known.withColumn("_flag", F.coalesce(when, F.lit(False)))
    return flagged.withColumns(
        {
            "code": F.when(F.col("_flag"), code.value).otherwise(F.col("code")),
            "detail": F.when(F.col("_flag"), detail).otherwise(F.col("detail")),
        }
    ).drop("_flag")
