"""One evaluation from end to end: run and images, their scores, the run's operating points, the metrics."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from training import baselines, evaluation, evaluation_log, operating_points, scoring, sets, targets, trained
from training.evaluation import Judging, Row
from training.judging_settings import EvaluateSettings
from training.operating_points import Point
from training.scoring import UNTRANSFORMED, Scored
from training.sets import TrainingSet
from training.targets import Target
from training.tracking import Run, Tracker


@dataclass(frozen=True)
class Chosen:
    """What is judged: a run, the training set that it learnt, the images."""

    run: Run
    training_set: TrainingSet
    target: Target


@dataclass(frozen=True)
class Judged:
    """What came of it; rows are those of `evaluations`, by transform and by baseline."""

    scored: Scored
    rows: dict[str, list[Row]]
    baselines: dict[str, list[Row]]
    points: Sequence[Point]
    against: str
    weights: str
    """SHA-256 of the detector's weights"""
    written: bool


def choose(settings: EvaluateSettings, tracker: Tracker) -> Chosen:
    """Return the run and the images that the settings name, without those that the run has learnt from.

    Raises NothingUsable, LakeMissing, and ConfigError as `scoring.choose_run`.
    """
    if settings.collection is None or settings.chosen_run is None:
        training_set = sets.find(settings.root, settings.training_set, settings.version)
        chosen = settings.chosen_run if settings.collection is None else None
        run = scoring.choose_run(tracker, training_set, chosen)
    else:
        run = tracker.finished_run(settings.chosen_run)
        training_set = _set_of(settings.root, run)
    if settings.collection is None:
        target = targets.of_split(settings.root, training_set, "test")
    else:
        target = targets.find(settings.root, settings.collection)
    return Chosen(run, training_set, target.without(targets.learnt(settings.root, training_set)))


def judge(settings: EvaluateSettings, tracker: Tracker, chosen: Chosen) -> Judged:
    """Score what is missing and write the metrics: the run's under each transform, and the baselines'."""
    run, target, root = chosen.run, chosen.target, settings.root
    transforms = _transforms(settings.transforms)
    points = validate(settings, tracker, run)
    scored = scoring.score(settings, target, tracker, run, transforms)
    threshold = evaluation.threshold_of(points)
    how = Judging(settings.pool, settings.balanced, threshold, settings.seed, settings.bootstrap_draws)
    plain = scoring.all_predictions(root, target, run.run_id)
    rows, written = {}, False
    for name in (UNTRANSFORMED, *transforms):
        found = plain if name == UNTRANSFORMED else scoring.all_predictions(root, target, run.run_id, name)
        rows[name] = evaluation.rows(evaluation.evaluate(root, found, how, target.pairs), how)
        if name != UNTRANSFORMED:
            rows[name] += evaluation.flips(plain, found, how)
        written |= evaluation.store(root, rows[name], run.run_id, target.name, name, how.against)
    evaluation_log.add(tracker, run, target.name, how.against, rows[UNTRANSFORMED], plain, written)
    beside = {}
    bare = replace(how, threshold=None)
    for name in baselines.score(root, target, chosen.training_set, settings.seed):
        found = scoring.all_predictions(root, target, name)
        beside[name] = evaluation.rows(evaluation.evaluate(root, found, bare, target.pairs), bare)
        written |= evaluation.store(root, beside[name], name, target.name, UNTRANSFORMED, how.against)
    weights = trained.of_run(tracker, run).checksum
    return Judged(scored, rows, beside, points, how.against, weights, written)


def _set_of(root: str, run: Run) -> TrainingSet:
    name, _, version = scoring.set_of(run).rpartition("@")
    return sets.find(root, name, int(version))


def _transforms(asked: Sequence[str]) -> list[str]:
    """Return the degradations asked for, once each; `all` is all that there are. Raises ConfigError."""
    if "all" not in asked:
        names = [name for name in dict.fromkeys(asked) if name != UNTRANSFORMED]
        for name in names:  # before the first is scored
            scoring.transform_of(name, 1)
        return names
    from training import degradations

    return degradations.names()


def validate(settings: EvaluateSettings, tracker: Tracker, run: Run) -> Sequence[Point]:
    """Judge a run on its own validation split; return and store its operating points, log figures and plots.

    Every run is judged so at the end of its training, and by `judge` where that is missing. These figures go to
    MLflow alone: weights may have been chosen by these images, and thresholds are.
    """
    validation = targets.of_split(settings.root, _set_of(settings.root, run), "val")
    if validation.examples.is_empty():
        return []
    scoring.score(settings, validation, tracker, run)
    found = scoring.all_predictions(settings.root, validation, run.run_id)
    points = operating_points.points(found["label"].to_numpy().astype(np.int64), found["logit"].to_numpy())
    place = run.run_id, validation.name, UNTRANSFORMED, evaluation.VALIDATION
    changed = bool(points) and evaluation.store(settings.root, evaluation.point_rows(points), *place)
    how = Judging(draws=1)
    rows = evaluation.rows(evaluation.evaluate(settings.root, found, how), how)
    evaluation_log.add(tracker, run, validation.name, how.against, rows, found, changed)
    return points
