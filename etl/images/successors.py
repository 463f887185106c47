"""Clean successors: training sets built once more by their recorded recipe, without withdrawn generators."""

import logging
from collections.abc import Collection, Sequence
from datetime import datetime

from etl.errors import NotTheSame
from etl.images.builds import prepared, recorded, report, require_audit, settings_of, written
from etl.images.withdrawal import held
from etl.lake.schemas import TRAINING_SETS, training_rows
from etl.lake.store import Lake

log = logging.getLogger("etl.withdraw")


def succeed(
    lake: Lake, names: Sequence[str], generator_ids: Collection[str], now: datetime
) -> tuple[list[str], dict[str, str]]:
    """Build each named set's successor; return those built, as NAME@VERSION, and why each of the others was not.

    The tables are read as they are now, so that a successor may also hold what came since.
    """
    built, failed = [], {}
    for name in names:
        try:
            built.append(_successor(lake, name, generator_ids, now))
        except Exception as error:  # whatever keeps one set from being built, the others must become clean
            failed[name] = " ".join(f"{type(error).__name__}: {error}".split())[:500]
    return built, failed


def _successor(lake: Lake, name: str, generator_ids: Collection[str], now: datetime) -> str:
    with lake.writing(training_rows(name), TRAINING_SETS):
        before = recorded(lake, name)
        assert before is not None  # the caller found it in the table
        build = prepared(lake, settings_of(lake, before), now)
        for line in report(build.choice):
            log.info("%s: %s", build.label, line)
        require_audit(build.choice, build.settings)
        written(lake, build)
    if left := [found for found in held(lake.root, generator_ids) if found.label == build.label]:
        raise NotTheSame(f"{left[0]} of withdrawn generators are left in it")
    return build.label
