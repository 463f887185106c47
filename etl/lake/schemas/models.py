"""Tables of the catalogue: what the Hub lists, and what can make images."""

from pyspark.sql.types import ArrayType

from etl.lake.schemas.table import Table, struct

FILE = struct(path="string", size="long", sha256="string")

BASE_MODEL = struct(model_id="string", relation="string")

HUB_RECORDS = Table(
    "hub_records",
    ("crawl_id", "model_id"),
    struct(
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
    struct(
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
        scheduler_config="string",  # scheduler/scheduler_config.json as received
        weights_sha256="string",  # SHA-256 of the set of the pipeline's weight files; null unless all are known
        tags="strings",
        downloads="long",
        likes="long",
        created_at="timestamp",
        last_modified="timestamp",
        first_crawl="string",  # the crawl that brought this revision
        first_seen="timestamp",
        last_seen="timestamp",
        is_current="boolean",
        withdrawn_at="timestamp",
    ),
)

GENERATORS = Table(
    "generators",
    ("generator_id",),
    struct(
        generator_id="string",  # hub: the model id; others: <kind>:<name>
        kind="string",  # hub, manual, commercial, imported
        name="string",
        model_id="string",
        revision="string",  # the one to sample: the oldest known with the weights of the current one
        weights_sha256="string",
        architecture="string",  # LatDiff, PixDiff, GAN, Other, Commercial; null where unknown
        family="string",  # SD 1.x, SDXL, Flux, …
        pipeline_class="string",
        root_model_id="string",
        root_basis="string",  # what the root rests on: one of etl.models.lineage.Basis
        root_certain="boolean",  # whether it ends at a base model that is known as such
        lineage_depth="int",
        scheduler="string",  # class name in the scheduler's configuration
        licence="string",
        nsfw="boolean",
        weight_bytes="long",  # of every weight file that it holds, copies in other precisions included
        download_bytes="long",  # of those that sampling needs
        downloads="long",
        released_at="timestamp",
        eligible="boolean",
        reason="string",  # one of etl.models.eligibility.Reason when not eligible
        detail="string",  # what the reason rests on, in words
        updated_at="timestamp",
    ),
)

CRAWLS = Table(
    "crawls",
    ("crawl_id",),
    struct(
        crawl_id="string",
        mode="string",  # sweep, incremental, bulk
        hub="string",
        listings="strings",
        limit="long",
        complete="boolean",  # walked to the end: what it does not show is gone
        status="string",  # taken, accepted (over the guard's findings), refused
        findings="strings",  # what the guard found, in words
        records="long",
        rejected="long",
        new="long",
        changed="long",  # a new revision of a known model
        gone="long",
        missing="string",  # share of records without each key field (JSON)
        policy="string",  # the policy in force (JSON)
        started_at="timestamp",
        taken_at="timestamp",
    ),
)

PLANS = Table(
    "plans",
    ("plan_id", "generator_id"),
    struct(
        plan_id="string",
        generator_id="string",
        revision="string",
        rank="int",  # place in the order in which the strategy chose
        strategy="string",
        seed="long",
        images="int",  # asked of this generator
        download_bytes="long",
        gpu_seconds="double",  # estimated
        settings="string",  # the planner's resolved configuration (JSON)
        generators_version="long",  # Delta version of `generators` that was read
        planned_at="timestamp",
    ),
    append_only=True,
)

WITHDRAWALS = Table(
    "withdrawals",
    ("generator_id",),
    struct(
        generator_id="string",
        reason="string",  # in the words of whoever withdrew it
        withdrawn_at="timestamp",
    ),
    append_only=True,
)
