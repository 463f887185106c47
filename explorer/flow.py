"""The state of the flow: for every stage whether its tables are there, older than what they are made of, or being
written to now. Read from the tables' logs and from the kernel's list of locks; nothing is locked to find out."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from etl.lake import lease, schemas
from etl.lake.lock import is_local
from etl.lake.schemas import Table
from explorer.reading import WRITERS, Snapshot, commits

MADE_OF: dict[Table, tuple[Table, ...]] = {
    schemas.HUB_RECORDS: (),
    schemas.MODELS: (schemas.HUB_RECORDS,),
    schemas.GENERATORS: (schemas.MODELS,),
    schemas.GENERATION_ATTEMPTS: (),
    schemas.IMAGES: (),
    schemas.IMAGE_FEATURES: (schemas.IMAGES,),
    schemas.THUMBNAILS: (schemas.IMAGES,),
    schemas.GOLD_MODELS: (schemas.MODELS, schemas.GENERATORS),
    schemas.GOLD_IMAGES: (schemas.IMAGES, schemas.GENERATORS),
    schemas.GOLD_COUNTS: (schemas.IMAGES, schemas.GENERATORS),
    schemas.TRAINING_SETS: (schemas.IMAGES,),
    schemas.PREDICTIONS: (schemas.TRAINING_SETS,),
    schemas.EVALUATIONS: (schemas.PREDICTIONS,),
}
"""What each table is computed from, so that it lies behind where one of those is younger."""

MISSING, FRESH, BEHIND, RUNNING = "missing", "fresh", "behind", "being written"


@dataclass(frozen=True)
class State:
    """One table of the flow."""

    table: str
    state: str
    since: datetime | None
    rows: int
    verb: str
    why: str


def states(lake: Snapshot) -> list[State]:
    """Return the state of every table of the flow, in its order."""
    times = {table.name: _changed(lake, table) for table in MADE_OF}
    busy = _locked(lake.root)
    found = []
    for table, sources in MADE_OF.items():
        at = times[table.name]
        younger = [s.name for s in sources if at and (times[s.name] or at) > at]
        state, why = FRESH, ""
        if at is None:
            state, why = MISSING, f"forensics {WRITERS[table.name]} writes it"
        elif younger:
            state, why = BEHIND, f"{', '.join(younger)} changed since: forensics {WRITERS[table.name]}"
        if table.name in busy:
            state, why = RUNNING, f"forensics {WRITERS[table.name]} holds its lock"
        rows = lake.content(table).rows if at else 0
        found.append(State(table.name, state, at, rows, WRITERS[table.name], why))
    return found


def _changed(lake: Snapshot, table: Table) -> datetime | None:
    """Return when the version that is shown was committed."""
    for name, version, stamp in lake.versions:
        if name == table.name and version is not None:
            return dict(commits(lake.root, table, version, stamp)).get(version)
    return None


def _locked(root: str) -> set[str]:
    """Return the tables whose lock some process holds, by the kernel's list: asking for a lock would disturb."""
    if not is_local(root):
        return lease.held(root)
    folder = Path(root) / ".locks"
    if not folder.is_dir() or not Path("/proc/locks").exists():
        return set()
    held = set()
    for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
        fields = line.split()
        if "FLOCK" in fields and "->" not in fields:
            held.add(int(fields[5].rsplit(":", 1)[1]))
    found = set()
    for file in folder.rglob("*.lock"):
        try:
            if os.stat(file).st_ino in held:
                found.add(file.relative_to(folder).with_suffix("").as_posix())
        except OSError:
            continue
    return found
