"""Turn crawls into `models`, `generators` (eligible, or not and why), the catalogue's history and its gold tables.

Takes what `forensics crawl` landed; the same crawl again, or another in which nothing changed, commits nothing.
"""

import sys
from collections.abc import Sequence

from etl.command import Stage, run
from etl.config import as_dict, parse
from etl.errors import OK, CrawlRefused
from etl.lake.schemas import CRAWLS, GENERATORS, GOLD_BASE_MODELS, GOLD_CATALOGUE, GOLD_GROWTH, GOLD_MODELS, MODELS
from etl.lake.session import session
from etl.lake.store import Lake
from etl.models.catalogue import take_up, waiting
from etl.models.landing import Landing
from etl.models.loading import load_landed
from etl.models.settings import CatalogueSettings, Policy
from etl.statistics.catalogue import base_models, catalogue_counts, growth, model_list


def main(argv: Sequence[str] | None = None) -> int:
    settings = parse(CatalogueSettings, argv, prog="forensics catalogue", description=__doc__ or "")
    policy = read_policy(settings.policy)
    print(f"catalogue: policy {settings.policy or 'as it ships'}: {as_dict(policy)}")
    codes: list[int] = [OK]
    refused: list[CrawlRefused] = []
    with session("catalogue", root=settings.root) as spark:
        lake = Lake(settings.root, spark)
        with lake.writing(MODELS, GENERATORS, CRAWLS):
            load_landed(lake, Landing(settings.root))
            for crawl_id in waiting(lake, settings.crawl_id):
                try:
                    codes.append(take_up(lake, crawl_id, policy, settings))
                except CrawlRefused as error:
                    refused.append(error)
            if len(codes) > 1:
                update_gold(lake)
    if refused:
        raise CrawlRefused("; ".join(map(str, refused)))
    return max(codes)


def read_policy(path: str) -> Policy:
    """Return the policy of a YAML file, the default one without. Raises ConfigError."""
    words = ["--config", path] if path else []
    return parse(Policy, words, prog="forensics catalogue", description="")


def update_gold(lake: Lake) -> None:
    """Write the gold tables of the catalogue anew where they would differ."""
    stage = Stage("gold", "tables")
    current, generators = lake.read(MODELS).where("is_current"), lake.read(GENERATORS)
    tables = {
        GOLD_CATALOGUE: catalogue_counts(current, generators),
        GOLD_GROWTH: growth(generators),
        GOLD_BASE_MODELS: base_models(current, generators),
        GOLD_MODELS: model_list(current, generators),
    }
    written = sum(lake.refresh(table, rows) for table, rows in tables.items())
    stage.finish(len(tables), written, already_there=len(tables) - written)


if __name__ == "__main__":
    sys.exit(run(main))
