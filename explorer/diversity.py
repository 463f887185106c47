"""What the explorer asks about diversity: kinds and their numbers, lineage, embeddings, spectra, coverage."""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from etl.lake import snapshot
from etl.lake.schemas import GENERATORS, GOLD_IMAGES, IMAGE_FEATURES, TRAINING_SETS, training_rows
from explorer.query import Query, query
from explorer.reading import Snapshot

MOST_POINTS = 2_000
"""Images on the map of embeddings; more would hide each other, and cost seconds in a browser."""
MOST_NODES = 400
"""Generators of the treemap."""
COVERED = ("family", "architecture", "root_model_id", "licence", "pipeline_class")


def numbers() -> Query:
    """Hill numbers of order 0, 1 and 2 by dimension, over generators and over images."""
    return query(
        "select dimension, unit, values as order_0, effective_number as order_1, simpson_number as order_2, total "
        "from gold_diversity order by unit, dimension"
    )


def counts(dimension: str) -> Query:
    """How many generators and images each value of one dimension has."""
    return query(
        "select value, generators, images from gold_counts where dimension = $dimension "
        "order by generators desc, value",
        dimension=dimension,
    )


def lineage(limit: int = MOST_NODES) -> Query:
    """The sampled generators with most images: root, family, the generator, its images."""
    return query(
        "select coalesce(family, 'unknown') as family, coalesce(root_model_id, generator_id) as root, "
        "generator_id, images "
        "from gold_generator_cards where images > 0 order by images desc, generator_id limit $limit",
        limit=limit,
    )


def by_crawl() -> Query:
    """How many models and families each crawl found, and as how many equally common families they count."""
    return query(
        """
        with shares as (select *, there / sum(there) over (partition by crawl_id) as share from gold_crawl_history)
        select crawl_id, sum(there)::bigint as models, sum(new)::bigint as new, sum(gone)::bigint as gone,
               count(*) filter (there > 0) as order_0, exp(-sum(share * ln(share)) filter (share > 0)) as order_1,
               1 / sum(share * share) as order_2
        from shares group by crawl_id order by crawl_id
        """
    )


def measures() -> Query:
    """Vendi scores, the spread of fingerprints, coverage of the catalogue: what `forensics summarise` keeps."""
    return query("select measure, subject, value, n from gold_spread order by measure, subject")


def spectra(names: tuple[str, ...]) -> Query:
    """The mean spectra of some makers of images; all real and all fake ones where none is named."""
    return query(
        "select kind, name, images, spectrum from gold_spectra "
        "where list_contains($names, name) or kind = 'label' "
        "order by kind desc, name",
        names=names,
    )


def makers() -> Query:
    """Generators and sources of reals that have a mean spectrum, those with most images first."""
    return query("select name from gold_spectra where kind != 'label' order by images desc, name limit 1000")


def embedded(lake: Snapshot) -> pl.DataFrame:
    """Return image_id, label, generator_id, family, x, y: some images on the main axes of their embeddings.

    These are the first rows of every file of the table: to read all the embeddings would take minutes.
    """
    files = lake.content(IMAGE_FEATURES).files
    each = -(-MOST_POINTS // max(1, len(files)))
    wanted = ["image_id", "embedding"]
    parts = [pl.scan_parquet(file).select(wanted).drop_nulls("embedding").head(each) for file in files]
    rows = pl.concat(parts) if parts else lake.scan(IMAGE_FEATURES).select(wanted)
    told = lake.scan(GOLD_IMAGES).select("image_id", "label", "generator_id", "family", "nsfw")
    found = (
        rows.head(MOST_POINTS).join(told, on="image_id", how="inner").unique("image_id").sort("image_id").collect()
    )
    if found.height < 3:
        return found.drop("embedding").with_columns(x=pl.lit(0.0), y=pl.lit(0.0), explained=pl.lit(0.0)).head(0)
    places, share = principal_axes(np.array(found["embedding"].to_list(), dtype=np.float64))
    return found.drop("embedding").with_columns(x=places[:, 0], y=places[:, 1], explained=pl.lit(share))


def principal_axes(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return [n, 2], the points on their first two principal axes, and the share of the variance on these."""
    centred = points - points.mean(axis=0)
    _, spread, axes = np.linalg.svd(centred, full_matrices=False)
    total = float((spread**2).sum())
    return centred @ axes[:2].T, float((spread[:2] ** 2).sum()) / total if total else 0.0


def coverage(lake: Snapshot, label: str) -> pl.DataFrame:
    """Return dimension, covered, there, share: which kinds of the eligible catalogue a set's fakes hold."""
    name, _, version = label.rpartition("@")
    wanted = (pl.col("name") == name) & (pl.col("version") == int(version))
    build = lake.scan(TRAINING_SETS).filter(wanted).collect().row(0, named=True)
    rows = snapshot.scan(lake.root, training_rows(name), build["rows_version"])
    trained = rows.filter((pl.col("label") == 1) & (pl.col("split") == "train"))
    held = trained.select("generator_id").unique().collect()
    eligible = lake.scan(GENERATORS).filter(pl.col("eligible")).select("generator_id", *COVERED)
    everyone = eligible.unique("generator_id").collect()
    ours = everyone.join(held, on="generator_id", how="semi")
    found: list[dict[str, Any]] = [{"dimension": "generator", "covered": ours.height, "there": everyone.height}]
    for column in COVERED:
        kinds = [one[column].drop_nulls().n_unique() for one in (ours, everyone)]
        found.append({"dimension": column, "covered": kinds[0], "there": kinds[1]})
    share = (pl.col("covered") / pl.col("there")).fill_nan(None).alias("share")
    return pl.DataFrame(found).with_columns(share)
