"""Every table of the lake, declared once: its columns, its key, and how it may change.

Writer, readers, tests and the explorer import these; column names come from nowhere else. Every column is
nullable in Delta, since NOT NULL would be refused only at commit, for the whole batch: stages check first and
put what fails into `rejects`. JSON goes into plain strings, which every reader of the lake reads.
"""

from etl.lake.schemas.experiments import (
    EXPERIMENT_EFFECTS,
    EXPERIMENT_IMAGES,
    EXPERIMENT_SCORES,
    EXPERIMENT_UNITS,
    EXPERIMENTS,
    GOLD_ADDITIONS,
    GOLD_ALARMS,
    GOLD_DETECTION_TRENDS,
)
from etl.lake.schemas.gold import (
    GOLD_BASE_MODELS,
    GOLD_CATALOGUE,
    GOLD_COUNTS,
    GOLD_CRAWL_HISTORY,
    GOLD_DIVERSITY,
    GOLD_GENERATOR_CARDS,
    GOLD_GROWTH,
    GOLD_IMAGES,
    GOLD_MODELS,
    GOLD_SPECTRA,
    GOLD_SPREAD,
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
from etl.lake.schemas.training import EVALUATIONS, PREDICTIONS, TRAINING_SETS, training_rows

TABLES: tuple[Table, ...] = (
    HUB_RECORDS, CRAWLS, MODELS, GENERATORS, WITHDRAWALS, PLANS, PROMPTS, GENERATION_ATTEMPTS, IMAGES, THUMBNAILS,
    COLLECTIONS, IMAGE_FEATURES, DUPLICATES, DUPLICATE_CLUSTERS, REJECTS, TRAINING_SETS, PREDICTIONS, EVALUATIONS,
    EXPERIMENTS, EXPERIMENT_UNITS, EXPERIMENT_SCORES, EXPERIMENT_IMAGES, EXPERIMENT_EFFECTS,
    GOLD_COUNTS, GOLD_DIVERSITY, GOLD_GENERATOR_CARDS, GOLD_CATALOGUE, GOLD_CRAWL_HISTORY, GOLD_GROWTH,
    GOLD_BASE_MODELS, GOLD_MODELS, GOLD_IMAGES, GOLD_SPECTRA, GOLD_SPREAD, GOLD_DETECTION_TRENDS,
    GOLD_ALARMS, GOLD_ADDITIONS,
)  # fmt: skip

__all__ = [
    "BASE_MODEL",
    "COLLECTIONS",
    "CRAWLS",
    "DUPLICATES",
    "DUPLICATE_CLUSTERS",
    "EVALUATIONS",
    "EXPERIMENTS",
    "EXPERIMENT_EFFECTS",
    "EXPERIMENT_IMAGES",
    "EXPERIMENT_SCORES",
    "EXPERIMENT_UNITS",
    "FILE",
    "GENERATION_ATTEMPTS",
    "GENERATORS",
    "GOLD_ADDITIONS",
    "GOLD_ALARMS",
    "GOLD_BASE_MODELS",
    "GOLD_CATALOGUE",
    "GOLD_COUNTS",
    "GOLD_CRAWL_HISTORY",
    "GOLD_DETECTION_TRENDS",
    "GOLD_DIVERSITY",
    "GOLD_GENERATOR_CARDS",
    "GOLD_GROWTH",
    "GOLD_IMAGES",
    "GOLD_MODELS",
    "GOLD_SPECTRA",
    "GOLD_SPREAD",
    "HUB_RECORDS",
    "IMAGES",
    "IMAGE_FEATURES",
    "MODELS",
    "PLANS",
    "PREDICTIONS",
    "PROMPTS",
    "REJECTS",
    "TABLES",
    "THUMBNAILS",
    "TRAINING_SETS",
    "WITHDRAWALS",
    "Table",
    "training_rows",
]  # fmt: skip
