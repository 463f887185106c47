"""Images as tiles, for every page: one rule decides which pictures are hidden as not safe for work."""

import polars as pl
import streamlit as st

from etl.lake.schemas import GENERATORS, GOLD_IMAGES, IMAGES, THUMBNAILS
from explorer import page, tiles
from explorer.questions import images
from explorer.reading import Snapshot

TABLES = (GOLD_IMAGES, IMAGES, GENERATORS, THUMBNAILS)
"""What a page that shows tiles must look at."""
HIDDEN = "not safe for work"


def show(
    lake: Snapshot, listed: pl.DataFrame, key: str, edge: int = 118, named: bool = True, asked: bool | None = None
) -> str | None:
    """Show images as tiles, in their order; return the id of the one that was clicked in this run.

    `listed` has image_id, label, generator_id and real_source, and may have `note` (a line under the tile) and
    `nsfw` as `gold_images` holds it, which is looked up where it is not given.
    Pictures that are marked not safe for work, or whose generator is, stay hidden until they are asked for: by
    `asked` where the page has a switch of its own, else by a switch above the tiles.
    """
    rows = with_pictures(lake, listed)
    hidden = rows["nsfw"].sum()
    if hidden and asked is None:
        asked = st.toggle(f"Show {hidden:,} not safe for work", key=f"nsfw-{key}")
    rows = rows if asked else covered(rows)
    return tiles.show(rows if named else rows.drop("name"), key, edge)


def with_pictures(lake: Snapshot, listed: pl.DataFrame) -> pl.DataFrame:
    """Add `jpeg` (null without a thumbnail), `name` of the maker and `nsfw`, which is true where nobody knows."""
    if listed.is_empty():
        added = pl.lit(None, pl.Binary).alias("jpeg"), pl.lit("").alias("name"), pl.lit(False).alias("nsfw")
        return listed.drop("nsfw", strict=False).with_columns(added)
    ids = listed["image_id"].to_list()
    marked = listed if "nsfw" in listed.columns else _marked(lake, ids)
    maker = pl.when(pl.col("label") == 1).then(pl.col("generator_id")).otherwise(pl.col("real_source"))
    return (
        listed.drop("nsfw", strict=False)
        .join(page.rows(lake, images.thumbnails(ids)), on="image_id", how="left", maintain_order="left")
        .join(
            marked.select("image_id", "nsfw").unique("image_id"), on="image_id", how="left", maintain_order="left"
        )
        .with_columns(
            maker.fill_null("unknown").str.split("/").list.last().alias("name"), pl.col("nsfw").fill_null(True)
        )
    )


def _marked(lake: Snapshot, ids: list[str]) -> pl.DataFrame:
    found = page.rows(lake, images.known(ids)).select("image_id", "nsfw")
    unlisted = sorted(set(ids) - set(found["image_id"]))
    if unlisted:  # newer than the summary, or there is none yet
        found = pl.concat([found, page.rows(lake, images.marked(unlisted))])
    return found


def covered(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `with_pictures` without the pictures that are not safe for work."""
    safe = ~pl.col("nsfw")
    return rows.with_columns(
        pl.when(safe).then("jpeg").alias("jpeg"),
        pl.when(safe).then(pl.lit(None, pl.String)).otherwise(pl.lit(HIDDEN)).alias("hidden"),
    )
