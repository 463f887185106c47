"""Keep the lake in order: compact and cluster its tables, and delete files that no one needs any more."""

import sys
from collections.abc import Sequence

from etl.command import run
from etl.config import parse
from etl.errors import OK, LakeMissing, LockHeld
from etl.lake.layout import Rewrite
from etl.lake.maintenance import Kept, existing, planned, rewritten, vacuumed
from etl.lake.session import session
from etl.lake.settings import MaintainSettings
from etl.lake.store import Lake


def main(argv: Sequence[str] | None = None) -> int:
    settings = parse(MaintainSettings, argv, "forensics maintain", __doc__ or "")
    tables = existing(settings.root, settings.tables)
    if not tables:
        raise LakeMissing(f"there is no table in the lake at {settings.root}; name the lake with --root")
    plan = planned(settings.root, tables, int(settings.target_mb * 1e6))
    done = plan if settings.dry_run else _rewrite(settings, plan)
    hours = int(settings.retention_days * 24)
    done = vacuumed(settings.root, done, settings.release, hours, settings.dry_run)
    for kept in done:
        print(kept.line(settings.dry_run))
    files, freed = sum(kept.freed.files for kept in done), sum(kept.freed.bytes for kept in done) / 1e6
    rewrites = sum(kept.rewritten is not Rewrite.NONE for kept in done)
    print(
        f"maintain: {len(done)} tables, {rewrites} {'to rewrite' if settings.dry_run else 'rewritten'}, {files} "
        f"old files ({freed:.1f} MB) {'to delete' if settings.dry_run else 'deleted'}"
    )
    if busy := [kept.table.name for kept in done if kept.busy]:
        raise LockHeld(f"other processes were writing, so something was left undone in {', '.join(busy)}")
    return OK


def _rewrite(settings: MaintainSettings, plan: list[Kept]) -> list[Kept]:
    """Rewrite what is worth it; without anything to rewrite no Spark is started."""
    if all(kept.rewritten is Rewrite.NONE for kept in plan):
        return plan
    with session("maintain", root=settings.root) as spark:
        lake = Lake(settings.root, spark)
        target = int(settings.target_mb * 1e6)
        return [kept if kept.rewritten is Rewrite.NONE else rewritten(lake, kept, target) for kept in plan]


if __name__ == "__main__":
    sys.exit(run(main))
