"""Check and store images: files, data sets and lists → `images`, `collections`, `generators`, `rejects`."""

import hashlib
import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from etl.command import Stage, run
from etl.config import as_dict, parse
from etl.errors import OK, NothingUsable
from etl.faults import fault_point
from etl.images.ingestion import ingest_wave, waves
from etl.images.settings import IngestSettings
from etl.images.sources import Found, Source
from etl.images.sources.choice import sources_of
from etl.images.survey import add_generators, survey, told
from etl.images.verdicts import NEW, REJECTED, THERE
from etl.lake.schemas import COLLECTIONS, IMAGES
from etl.lake.session import session
from etl.lake.store import Lake

log = logging.getLogger("etl.ingest")
_NO_PART_OF_THE_RUN = ("root", "limit", "wave", "dry_run", "fetch_seconds")


def main(argv: Sequence[str] | None = None) -> int:
    settings = parse(IngestSettings, argv, "forensics ingest", __doc__ or "")
    stage = Stage("ingest", "files")
    sources = sources_of(settings)
    held = [survey(source) for source in sources]
    _tell(sources, held, settings.dry_run)
    if settings.dry_run:
        return OK
    expected = [_expected(counts, settings.limit) for counts in held]
    if not sum(expected):
        remedy = "run `forensics generate` first" if settings.source == "generated" else "name another --path"
        raise NothingUsable(f"the source lists no images; {remedy}")
    counts: Counter[str] = Counter()
    with session("ingest", root=settings.root) as spark:
        lake = Lake(settings.root, spark)
        with lake.writing(IMAGES, COLLECTIONS):
            for source, found in zip(sources, held, strict=True):
                add_generators(lake, found, datetime.now(UTC))
                counts += _ingest(lake, source, settings, sum(expected))
    names = ", ".join(source.name for source in sources)
    return stage.finish(sum(expected), counts[NEW], counts[REJECTED], counts[THERE], note=names)


def _ingest(lake: Lake, source: Source, settings: IngestSettings, expected: int) -> Counter[str]:
    """Ingest one source wave by wave; return how many images came to which end."""
    # The same source has the same run id, so that a repetition rejects nothing twice.
    what = {key: value for key, value in as_dict(settings).items() if key not in _NO_PART_OF_THE_RUN}
    run_id = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]
    counts: Counter[str] = Counter()
    started = time.monotonic()
    for wave in waves(source.entries(), settings.wave, settings.limit):
        counts.update(ingest_wave(lake, source, wave, run_id, datetime.now(UTC)))
        rate = counts.total() / (time.monotonic() - started)
        log.info("ingest: %d of %d images, %.0f a second", counts.total(), expected, rate)
        fault_point("ingest:after-wave")
    return counts


def _tell(sources: Sequence[Source], held: Sequence[Counter[Found]], aloud: bool) -> None:
    """Say what was found: on standard output where that is all that was asked, else in the log."""
    for source, counts in zip(sources, held, strict=True):
        for line in told(source, counts):
            if aloud:
                print(line)
            else:
                log.info("%s", line)


def _expected(counts: Counter[Found], limit: int | None) -> int:
    return counts.total() if limit is None else min(limit, counts.total())


if __name__ == "__main__":
    sys.exit(run(main))
