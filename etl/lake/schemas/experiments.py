"""Tables of experiments: their cells, what those scored, what was concluded, and what follows for the catalogue.

A cell is one training set (an arm at one x, of one seed, fold and draw) learnt by one detector. `cell_hash` is of
all that decides its result, table versions included: a changed configuration makes other rows beside the old ones.
"""

from pyspark.sql.types import ArrayType, DoubleType

from etl.lake.schemas.table import Table, struct

EXPERIMENTS = Table(
    "experiments",
    ("experiment", "cell", "cell_hash"),
    struct(
        experiment="string",
        arm="string",
        x="double",
        seed="int",
        run_id="string",  # MLflow: of the training where the detector was trained, else of the experiment
        metrics="string",  # {test: {metric: unweighted mean over the test's units}} (JSON)
        cell="string",  # ARM/x8/s1/f0/d2/DETECTOR
        cell_hash="string",
        config_hash="string",  # of the whole experiment
        detector="string",
        fold="int",
        draw="int",
        n_fake="long",  # examples of training
        n_real="long",
        n_distinct="long",  # different images among them: fewer where the draw had to repeat some
        n_generators="long",
        n_groups="long",
        diversity="string",  # {measure: value} of the training set (JSON)
        id_checksum="string",  # SHA-256 over the training set's sorted image ids
        table_versions="string",  # Delta version of every table read (JSON)
        seconds="double",
        finished_at="timestamp",
    ),
    append_only=True,
)

EXPERIMENT_UNITS = Table(
    "experiment_units",
    ("experiment", "cell", "cell_hash", "test", "unit"),
    struct(
        experiment="string",
        cell="string",
        cell_hash="string",
        test="string",
        unit="string",  # e.g. the held-out family whose fakes were judged
        n_fake="long",
        n_real="long",
        average_precision="double",
        roc_auc="double",
        accuracy="double",  # balanced, at logit 0
        fpr="double",  # at logit 0
        tpr_at_fpr_5="double",  # null with fewer than 20 reals
    ),
    append_only=True,
)

EXPERIMENT_SCORES = Table(
    "experiment_scores",
    ("experiment", "cell", "cell_hash", "test"),
    struct(
        experiment="string",
        cell="string",
        cell_hash="string",
        test="string",
        images="string",  # key of `experiment_images`
        logits=ArrayType(DoubleType()),  # in the order of its ids
    ),
    append_only=True,
)

EXPERIMENT_IMAGES = Table(
    "experiment_images",
    ("images",),
    struct(
        images="string",  # SHA-256 over the ids, in their order
        image_ids="strings",  # fakes, then reals; label and generator are in `images`
    ),
    append_only=True,
)

EXPERIMENT_EFFECTS = Table(
    "experiment_effects",
    ("experiment", "effect", "detector"),
    struct(
        experiment="string",
        effect="string",
        detector="string",
        is_headline="boolean",  # first effect by the primary detector: the verdict
        test="string",
        metric="string",
        control="string",  # ARM/x of the control, and of the treatment
        treatment="string",
        control_value="double",
        treatment_value="double",
        difference="double",  # treatment less control, over the pairs
        ci_low="double",
        ci_high="double",
        level="double",
        minimum="double",  # least difference that counts as shown
        pairs="long",  # (unit, seed) that both have
        units="long",
        seeds="long",
        units_up="long",  # units whose mean difference is above 0
        verdict="string",  # shown, not shown, contrary
        reason="string",  # why there is no verdict
        config_hash="string",
        decided_at="timestamp",
    ),
)

GOLD_DETECTION_TRENDS = Table(
    "gold_detection_trends",
    ("subject", "trend", "bin"),
    struct(
        subject="string",  # an MLflow run, or EXPERIMENT/ARM/x/DETECTOR
        trend="string",  # lineage_distance, release_month
        bin="string",
        position="double",  # of the bin on an axis: steps of lineage, or months since 1970
        metric="string",
        value="double",
        ci_low="double",
        ci_high="double",
        n_generators="long",
        n_fake="long",
    ),
)

GOLD_ALARMS = Table(
    "gold_alarms",
    ("subject", "generator_id"),
    struct(
        subject="string",
        generator_id="string",
        family="string",
        released_at="timestamp",
        is_new="boolean",
        fpr="double",  # the rate of false positives at which the threshold was fixed
        threshold="double",
        n_fake="long",
        tpr="double",
        tpr_low="double",  # 95 % interval of the rate itself
        tpr_high="double",
        known_low="double",  # interval in which a further known generator's rate would lie
        known_high="double",
        alarm="boolean",  # the whole interval of the rate lies below that of the known ones
    ),
)

GOLD_ADDITIONS = Table(
    "gold_additions",
    ("subject", "rank"),
    struct(
        subject="string",  # NAME@VERSION of the training set that is to grow
        rank="int",
        generator_id="string",
        family="string",
        root_model_id="string",
        strategy="string",  # spread, value; `unseen family` for what has no images yet
        novelty="double",  # distance to the nearest learnt generator, in spreads of images; null without images
        error="double",  # mean cross-entropy of a detector of the set on its pilots; null without images
        images="long",  # that the lake has of it
        planned_at="timestamp",
    ),
)
