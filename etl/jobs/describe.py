"""Measure images that lack features and make thumbnails: `images` → `image_features`, `thumbnails`, `rejects`."""

import logging
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from etl.command import Stage, run
from etl.config import parse
from etl.errors import NothingUsable
from etl.images.description import DONE, REFUSED, TO_DO, describe_wave, files, judge, waves
from etl.images.features.backbone import EFFICIENTNET, Backbone, resolve
from etl.images.settings import DescribeSettings
from etl.lake import snapshot
from etl.lake.schemas import IMAGE_FEATURES, IMAGES, THUMBNAILS
from etl.lake.session import session
from etl.lake.store import Lake

log = logging.getLogger("etl.describe")


def main(argv: Sequence[str] | None = None) -> int:
    settings = parse(DescribeSettings, argv, "forensics describe", __doc__ or "")
    stage = Stage("describe", "images")
    backbone = resolve(settings.backbone, settings.weights)
    snapshot.current_version(settings.root, IMAGES)  # a missing lake is said before Spark starts
    with session("describe", root=settings.root) as spark:
        lake = Lake(settings.root, spark)
        with lake.writing(IMAGE_FEATURES, THUMBNAILS):
            counts = _describe(lake, settings, backbone)
    if not counts.total():
        raise NothingUsable("there are no images to describe; run `forensics ingest` first")
    return stage.finish(counts.total(), counts[TO_DO], counts[REFUSED], counts[DONE])


def _describe(lake: Lake, settings: DescribeSettings, backbone: Backbone | None) -> Counter[str]:
    """Measure wave by wave; return how many images were DONE before, TO_DO and now measured, and REFUSED ever."""
    # Cut from the tables that the waves write: Spark computes anew whatever it keeps of one that was written to.
    judged = judge(lake, backbone, settings.retry).localCheckpoint()
    held = files(judged)
    counts = Counter[str]()
    for file in held:
        counts.update(file.counts)
    missing, tried, started = counts.pop(TO_DO, 0), 0, time.monotonic()
    if missing and backbone is not None and backbone.kind != EFFICIENTNET:
        from etl.images.features.embedding import load

        load(backbone)  # so that weights that do not fit are reported in a sentence, and not by an executor
    for wave in waves(held, settings.wave):
        now = datetime.now(UTC)
        measured, refused = describe_wave(lake, judged, wave, settings.thumbnail_edge, backbone, now)
        counts.update({TO_DO: measured, REFUSED: refused})
        tried += sum(file.counts[TO_DO] for file in wave)
        log.info("describe: %d of %d images, %.1f a second", tried, missing, tried / (time.monotonic() - started))
    return counts


if __name__ == "__main__":
    sys.exit(run(main))
