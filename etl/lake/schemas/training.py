"""Tables of training sets and of what detectors did on them."""

from etl.lake.schemas.table import Table, struct

TRAINING_SETS = Table(
    "training_sets",
    ("name", "version"),
    struct(
        name="string",
        version="int",
        config="string",  # the resolved configuration (JSON)
        config_hash="string",
        table_versions="string",  # Delta version of every table read (JSON)
        rows_version="long",  # Delta version of training_rows/<name> that holds this version's rows
        counts="string",  # rows by split and label (JSON)
        id_checksum="string",  # SHA-256 over the sorted (split, image_id) pairs
        audit="string",  # figures of the audit, what was left out, how diverse the fakes are (JSON)
        created_at="timestamp",
    ),
)

_TRAINING_ROW = struct(
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
    ("run_id", "collection", "image_id", "transform"),
    struct(
        run_id="string",  # MLflow run of the detector, or baseline:<name>
        image_id="string",
        transform="string",  # "none", or the name of the degradation applied before scoring
        collection="string",  # what was scored, e.g. demo@1/test
        label="int",
        generator_id="string",
        real_source="string",
        logit="double",
        scored_at="timestamp",
        format="string",  # of the scored file: JPEG, PNG, …
    ),
    append_only=True,
)

EVALUATIONS = Table(
    "evaluations",
    ("run_id", "collection", "slice_kind", "slice", "transform", "metric", "pool"),
    struct(
        run_id="string",  # of the detector, or baseline:<name>
        collection="string",
        # all, generator, family, architecture, real_source, format; mean, mean_of_architecture (unweighted over
        # generators); operating_point
        slice_kind="string",
        slice="string",
        transform="string",
        metric="string",  # one of training.metrics.METRICS, flip_rate; threshold, fpr, tpr of an operating point
        value="double",
        ci_low="double",
        ci_high="double",
        n_real="long",
        n_fake="long",
        reason="string",  # why the value is null, e.g. ONE_CLASS
        evaluated_at="timestamp",
        pool="string",  # reals that fakes were judged against: all, matched, paired; with ", balanced" as many
        interval_over="string",  # what the interval's bootstrap drew: generators or images
        threshold="double",  # the logit above which an image was called fake, for metrics that rest on one
    ),
)
