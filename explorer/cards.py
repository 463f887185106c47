"""Cards: everything known about one generator, one image, one measured figure."""

import re
from collections.abc import Mapping
from typing import Any

import polars as pl
import streamlit as st

from explorer import page, queries
from explorer.reading import Snapshot

_GENERATOR = ("generator_id", "detail", "kind", "architecture", "family", "pipeline_class", "licence", "revision")
_MADE = ("family", "model_revision", "seed", "steps", "guidance", "scheduler", "dtype", "batch_size", "device")
_KEPT = ("author", "licence", "source", "source_key", "library_versions", "ingested_at", "image_id")


def show_generator(lake: Snapshot, row: Mapping[str, Any]) -> None:
    """Show one row of `queries.generators` with its lineage and the attempts at sampling it."""
    name = row["generator_id"]
    with st.container(border=True):
        st.subheader(page.plain(row["name"] or name))
        if row["eligible"]:
            st.badge("eligible", color="green")
        else:
            st.badge(f"not eligible: {page.plain(row['reason'])}", color="gray")
        known, history = st.columns(2, gap="large")
        with known:
            page.facts(_titled(row, _GENERATOR))
            size = row["weight_bytes"]
            page.facts({"Weights": f"{size / 1e6:,.1f} MB" if size else None, "Images": row["images"]})
            st.page_link("views/gallery.py", label="See its images", query_params={"generator": name})
        with history:
            st.markdown("**Lineage**, from the model to its root")
            for base in page.ask(queries.lineage, lake, row["model_id"] or name).iter_rows(named=True):
                relation = f"↳ {base['relation']} of " if base["depth"] else ""
                st.text("\N{EM SPACE}" * base["depth"] + relation + base["model_id"])
            st.markdown("**Attempts** at sampling it")
            tries = page.ask(queries.attempts, lake, name)
            if tries.is_empty():
                st.caption("None yet.")
            else:
                shown = tries.select("attempt", "code", "images", pl.col("seconds").round(1), "message")
                st.dataframe(shown, hide_index=True, placeholder="")


def open_image(image_id: str) -> None:
    """Put the image into the address, so that the link shows it again."""
    st.query_params["image"] = image_id


def close_image() -> None:
    """Take the image out of the address."""
    st.query_params.pop("image", None)


@st.dialog("Image", width="large", on_dismiss=close_image)
def show_image(lake: Snapshot, image_id: str) -> None:
    """Show one image as received, with where it comes from and what makes it again; `image_id` is untrusted."""
    rows = page.ask(queries.image, lake, image_id) if re.fullmatch("[0-9a-f]{64}", image_id) else None
    if rows is None or rows.is_empty():
        st.warning("There is no such image in the lake.", icon=":material/search_off:")
        return
    row = rows.row(0, named=True)
    picture, text = st.columns(2, gap="medium")
    width = min(max(row["width"], 240), 420)
    if row["nsfw"] or row["generator_nsfw"]:
        picture.popover("Marked not safe for work: show it all the same").image(row["bytes"], width=width)
    else:
        picture.image(row["bytes"], width=width, alt="the image as received")
    with text:
        if row["label"]:
            st.badge("Fake", color="orange")
        else:
            st.badge("Real", color="blue")
        page.facts({"Generator": row["generator_id"], "Source": row["real_source"], "Prompt": row["prompt"]})
        page.facts({"Size": f"{row['width']} × {row['height']} {row['format']}, {len(row['bytes']):,} bytes"})
        page.facts(_titled(row, _MADE + _KEPT))


def show_figure(title: str, row: Mapping[str, Any] | None) -> None:
    """Show a row of `evaluations` as a number with its interval, or the reason why there is none."""
    with st.container(border=True):
        if row is None or row["value"] is None:
            st.metric(title, "–")
            st.caption(page.plain(row["reason"]) if row else "not measured")
        else:
            st.metric(title, f"{row['value']:.3f}")
            known = row["ci_low"] is not None
            st.caption(f"95 % interval {row['ci_low']:.3f} to {row['ci_high']:.3f}" if known else "no interval")


def _titled(row: Mapping[str, Any], columns: tuple[str, ...]) -> dict[str, Any]:
    return {column.replace("_", " ").capitalize(): row[column] for column in columns}
