"""Which training sets hold an image, its generator, or its generator's relatives, and in which split."""

import polars as pl

from etl.errors import ForensicsError
from etl.lake import snapshot
from etl.lake.schemas import GENERATORS, TRAINING_SETS, training_rows
from explorer.reading import Snapshot

SCHEMA = {
    "training_set": pl.String,
    "split": pl.String,
    "image": pl.Boolean,
    "of_generator": pl.Int64,
    "of_relatives": pl.Int64,
}


def holdings(lake: Snapshot, image_id: str, generator_id: str | None) -> pl.DataFrame:
    """Return one row a training set and split: whether it holds the image, how many of its maker and of relatives.

    Relatives are the other generators with the same root. Sets whose rows are gone are left out. Costs a scan of
    two columns of each set, so that callers keep the answer.
    """
    sets = lake.scan(TRAINING_SETS).select("name", "version", "rows_version").collect()
    family = _relatives(lake, generator_id)
    found = []
    for name, version, at in sets.sort("name", "version").iter_rows():
        try:
            rows = snapshot.scan(lake.root, training_rows(name), at).select("image_id", "generator_id", "split")
            hit = pl.col("image_id") == image_id
            ours = pl.col("generator_id") == (generator_id or "")
            related = pl.col("generator_id").is_in(family)
            counted = (
                rows.filter(hit | ours | related)
                .group_by("split")
                .agg(
                    hit.any().alias("image"), ours.sum().alias("of_generator"), related.sum().alias("of_relatives")
                )
                .collect()
            )
        except (ForensicsError, OSError, pl.exceptions.PolarsError):
            continue
        found.append(counted.select(pl.lit(f"{name}@{version}").alias("training_set"), *list(SCHEMA)[1:]))
    whole = pl.concat([pl.DataFrame(schema=SCHEMA), *[frame.cast(SCHEMA) for frame in found]])  # type: ignore[arg-type]
    return whole.sort("training_set", "split")


def _relatives(lake: Snapshot, generator_id: str | None) -> list[str]:
    if generator_id is None:
        return []
    known = lake.scan(GENERATORS).select("generator_id", "root_model_id")
    root = known.filter(pl.col("generator_id") == generator_id).select("root_model_id").collect()
    if root.is_empty() or root.item() is None:
        return []
    same = known.filter(pl.col("root_model_id") == root.item(), pl.col("generator_id") != generator_id)
    return same.collect()["generator_id"].to_list()
