"""Every table of the lake, declared once: its columns, its key, and how it may change.

Writer, readers, tests and the explorer import these; column names come from nowhere else. Every column is
nullable in Delta, since NOT NULL would be refused only at commit, for the whole batch: stages check first and
put what fails into `rejects`. JSON goes into plain strings, which every reader of the lake reads.
"""

from etl.lake.schemas.gold import (
    GOLD_BASE_MODELS,
    GOLD_CATALOGUE,
    GOLD_COUNTS,
    GOLD_CRAWL_HISTORY,
    GOLD_DIVERSITY,
    GOLD_GENERATOR_CARDS,
    GOLD_GROWTH,
)
from etl.lake.schemas.images import (
    COLLECTIONS,
    DUPLICATE_CLUSTERS,
    DUPLICATES,
    GENERATION_ATTEMPTS,
    IMAGE_FEATURES,
    IMAGES,
    PROMPTS,
    REJECTS,
    THUMBNAILS,
)
from etl.lake.schemas.models import BASE_MODEL, CRAWLS, FILE, GENERATORS, HUB_RECORDS, MODELS, PLANS, WITHDRAWALS
from etl.lake.schemas.table import Table
from etl.lake.schemas.training import EVALUATIONS, EXPERIMENTS, PREDICTIONS, TRAINING_SETS, training_rows

TABLES: tuple[Table, ...] = (
    HUB_RECORDS, CRAWLS, MODELS, GENERATORS, WITHDRAWALS, PLANS, PROMPTS, GENERATION_ATTEMPTS, IMAGES, THUMBNAILS,
    COLLECTIONS, IMAGE_FEATURES, DUPLICATES, DUPLICATE_CLUSTERS, REJECTS, TRAINING_SETS, PREDICTIONS, EVALUATIONS,
    EXPERIMENTS,
    GOLD_COUNTS, GOLD_DIVERSITY, GOLD_GENERATOR_CARDS, GOLD_CATALOGUE, GOLD_CRAWL_HISTORY, GOLD_GROWTH,
    GOLD_BASE_MODELS,
)  # fmt: skip

__all__ = [
    "BASE_MODEL", "COLLECTIONS", "CRAWLS", "DUPLICATES", "DUPLICATE_CLUSTERS", "EVALUATIONS", "EXPERIMENTS",
    "FILE", "GENERATION_ATTEMPTS", "GENERATORS", "GOLD_BASE_MODELS", "GOLD_CATALOGUE", "GOLD_COUNTS",
    "GOLD_CRAWL_HISTORY", "GOLD_DIVERSITY", "GOLD_GENERATOR_CARDS", "GOLD_GROWTH", "HUB_RECORDS", "IMAGES",
    "IMAGE_FEATURES", "MODELS", "PLANS", "PREDICTIONS", "PROMPTS", "REJECTS", "TABLES", "THUMBNAILS",
    "TRAINING_SETS", "WITHDRAWALS", "Table", "training_rows",
]  # fmt: skip
