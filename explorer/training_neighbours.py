"""The training images most like an image: the likeliest cause of a verdict that one can look at."""

from collections.abc import Sequence

import polars as pl

from etl.lake import snapshot
from etl.lake.schemas import EVALUATIONS, IMAGE_FEATURES, TRAINING_SETS, training_rows
from explorer import database, neighbours
from explorer.query import query
from explorer.reading import Snapshot

TABLES = (TRAINING_SETS, IMAGE_FEATURES, EVALUATIONS)
"""What a snapshot must hold to be asked."""
_SCHEMA = {
    "image_id": pl.String,
    "similarity": pl.Float64,
    "label": pl.Int32,
    "generator_id": pl.String,
    "real_source": pl.String,
}


def set_of(lake: Snapshot, run_id: str) -> str | None:
    """Return NAME@VERSION of a run's training set, on whose val split its operating points were fixed."""
    asked = query(
        "select split_part(collection, '/', 1) as label from evaluations where run_id = $run "
        "and slice_kind = 'operating_point' order by evaluated_at desc limit 1",
        run=run_id,
    )
    rows = database.rows(lake, asked)
    return None if rows.is_empty() else str(rows.item())


def sets(lake: Snapshot) -> list[str]:
    """Return NAME@VERSION of every training set, the newest first."""
    label = pl.format("{}@{}", "name", "version")
    built = lake.scan(TRAINING_SETS).sort("created_at", descending=True)
    return built.select(label.alias("label")).collect()["label"].to_list()


def model_of(lake: Snapshot) -> str | None:
    """Return the network that embedded most images of the lake."""
    asked = query(
        "select embedding_model from image_features where embedding_model is not null "
        "group by 1 order by count(*) desc limit 1"
    )
    rows = database.rows(lake, asked)
    return None if rows.is_empty() else str(rows.item())


def nearest(
    lake: Snapshot, label: str, of: str | Sequence[float], model: str | None = None, most: int = 12
) -> pl.DataFrame:
    """Return the images of a set's training split (`label`: NAME@VERSION) by falling cosine similarity.

    `of` is an image's id or an embedding by `model`. The rows have image_id, similarity, label, generator_id,
    real_source; none where the set or the image is not known, or nothing was embedded.
    """
    name, _, version = label.rpartition("@")
    builds = lake.scan(TRAINING_SETS).filter(pl.col("name") == name, pl.col("version").cast(pl.String) == version)
    rows = builds.select("rows_version").collect()
    if rows.is_empty() or rows.item() is None:
        return pl.DataFrame(schema=_SCHEMA)
    trained_on = (
        snapshot.scan(lake.root, training_rows(name), int(rows.item()))
        .filter(pl.col("split") == "train")
        .select("image_id", "label", "generator_id", "real_source")
        .collect()
    )
    found = neighbours.nearest(lake, of, most, among=trained_on["image_id"].to_list(), model=model)
    return found.join(trained_on, on="image_id", how="left", maintain_order="left").select(list(_SCHEMA))
