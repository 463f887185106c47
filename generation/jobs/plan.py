"""Choose which eligible generators to sample, under a budget, by a stated strategy and a seed."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from etl.command import Stage, run
from etl.config import parse
from etl.lake import snapshot
from etl.lake.lock import table_lock
from etl.lake.schemas import GENERATORS, PLANS
from generation.inputs import recorded_plan
from generation.plan_settings import PlanSettings
from generation.planner import choose, plan_name, report, require_same, rows


def main(argv: Sequence[str] | None = None) -> int:
    settings = parse(PlanSettings, argv, "forensics plan", __doc__)
    stage = Stage("plan", "generators")
    version = snapshot.current_version(settings.root, GENERATORS)
    name = plan_name(settings, version)
    with table_lock(settings.root, PLANS.name):
        there = recorded_plan(settings.root, name)
        if there.height:
            require_same(settings, there)
            note = f"{name}, made from version {there['generators_version'][0]} of the catalogue"
            return stage.finish(there.height, 0, already_there=there.height, note=note)
        choice = choose(settings.root, version, settings)
        new = snapshot.append(settings.root, PLANS, rows(choice, name, version, settings, datetime.now(UTC)))
    for line in report(choice, settings):
        print(f"plan: {line}")
    return stage.finish(choice.chosen.height, new, note=f"sample them with `forensics generate --plan {name}`")


if __name__ == "__main__":
    sys.exit(run(main))
