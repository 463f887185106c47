"""Find images that are nearly the same: `image_features` → `duplicates`, `duplicate_clusters`."""

import sys
from collections.abc import Sequence

from pyspark.sql import functions as F

from etl.command import Stage, run
from etl.config import parse
from etl.errors import NothingUsable
from etl.images.duplicates import clusters, near_pairs
from etl.images.features import FEATURE_VERSION
from etl.images.settings import DuplicatesSettings
from etl.lake import snapshot
from etl.lake.schemas import DUPLICATE_CLUSTERS, DUPLICATES, IMAGE_FEATURES
from etl.lake.session import session
from etl.lake.store import Lake


def main(argv: Sequence[str] | None = None) -> int:
    settings = parse(DuplicatesSettings, argv, "forensics duplicates", __doc__)
    stage = Stage("duplicates", "images")
    snapshot.current_version(settings.root, IMAGE_FEATURES)  # a missing lake is said before Spark starts
    with session("duplicates", root=settings.root) as spark:
        lake = Lake(settings.root, spark)
        described = lake.read(IMAGE_FEATURES).where(F.col("feature_version") == FEATURE_VERSION)
        with lake.writing(DUPLICATES, DUPLICATE_CLUSTERS):
            total = described.count()
            if not total:
                raise NothingUsable("no image is described yet; run `forensics describe` first")
            pairs = near_pairs(described, settings.max_distance).persist()
            # The clusters last: whoever finds them finds the pairs that they are made of.
            changed = lake.refresh(DUPLICATES, pairs)
            changed |= lake.refresh(DUPLICATE_CLUSTERS, clusters(pairs))
            pairs.unpersist()
            found = lake.read(DUPLICATE_CLUSTERS)
            count, within = found.select("cluster_id").distinct().count(), found.count()
            note = f"{lake.read(DUPLICATES).count()} pairs; {within} images in {count} clusters"
    return stage.finish(total, total if changed else 0, already_there=0 if changed else total, note=note)


if __name__ == "__main__":
    sys.exit(run(main))
