"""Write the gold tables: counts, diversity and spread of what was sampled, cards, images without bytes."""

import sys
from collections.abc import Sequence

from etl.command import Stage, run
from etl.config import parse
from etl.images.features import FEATURE_VERSION
from etl.images.settings import SummariseSettings
from etl.lake.schemas import (
    GENERATION_ATTEMPTS,
    GENERATORS,
    GOLD_COUNTS,
    GOLD_DIVERSITY,
    GOLD_GENERATOR_CARDS,
    GOLD_IMAGES,
    GOLD_SPECTRA,
    GOLD_SPREAD,
    IMAGE_FEATURES,
    IMAGES,
)
from etl.lake.session import session
from etl.lake.store import Lake
from etl.statistics import gold_spread
from etl.statistics.gold import counts, diversity, generator_cards, image_list, sampled, spectra


def main(argv: Sequence[str] | None = None) -> int:
    settings = parse(SummariseSettings, argv, "forensics summarise", __doc__)
    stage = Stage("summarise", "gold tables")
    with session("summarise", root=settings.root) as spark:
        lake = Lake(settings.root, spark)
        images, generators = lake.read(IMAGES), lake.read_or_empty(GENERATORS)
        taken = sampled(generators, images)
        counted = counts(taken).persist()
        numbers = [(r.dimension, r.generators, r.images) for r in counted.collect()]
        spread = spark.createDataFrame(diversity(numbers), GOLD_DIVERSITY.schema)
        cards = generator_cards(generators, lake.read_or_empty(GENERATION_ATTEMPTS), images)
        means = spectra(images, lake.read_or_empty(IMAGE_FEATURES), FEATURE_VERSION)
        seen = gold_spread.sample(images, lake.read_or_empty(IMAGE_FEATURES), generators)
        kinds = gold_spread.counted(generators, taken)
        measures = [*gold_spread.of_sample(seen), *gold_spread.of_catalogue(kinds)]
        tables = (
            (GOLD_COUNTS, counted),
            (GOLD_DIVERSITY, spread),
            (GOLD_GENERATOR_CARDS, cards),
            (GOLD_IMAGES, image_list(images, generators)),
            (GOLD_SPECTRA, means),
            (GOLD_SPREAD, spark.createDataFrame(measures, GOLD_SPREAD.schema)),
        )
        with lake.writing(*[table for table, _ in tables]):
            written = sum(lake.refresh(table, rows) for table, rows in tables)
        counted.unpersist()
    return stage.finish(len(tables), written, already_there=len(tables) - written)


if __name__ == "__main__":
    sys.exit(run(main))
