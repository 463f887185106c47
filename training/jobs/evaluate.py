"""Score images with a trained detector, as they are and degraded, and judge it by generator beside baselines."""

import sys
from collections.abc import Sequence

from etl.command import Stage, run
from etl.config import parse
from training.judging_settings import EvaluateSettings


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the settings, score what is missing, write the metrics, print them; return the exit code."""
    settings = parse(EvaluateSettings, argv, prog="forensics evaluate", description=__doc__)
    # Torch and timm take seconds to load: not for `--help` or a misspelt key.
    from training import judgement, reporting
    from training.tracking import Tracker

    stage = Stage("evaluate", "scores" if settings.transforms else "images")
    tracker = Tracker(settings.root)
    chosen = judgement.choose(settings, tracker)
    judged = judgement.judge(settings, tracker, chosen)
    for line in (
        *reporting.table(judged.rows[judgement.UNTRANSFORMED], judged.baselines),
        *(reporting.matrix(judged.rows) if len(judged.rows) > 1 else ()),
        *reporting.points(judged.points),
    ):
        print(line)
    notes = [
        f"run {chosen.run.run_id}",
        f"{chosen.target.name} against {judged.against} reals",
        f"weights {judged.weights[:12]}",
        f"metrics {'written' if judged.written else 'unchanged'}",
    ]
    if chosen.target.left_out:
        notes.append(f"{len(chosen.target.left_out)} images left out that the detector was trained on")
    if chosen.target.lost:
        notes.append(f"{chosen.target.lost} images of the collection are not in the lake")
    scored = judged.scored
    return stage.finish(
        scored.total, scored.fresh, already_there=scored.total - scored.fresh, note=", ".join(notes)
    )


if __name__ == "__main__":
    sys.exit(run(main))
