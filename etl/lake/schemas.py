"""Every table of the lake, declared once: its columns, its key, and how it may change.

Writer, readers, tests and the explorer import these; column names come from nowhere else. Every column is
nullable in Delta, since NOT NULL would be refused only at commit, for the whole batch: stages check first and
put what fails into `rejects`. JSON goes into plain strings, which every reader of the lake reads.
"""

from dataclasses import dataclass

from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    DataType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

_NAMES: dict[str, DataType] = {
    "string": StringType(),
    "int": IntegerType(),
    "long": LongType(),
    "double": DoubleType(),
    "boolean": BooleanType(),
    "binary": BinaryType(),
    "timestamp": TimestampType(),
    "strings": ArrayType(StringType()),
}


def _struct(**columns: str | DataType) -> StructType:
    return StructType([StructField(n, _NAMES[t] if isinstance(t, str) else t) for n, t in columns.items()])


FILE = _struct(path="string", size="long", sha256="string")
BASE_MODEL = _struct(model_id="string", relation="string")


@dataclass(frozen=True)
class Table:
    """One Delta table: `name` is its folder under the lake's root, `key` identifies a row."""

    name: str
    key: tuple[str, ...]
    schema: StructType
    append_only: bool = False
    holds_images: bool = False
    """Rows carry encoded images: written uncompressed, in row groups of about 8 MB."""

    @property
    def columns(self) -> list[str]:
        return self.schema.fieldNames()


HUB_RECORDS = Table(
    "hub_records",
    ("crawl_id", "model_id"),
    _struct(
        crawl_id="string",
        model_id="string",
        page="int",
        position="int",
        record="string",  # the listing record as received (JSON)
        detail="string",  # model info with files, and model_index.json, where fetched (JSON)
        fetched_at="timestamp",
    ),
    append_only=True,
)

MODELS = Table(
    "models",
    ("model_id", "revision"),
    _struct(
        model_id="string",
        revision="string",
        hub_id="string",  # the Hub's own `_id`: it survives a rename
        author="string",
        licence="string",
        gated="string",  # no, auto, manual
        disabled="boolean",
        nsfw="boolean",  # tagged not-for-all-audiences
        library="string",
        pipeline_tag="string",
        pipeline_class="string",
        base_models=ArrayType(BASE_MODEL),
        files=ArrayType(FILE),
        weight_files=ArrayType(FILE),
        weight_bytes="long",
        model_index="string",  # model_index.json as received
        tags="strings",
        downloads="long",
        likes="long",
        created_at="timestamp",
        last_modified="timestamp",
        first_seen="timestamp",
        last_seen="timestamp",
        is_current="boolean",
        withdrawn_at="timestamp",
    ),
)

GENERATORS = Table(
    "generators",
    ("generator_id",),
    _struct(
        generator_id="string",  # hub: the model id; others: <kind>:<name>
        kind="string",  # hub, manual, commercial, imported
        name="string",
        model_id="string",
        revision="string",
        architecture="string",  # LatDiff, PixDiff, GAN, Other, Commercial; null where unknown
        family="string",  # SD 1.x, SDXL, Flux, …
        pipeline_class="string",
        root_model_id="string",
        lineage_depth="int",
        licence="string",
        nsfw="boolean",
        weight_bytes="long",
        downloads="long",
        released_at="timestamp",
        eligible="boolean",
        reason="string",  # one of etl.models.eligibility.Reason when not eligible
        detail="string",  # what the reason rests on, in words
        updated_at="timestamp",
    ),
)

GENERATION_ATTEMPTS = Table(
    "generation_attempts",
    ("plan_id", "generator_id", "attempt"),
    _struct(
        plan_id="string",
        generator_id="string",
        attempt="int",
        status="string",  # ok, partial, failed
        code="string",  # OK, or one of generation's failure codes
        message="string",
        seconds="double",
        images="int",
        bytes="long",
        peak_memory_mb="double",
        started_at="timestamp",
    ),
    append_only=True,
)

IMAGES = Table(
    "images",
    ("image_id",),
    _struct(
        image_id="string",  # SHA-256 of the bytes, lower-case hex
        bytes="binary",
        format="string",  # JPEG, PNG, WEBP, AVIF, GIF
        width="int",
        height="int",
        mode="string",
        n_frames="int",
        exif_orientation="int",
        label="int",  # 1 fake, 0 real
        generator_id="string",  # null on reals
        real_source="string",  # null on fakes
        source="string",  # the ingest source that brought it: plan id, folder name, dataset
        source_key="string",  # its path or key there
        prompt="string",
        author="string",
        licence="string",
        nsfw="boolean",
        request_id="string",
        seed="long",
        steps="int",
        guidance="double",
        scheduler="string",
        dtype="string",
        batch_size="int",
        device="string",
        model_revision="string",
        library_versions="string",  # JSON
        run_id="string",
        ingested_at="timestamp",
    ),
    append_only=True,
    holds_images=True,
)

THUMBNAILS = Table(
    "thumbnails",
    ("image_id",),
    _struct(image_id="string", generator_id="string", label="int", width="int", height="int", jpeg="binary"),
    holds_images=True,
)

COLLECTIONS = Table(
    "collections",
    ("collection", "image_id", "paired_generator_id"),
    _struct(
        collection="string",
        image_id="string",
        paired_generator_id="string",
        split="string",
        added_at="timestamp",
    ),
    append_only=True,
)

IMAGE_FEATURES = Table(
    "image_features",
    ("image_id", "feature_version"),
    _struct(
        image_id="string",
        feature_version="int",
        byte_size="long",
        width="int",
        height="int",
        phash="long",  # 64-bit DCT hash, as a signed integer
        described_at="timestamp",
    ),
)

DUPLICATES = Table(
    "duplicates", ("image_id", "other_id"), _struct(image_id="string", other_id="string", distance="int")
)

REJECTS = Table(
    "rejects",
    ("stage", "key", "sha256", "run_id"),
    _struct(
        stage="string",
        key="string",
        sha256="string",
        code="string",
        detail="string",
        run_id="string",
        attempt="int",
        ts="timestamp",
    ),
    append_only=True,
)

TRAINING_SETS = Table(
    "training_sets",
    ("name", "version"),
    _struct(
        name="string",
        version="int",
        config="string",  # the resolved configuration (JSON)
        config_hash="string",
        table_versions="string",  # Delta version of every table read (JSON)
        rows_version="long",  # Delta version of training_rows/<name> that holds this version's rows
        counts="string",  # rows by split and label (JSON)
        id_checksum="string",  # SHA-256 over the sorted (split, image_id) pairs
        audit="string",  # figures of the audit (JSON)
        created_at="timestamp",
    ),
)

_TRAINING_ROW = _struct(
    image_id="string",
    bytes="binary",
    format="string",
    width="int",
    height="int",
    label="int",
    generator_id="string",
    real_source="string",
    split="string",  # train, val, test
    position="long",  # rank in the pre-shuffled order of its split
)


def training_rows(name: str) -> Table:
    """The table of one training set's rows; each build is one overwrite, kept as a Delta version."""
    return Table(f"training_rows/{name}", ("image_id",), _TRAINING_ROW, holds_images=True)


PREDICTIONS = Table(
    "predictions",
    ("run_id", "image_id", "transform"),
    _struct(
        run_id="string",  # MLflow run of the detector
        image_id="string",
        transform="string",  # "none", or the name of the degradation applied before scoring
        collection="string",  # what was scored, e.g. demo@1/test
        label="int",
        generator_id="string",
        real_source="string",
        logit="double",
        scored_at="timestamp",
    ),
    append_only=True,
)

EVALUATIONS = Table(
    "evaluations",
    ("run_id", "collection", "slice_kind", "slice", "transform", "metric"),
    _struct(
        run_id="string",
        collection="string",
        slice_kind="string",  # all, generator, mean (unweighted over generators)
        slice="string",
        transform="string",
        metric="string",  # average_precision, accuracy
        value="double",
        ci_low="double",
        ci_high="double",
        n_real="long",
        n_fake="long",
        reason="string",  # why the value is null, e.g. ONE_CLASS
        evaluated_at="timestamp",
    ),
)

EXPERIMENTS = Table(
    "experiments",
    ("experiment", "arm", "x", "seed"),
    _struct(experiment="string", arm="string", x="double", seed="int", run_id="string", metrics="string"),
)

GOLD_COUNTS = Table(
    "gold_counts",
    ("dimension", "value"),
    _struct(dimension="string", value="string", generators="long", images="long"),
)

GOLD_DIVERSITY = Table(
    "gold_diversity",
    ("dimension", "unit"),
    _struct(
        dimension="string",  # architecture, family, licence, …
        unit="string",  # what is counted: generators or images
        values="long",  # how many distinct values
        total="long",
        entropy_bits="double",
        effective_number="double",
    ),
)

GOLD_GENERATOR_CARDS = Table(
    "gold_generator_cards",
    ("generator_id",),
    _struct(
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

TABLES: tuple[Table, ...] = (
    HUB_RECORDS, MODELS, GENERATORS, GENERATION_ATTEMPTS, IMAGES, THUMBNAILS, COLLECTIONS, IMAGE_FEATURES,
    DUPLICATES, REJECTS, TRAINING_SETS, PREDICTIONS, EVALUATIONS, EXPERIMENTS, GOLD_COUNTS, GOLD_DIVERSITY,
    GOLD_GENERATOR_CARDS,
)  # fmt: skip
