"""What the explorer asks about experiments: their verdicts, their curves, their cells."""

from explorer.query import Query, query

METRICS = {
    "Average precision": "average_precision",
    "Area under the ROC curve": "roc_auc",
    "Accuracy at logit 0": "accuracy",
    "True positives at 5 % false positives": "tpr_at_fpr_5",
}


def names() -> Query:
    """Every experiment with its cells, seeds and the time of its last cell."""
    return query(
        "select experiment, count(*) as cells, count(distinct seed) as seeds, "
        "count(distinct detector) as detectors, "
        "max(finished_at) as finished_at, sum(seconds) as seconds from experiments group by experiment "
        "order by finished_at desc, experiment"
    )


def effects(experiment: str) -> Query:
    """The effects of one experiment, the headline first."""
    return query(
        "select * from experiment_effects where experiment = $experiment "
        "order by is_headline desc, effect, detector",
        experiment=experiment,
    )


def headlines() -> Query:
    """The headline verdict of each experiment."""
    return query(
        "select experiment, effect, detector, difference, ci_low, ci_high, level, verdict, reason "
        "from experiment_effects where is_headline order by experiment"
    )


def detectors(experiment: str) -> Query:
    """The detectors and tests of one experiment."""
    return query(
        "select distinct detector, u.test from experiments "
        "join experiment_units u using (experiment, cell, cell_hash) "
        "where experiment = $experiment order by all",
        experiment=experiment,
    )


def points(experiment: str, test: str, metric: str, chosen: tuple[str, ...]) -> Query:
    """Mean over seeds and deviation between them, by arm and x; within a seed over units, folds and draws."""
    assert metric in METRICS.values()
    return query(
        f"""
        with cells as (
            select c.arm, c.detector, c.x, c.seed, c.cell, avg(u.{metric}) as value
            from experiments c join experiment_units u using (experiment, cell, cell_hash)
            where experiment = $experiment and u.test = $test and list_contains($chosen, c.detector)
            group by all),
        seeds as (select arm, detector, x, seed, avg(value) as value, count(*) as cells from cells group by all)
        select arm, detector, x, avg(value) as value, stddev_samp(value) as spread, count(*) as seeds,
               sum(cells)::bigint as cells
        from seeds group by all order by arm, detector, x
        """,  # noqa: S608 (a name of METRICS)
        experiment=experiment, test=test, chosen=chosen,
    )  # fmt: skip


def cells(experiment: str) -> Query:
    """Every cell with its training set's size and its mean over the units of each test."""
    return query(
        """
        select c.cell, c.arm, c.x, c.seed, c.fold, c.draw, c.detector, u.test,
               avg(u.average_precision) as average_precision, avg(u.accuracy) as accuracy,
               any_value(c.n_fake) as n_fake, any_value(c.n_real) as n_real,
               any_value(c.n_generators) as n_generators, any_value(c.n_groups) as n_groups,
               any_value(c.run_id) as run_id, any_value(c.seconds) as seconds
        from experiments c join experiment_units u using (experiment, cell, cell_hash)
        where experiment = $experiment
        group by c.cell, c.arm, c.x, c.seed, c.fold, c.draw, c.detector, u.test
        order by c.arm, c.x, c.seed, c.fold, c.draw, c.detector, u.test
        """,
        experiment=experiment,
    )  # fmt: skip


def units(experiment: str, cell: str, test: str) -> Query:
    """What one cell reached on each unit of a test, the weakest first."""
    return query(
        "select unit, n_fake, n_real, average_precision, roc_auc, accuracy, fpr, tpr_at_fpr_5 "
        "from experiment_units "
        "where experiment = $experiment and cell = $cell and test = $test order by average_precision, unit",
        experiment=experiment, cell=cell, test=test,
    )  # fmt: skip


def worst_images(experiment: str, cell: str, test: str, limit: int) -> Query:
    """The images of one cell's test that it got most wrong: fakes with low logits, reals with high ones."""
    return query(
        """
        with scored as (
            select unnest(i.image_ids) as image_id, unnest(s.logits) as logit
            from experiment_scores s join experiment_images i using (images)
            where s.experiment = $experiment and s.cell = $cell and s.test = $test)
        select image_id, i.label, i.generator_id, i.real_source, logit
        from scored join images i using (image_id)
        order by case when i.label = 1 then logit else -logit end limit $limit
        """,
        experiment=experiment, cell=cell, test=test, limit=limit,
    )  # fmt: skip
