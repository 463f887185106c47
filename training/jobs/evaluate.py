"""Score a training set's test images with a trained detector, and judge it by generator."""

import sys
from collections.abc import Sequence

from etl.command import Stage, run
from etl.config import parse
from training.settings import EvaluateSettings


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the settings, score what is missing, write the metrics, print them; return the exit code."""
    settings = parse(EvaluateSettings, argv, prog="forensics evaluate", description=__doc__)
    # Torch and timm take seconds to load: not for `--help` or a misspelt key.
    from training import evaluation, scoring, sets
    from training.tracking import Tracker

    stage = Stage("evaluate", "images")
    training_set = sets.find(settings.root, settings.training_set, settings.version)
    tracker = Tracker(settings.root)
    detector = scoring.choose_run(tracker, training_set, settings.run_id)
    scored = scoring.score(settings, training_set, tracker, detector)
    groups = evaluation.evaluate(
        scoring.predictions(settings.root, training_set, detector), settings.seed, settings.bootstrap_draws
    )
    written = evaluation.store(settings.root, groups, detector.run_id, scoring.collection(training_set))
    print(evaluation.table(groups))
    note = f"run {detector.run_id}, metrics {'written' if written else 'unchanged'}"
    return stage.finish(scored.total, scored.fresh, already_there=scored.total - scored.fresh, note=note)


if __name__ == "__main__":
    sys.exit(run(main))
