"""Gold tables: what the explorer shows at once."""

from etl.lake.schemas.table import Table, struct

GOLD_COUNTS = Table(
    "gold_counts",
    ("dimension", "value"),
    struct(dimension="string", value="string", generators="long", images="long"),
)

GOLD_DIVERSITY = Table(
    "gold_diversity",
    ("dimension", "unit"),
    struct(
        dimension="string",  # architecture, family, licence, …
        unit="string",  # what is counted: generators or images
        values="long",  # how many distinct values
        total="long",
        entropy_bits="double",
        effective_number="double",  # Hill number of order 1; `values` is that of order 0
        simpson_number="double",  # Hill number of order 2
    ),
)

GOLD_GENERATOR_CARDS = Table(
    "gold_generator_cards",
    ("generator_id",),
    struct(
        generator_id="string",
        kind="string",
        architecture="string",
        family="string",
        licence="string",
        root_model_id="string",
        released_at="timestamp",
        eligible="boolean",
        reason="string",
        attempts="long",
        last_code="string",
        images="long",
    ),
)

GOLD_CATALOGUE = Table(
    "gold_catalogue",
    ("dimension", "value"),
    struct(
        dimension="string",  # licence, gated, family, architecture, pipeline_class, verdict, scheduler
        value="string",
        models="long",
        share="double",  # of all models that are there
        eligible="long",
        downloads="long",
    ),
)

GOLD_GROWTH = Table(
    "gold_growth",
    ("month", "family"),
    struct(month="string", family="string", models="long", eligible="long"),  # month of creation, 2024-05
)

GOLD_BASE_MODELS = Table(
    "gold_base_models",
    ("root_model_id",),
    struct(
        root_model_id="string",
        family="string",
        root_certain="boolean",
        descendants="long",
        adapters="long",
        finetunes="long",
        merges="long",
        quantisations="long",
        copies="long",
        eligible="long",
        depth="int",  # of the longest chain
        downloads="long",  # of root and descendants
    ),
)

GOLD_CRAWL_HISTORY = Table(
    "gold_crawl_history",
    ("crawl_id", "family"),
    struct(crawl_id="string", family="string", new="long", changed="long", gone="long", there="long"),
)

GOLD_SPREAD = Table(
    "gold_spread",
    ("measure", "subject"),
    struct(
        measure="string",  # vendi, fingerprint_between, fingerprint_within, fingerprint_ratio, coverage_<column>
        subject="string",  # fakes, reals, or a family; of coverage: sampled
        value="double",
        n="long",  # images, generators or kinds that it rests on
    ),
)
