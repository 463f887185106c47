"""Images that are alike by the cosine of their embeddings: exact, over the first embeddings of the table."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from etl.lake.schemas import IMAGE_FEATURES
from explorer import database
from explorer.query import query
from explorer.reading import Snapshot

MOST = 50_000
"""Embeddings that are compared, the first so many of the table: 1,280 numbers each, read in one or two seconds."""

AT_ONCE = 10_000
"""Embeddings up to which a page looks without being asked."""

SCHEMA = {"image_id": pl.String, "similarity": pl.Float64}


def embedding(lake: Snapshot, image_id: str) -> tuple[str, tuple[float, ...]] | None:
    """Return (model, embedding) of an image, None where it has none."""
    asked = query(
        "select embedding_model, embedding from image_features where image_id = $id limit 1", id=image_id
    )
    rows = database.rows(lake, asked).drop_nulls()
    return None if rows.is_empty() else (rows[0, 0], tuple(rows[0, 1]))


def nearest(
    lake: Snapshot,
    of: str | Sequence[float],
    most: int = 12,
    among: Sequence[str] | None = None,
    model: str | None = None,
) -> pl.DataFrame:
    """Return image_id and cosine similarity of the images most like an image (its id) or an embedding.

    `among` are the ids that may be answered, all by default. Only embeddings of the same network are compared:
    `model` names it where an embedding is given. Empty where nothing was embedded.
    """
    if isinstance(of, str):
        found = embedding(lake, of)
        if found is None:
            return pl.DataFrame(schema=SCHEMA)
        model, vector = found
    else:
        vector = tuple(of)
    known = lake.scan(IMAGE_FEATURES).filter(pl.col("embedding").is_not_null())
    if model is not None:
        known = known.filter(pl.col("embedding_model") == model)
    if among is not None:
        known = known.filter(pl.col("image_id").is_in(list(among)))
    return _rank(known.select("image_id", "embedding").head(MOST), vector, of, most)


def _rank(known: pl.LazyFrame, vector: Sequence[float], of: str | Sequence[float], most: int) -> pl.DataFrame:
    """Compare batch by batch, so that memory holds the ids, the cosines and one batch."""
    target = np.asarray(vector, np.float32)
    target /= max(float(np.linalg.norm(target)), 1e-12)
    best = pl.DataFrame(schema=SCHEMA)
    for batch in known.collect_batches(chunk_size=8_192):
        same = batch.filter((pl.col("embedding").list.len() == target.size) & (pl.col("image_id") != str(of)))
        if same.height:
            cosines = _cosines(same["embedding"], target)
            ranked = pl.DataFrame({"image_id": same["image_id"], "similarity": cosines}, schema=SCHEMA)
            best = pl.concat([best, ranked]).sort("similarity", "image_id", descending=[True, False]).head(most)
    return best


def _cosines(embeddings: pl.Series, target: NDArray[np.float32]) -> NDArray[np.float32]:
    rows = embeddings.explode().to_numpy().reshape(len(embeddings), target.size)
    found: NDArray[np.float32] = rows @ target / np.maximum(np.linalg.norm(rows, axis=1), 1e-12)
    return found
