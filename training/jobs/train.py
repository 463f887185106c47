"""Train a detector on a training set, logged to MLflow. A finished run is not trained again."""

import sys
from collections.abc import Sequence

from etl.command import Stage, run
from etl.config import parse
from etl.errors import OK
from training.settings import TrainSettings


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the settings, train, and print what came of it; return the exit code."""
    settings = parse(TrainSettings, argv, prog="forensics train", description=__doc__)
    # Torch and timm take seconds to load: not for `--help` or a misspelt key.
    from training import launching, world
    from training.runs import train

    if settings.processes > 1 and not launching.is_launched():
        launching.launch(settings)
        return OK
    stage = Stage("train", "detectors")
    try:
        ours = world.join(settings.device)
        trained = train(settings, ours)
    finally:
        world.leave()
    if not ours.leads:
        return OK
    judge(settings, trained.run_id)
    if trained.already_there:
        return stage.finish(1, 0, already_there=1, note=f"already trained as run {trained.run_id}")
    figures = ", ".join(f"{key} {value:.3f}" for key, value in trained.figures.items())
    return stage.finish(1, 1, note=f"run {trained.run_id}{figures and f', {figures}'}")


def judge(settings: TrainSettings, run_id: str) -> None:
    """Judge the run on its validation split; what is judged already is left alone."""
    from training import judgement
    from training.judging_settings import EvaluateSettings
    from training.tracking import Tracker

    shared = ("root", "batch_size", "workers", "device", "deadline_seconds")
    tracker = Tracker(settings.root)
    how = EvaluateSettings(**{name: getattr(settings, name) for name in shared})
    judgement.validate(how, tracker, tracker.finished_run(run_id))


if __name__ == "__main__":
    sys.exit(run(main))
