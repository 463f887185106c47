"""Find what kills and disks left in the lake, and mend it: orphans, unfinished files, torn commits, lost files."""

import sys
from collections.abc import Sequence

from etl.command import run
from etl.config import parse
from etl.errors import FINISHED_WITH_REJECTS, OK, ForensicsError, LakeMissing, LockHeld
from etl.lake.inspection import DAMAGE, Finding, inspect, leftovers
from etl.lake.lock import table_lock
from etl.lake.maintenance import existing
from etl.lake.pins import Pins, pinned
from etl.lake.repair import Repaired, delete, repair
from etl.lake.schemas import TRAINING_SETS, Table
from etl.lake.settings import RepairSettings


def main(argv: Sequence[str] | None = None) -> int:
    settings = parse(RepairSettings, argv, "forensics repair", __doc__ or "")
    tables = existing(settings.root, settings.tables)
    if not tables:
        raise LakeMissing(f"there is no table in the lake at {settings.root}; name the lake with --root")
    # The training sets first: until their table can be read, nothing is known of what they need.
    tables.sort(key=lambda table: table is not TRAINING_SETS)
    found: list[Finding] = []
    standing: list[Finding] = []
    busy: list[str] = []
    for table in tables:
        try:
            result = _look(settings, table)
        except LockHeld:
            busy.append(table.name)
            continue
        _tell(result)
        found += result.found
        standing += result.standing
    unfinished = Repaired(list(leftovers(settings.root))) if not settings.tables else Repaired([])
    _tell(Repaired(unfinished.found, [] if settings.dry_run else delete(unfinished.found)))
    found += unfinished.found
    damage = sum(finding.code in DAMAGE for finding in standing)
    print(f"repair: {len(tables)} tables, {len(found)} findings, {damage} damages stand")
    if busy:
        raise LockHeld(f"other processes were writing to {', '.join(busy)}, which were not looked at")
    return FINISHED_WITH_REJECTS if damage else OK


def _look(settings: RepairSettings, table: Table) -> Repaired:
    pins = _pins(settings.root)
    if not settings.dry_run:
        return repair(settings.root, table, pins, settings.drop_lost)
    with table_lock(settings.root, table.name):
        found = inspect(settings.root, table, pins.get(table.name, ()))
        return Repaired(found, standing=found)


def _pins(root: str) -> Pins:
    try:
        return pinned(root)
    except ForensicsError:
        return {}  # the table of training sets is damaged, and listed as such


def _tell(result: Repaired) -> None:
    for finding in result.found:
        print(finding.line())
    for sentence in result.done:
        print(f"repaired: {sentence}")


if __name__ == "__main__":
    sys.exit(run(main))
