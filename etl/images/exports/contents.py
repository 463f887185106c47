"""What an export writes: a training set's rows, with what the lake knows of their images and generators."""

import json
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from pyspark.sql import DataFrame, Row, Window
from pyspark.sql import functions as F

from etl.errors import NothingUsable, NotTheSame
from etl.images.builds import recorded
from etl.images.splits import SPLITS, id_checksum
from etl.images.training_set import pinned
from etl.images.withdrawal import withdrawn
from etl.lake.schemas import GENERATORS, IMAGES, training_rows
from etl.lake.store import Lake

PLACE = ("image_id", "split", "position", "label", "generator_id", "real_source")
KNOWN = (
    *("mode", "prompt", "negative_prompt", "author", "licence", "nsfw", "seed", "steps", "guidance"),
    *("kind", "architecture"),
)
FACTS = (*PLACE, *KNOWN, "beside")
"""What is known of an image without its bytes. `beside` is the generator in whose folder it lies: its own, or of a
real the one that it is to be judged beside."""
_KIND = ("split", "label", "generator_id", "kind", "architecture", "generator_licence", "real_source", "licence")


@dataclass(frozen=True)
class Contents:
    """A version of a training set, opened for export; `facts` is computed once and kept."""

    lake: Lake
    build: Row
    facts: DataFrame

    @property
    def label(self) -> str:
        return f"{self.build.name}@{self.build.version}"

    @cached_property
    def kinds(self) -> list[Row]:
        """Rows counted by class, generator, source and licence: what a card tells."""
        return self.facts.groupBy(*_KIND).count().collect()

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Rows by split."""
        counts: Counter[str] = Counter()
        for kind in self.kinds:
            counts[kind.split] += kind["count"]
        return {split: counts[split] for split in SPLITS if counts[split]}

    def images(self) -> DataFrame:
        """Return the files themselves: image_id, split, position, bytes, format, width, height."""
        rows = self.lake.read(training_rows(self.build.name), self.build.rows_version)
        return rows.select("image_id", "split", "position", "bytes", "format", "width", "height")


def opened(lake: Lake, name: str, version: int | None) -> Contents:
    """Return a training set's contents, by default of its newest version.

    Raises NothingUsable where there is no such set, or where it holds images of withdrawn generators; NotTheSame
    where its rows are not those on record.
    """
    build = recorded(lake, name, version)
    if build is None:
        wanted = name if version is None else f"{name}@{version}"
        raise NothingUsable(f"there is no training set '{wanted}'; run `forensics build-training-set` first")
    contents = Contents(lake, build, _facts(lake, build).persist())
    if id_checksum(contents.facts) != build.id_checksum:
        raise NotTheSame(f"the rows of {contents.label} are not those that were recorded ({build.id_checksum})")
    barred = {kind.generator_id for kind in contents.kinds} & withdrawn(lake.root).keys()
    if barred:
        raise NothingUsable(
            f"{contents.label} holds images of generators that were withdrawn ({', '.join(sorted(barred)[:5])}); "
            "export its newest version, which `forensics withdraw` builds without them"
        )
    return contents


def _facts(lake: Lake, build: Row) -> DataFrame:
    versions = json.loads(build.table_versions)
    rows = lake.read(training_rows(build.name), build.rows_version).select(*PLACE)
    known = [column for column in KNOWN if column in IMAGES.columns]
    images = pinned(lake, IMAGES, versions).select("image_id", *known)
    if json.loads(build.config).get("reencode"):
        images = images.withColumn("mode", F.lit("RGB"))
    licence = F.col("licence").alias("generator_licence")
    makers = pinned(lake, GENERATORS, versions).select("generator_id", "kind", "architecture", licence)
    facts = rows.join(images, on="image_id", how="left").join(makers, on="generator_id", how="left")
    return _beside(facts).select(*FACTS, "generator_licence")


def _beside(facts: DataFrame) -> DataFrame:
    """Put each real beside the generator of the fake of its rank in the split, over again where fakes are fewer.

    Both stand in shuffled orders, so that a generator gets as many reals as its share of the fakes.
    """
    order = Window.partitionBy("split", "label").orderBy("position")
    ranked = facts.select(
        "image_id", "split", "label", "generator_id", (F.row_number().over(order) - 1).alias("_r")
    )
    fakes = ranked.where(F.col("label") == 1).select("split", "_r", F.col("generator_id").alias("_beside"))
    counts = fakes.groupBy("split").agg(F.count("*").alias("_fakes"))
    reals = ranked.where(F.col("label") == 0).join(counts, on="split", how="inner")
    dealt = reals.withColumn("_r", F.col("_r") % F.col("_fakes")).join(fakes, on=["split", "_r"], how="inner")
    joined = facts.join(dealt.select("image_id", "_beside"), on="image_id", how="left")
    return joined.withColumn("beside", F.coalesce("_beside", "generator_id"))
