"""Write a versioned, generator-disjoint, audited training set: `images` → `training_rows/<name>`."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from etl.command import Stage, run
from etl.config import parse
from etl.images.builds import chosen_again, prepared, report, require_audit, written
from etl.images.recipe import TrainingSetSettings
from etl.lake import snapshot
from etl.lake.schemas import IMAGES, TRAINING_SETS, training_rows
from etl.lake.session import session
from etl.lake.store import Lake


def main(argv: Sequence[str] | None = None) -> int:
    settings = parse(TrainingSetSettings, argv, "forensics build-training-set", __doc__)
    stage = Stage("build-training-set", "rows")
    snapshot.current_version(settings.root, IMAGES)  # a missing lake is said before Spark starts
    with session("build-training-set", root=settings.root) as spark:
        lake = Lake(settings.root, spark)
        if settings.again:
            total = sum(chosen_again(lake, settings.again).counts.values())
            return stage.finish(total, 0, already_there=total, note=f"{settings.again} comes out the same")
        with lake.writing(training_rows(settings.name), TRAINING_SETS):
            return _build(lake, settings, stage)


def _build(lake: Lake, settings: TrainingSetSettings, stage: Stage) -> int:
    build = prepared(lake, settings, datetime.now(UTC))
    choice = build.choice
    print("\n".join(report(choice)))
    total = sum(choice.counts.values())
    shown = ", ".join(f"{name} {count}" for name, count in choice.counts.items())
    if build.latest and build.stands:
        return stage.finish(total, 0, already_there=total, note=f"{settings.name}@{build.latest.version} stands")
    require_audit(choice, settings)
    if settings.dry_run:
        return stage.finish(total, total, note=f"nothing written: {shown}; checksum {build.row['id_checksum']}")
    written(lake, build)
    return stage.finish(total, total, note=f"{build.label}: {shown}")


if __name__ == "__main__":
    sys.exit(run(main))
