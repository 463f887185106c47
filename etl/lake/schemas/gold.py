"""Gold tables: what the explorer shows at once."""

from pyspark.sql.types import ArrayType, FloatType

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

GOLD_MODELS = Table(
    "gold_models",
    ("model_id",),
    struct(
        model_id="string",
        author="string",
        revision="string",
        family="string",
        architecture="string",
        pipeline_class="string",
        licence="string",
        gated="string",
        nsfw="boolean",
        eligible="boolean",
        reason="string",
        detail="string",
        root_model_id="string",
        base_model_id="string",  # the first that it declares
        relation="string",
        lineage_depth="int",
        weight_bytes="long",
        downloads="long",
        likes="long",
        created_at="timestamp",
        last_modified="timestamp",
        is_gone="boolean",
    ),
)
"""One row a model of the Hub at its current revision, the most downloaded first: what is searched by people."""

GOLD_IMAGES = Table(
    "gold_images",
    ("image_id",),
    struct(
        image_id="string",
        place="long",  # first 15 hexadecimal digits of image_id: rows lie in this order, a shuffle that stays
        label="int",
        generator_id="string",
        kind="string",
        architecture="string",
        family="string",
        root_model_id="string",
        generator_licence="string",
        real_source="string",
        source="string",
        licence="string",
        format="string",
        width="int",
        height="int",
        byte_size="long",
        nsfw="boolean",  # marked so, or made by a generator that is; never null
        prompt="string",
        ingested_at="timestamp",
    ),
)
"""One row an image without its bytes, with what its generator is: what galleries filter and count by."""

GOLD_SPECTRA = Table(
    "gold_spectra",
    ("kind", "name"),
    struct(
        kind="string",  # generator, real_source; label for all real and all fake images
        name="string",
        images="long",  # with a spectrum
        spectrum=ArrayType(FloatType()),  # mean power of the noise residual at 1/128 … 1/2 cycles a pixel, in dB
        sharpness="double",  # means of image_features
        colourfulness="double",
        entropy="double",
        byte_size="double",
    ),
)
"""What the images of one maker have in common: their mean spectrum, in which up-sampling leaves its mark."""
