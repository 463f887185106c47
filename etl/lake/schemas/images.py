"""Tables of images: how they were made, what they are, what was refused."""

from pyspark.sql.types import ArrayType, FloatType

from etl.lake.schemas.table import Table, struct

GENERATION_ATTEMPTS = Table(
    "generation_attempts",
    ("plan_id", "generator_id", "attempt"),
    struct(
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
        peak_gpu_memory_mb="double",
        download_bytes="long",
        download_seconds="double",
        load_seconds="double",
        sampling_seconds="double",
        started_at="timestamp",
    ),
    append_only=True,
)

PROMPTS = Table(
    "prompts",
    ("prompt_id",),
    struct(
        prompt_id="string",  # first 16 hexadecimal digits of the SHA-256 of the text as JSON
        text="string",
        source="string",  # lake:<real_source>, file:<name> or hub:<owner/name>@<commit>/<path>
        source_key="string",  # image_id, or the row's number, from 1
        licence="string",  # of the real image or the dataset; null for a file
        first_seen="timestamp",
    ),
    append_only=True,
)

IMAGES = Table(
    "images",
    ("image_id",),
    struct(
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
        real_source="string",  # the data set of a real; on a fake the one it was made after, where known
        source="string",  # the ingest source that brought it: plan id, folder name, dataset
        source_key="string",  # its path or key there
        prompt="string",
        negative_prompt="string",
        class_label="int",
        quality="int",  # of a JPEG or WebP made here
        subsampling="string",
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
        bit_depth="int",  # bits a channel as stored
        icc_profile="string",  # description of the colour profile; null without one
    ),
    append_only=True,
    holds_images=True,
    clustered_by=("generator_id", "image_id"),
)

THUMBNAILS = Table(
    "thumbnails",
    ("image_id",),
    struct(image_id="string", generator_id="string", label="int", width="int", height="int", jpeg="binary"),
    holds_images=True,
    clustered_by=("generator_id", "image_id"),
)

COLLECTIONS = Table(
    "collections",
    ("collection", "image_id", "paired_generator_id"),
    struct(
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
    struct(
        image_id="string",
        feature_version="int",
        byte_size="long",
        format="string",
        width="int",
        height="int",
        has_alpha="boolean",
        jpeg_quality="int",  # of the standard tables the nearest; null for what is no JPEG
        jpeg_subsampling="string",  # 4:4:4, 4:2:0 …
        phash="long",  # 64-bit DCT hash, as a signed integer
        sharpness="double",  # variance of the Laplacian, squared grey levels
        mean_red="double",  # 0 … 255
        mean_green="double",
        mean_blue="double",
        colourfulness="double",  # of Hasler and Süsstrunk
        entropy="double",  # bits of the grey levels
        spectrum=ArrayType(FloatType()),  # 64 powers of the noise residual at 1/128 … 1/2 cycles a pixel
        embedding_model="string",  # which network and weights made the embedding; null without one
        embedding=ArrayType(FloatType()),
        described_at="timestamp",
    ),
)

DUPLICATES = Table(
    "duplicates", ("image_id", "other_id"), struct(image_id="string", other_id="string", distance="int")
)

DUPLICATE_CLUSTERS = Table(
    "duplicate_clusters",
    ("image_id",),
    struct(
        image_id="string",
        cluster_id="string",  # the first image's id
        size="int",
    ),
)

REJECTS = Table(
    "rejects",
    ("stage", "key", "sha256", "run_id"),
    struct(
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
