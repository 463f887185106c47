"""Cards of one image: the picture, its provenance, scores, what holds it, and what is like it."""

import json
from collections.abc import Mapping
from typing import Any

import polars as pl
import streamlit as st

from etl.lake.lock import is_local
from etl.lake.schemas import IMAGE_FEATURES
from explorer import gallery, naming, neighbours, page, tracked
from explorer.holdings import holdings
from explorer.questions import images, models
from explorer.reading import Snapshot

Row = Mapping[str, Any]
MADE = {
    "model_revision": "Model revision",
    "seed": "Seed",
    "steps": "Steps",
    "guidance": "Guidance scale",
    "scheduler": "Scheduler",
    "dtype": "Precision",
    "batch_size": "Batch size",
    "device": "Device",
    "negative_prompt": "Negative prompt",
    "class_label": "Class label",
    "request_id": "Request",
    "library_versions": "Library versions",
}
KEPT = {
    "author": "Author",
    "licence": "Licence",
    "source": "Ingested from",
    "source_key": "Name there",
    "ingested_at": "Ingested (UTC)",
    "image_id": "Image id (SHA-256)",
}


def show_picture(row: Row, hidden: bool) -> None:
    """Show the image as received, behind a button where it is not safe for work, with its bytes to download."""
    kind = "fake" if row["label"] else "real"
    if row["bytes"] is None:
        page.empty("The lake holds no bytes of this image.")
        return
    alt = f"{kind} image, {row['width']} by {row['height']} pixels"
    if hidden and not st.toggle("Not safe for work: show it all the same", key=f"nsfw-{row['image_id']}"):
        st.info("Hidden, since it is marked not safe for work.", icon=":material/visibility_off:")
    else:
        st.image(row["bytes"], width="stretch" if row["width"] >= 360 else 360, alt=alt)
    kind = (row["format"] or "bin").lower()
    st.download_button(
        f"Original bytes ({len(row['bytes']):,})",
        row["bytes"],
        f"{row['image_id']}.{'jpg' if kind == 'jpeg' else kind}",
        f"image/{kind}",
        icon=":material/download:",
        on_click="ignore",
    )


def _listed(versions: str | None) -> str | None:
    """Return a JSON object as words; what is none as it is."""
    try:
        return ", ".join(f"{name} {version}" for name, version in json.loads(versions or "").items())
    except (ValueError, AttributeError):
        return versions


def show_provenance(lake: Snapshot, row: Row) -> None:
    """Show where the image comes from, its maker's lineage, and the command that makes it again."""
    maker = row["generator_id"]
    if row["label"]:
        st.badge("Fake", color="orange", icon=":material/brush:")
    else:
        st.badge("Real", color="blue", icon=":material/photo_camera:")
    page.facts({"Generator": maker, "Source": row["real_source"], "Prompt": row["prompt"]})
    size = f"{row['width']} × {row['height']} pixels, {row['format']}, {row['mode'] or 'mode unknown'}"
    known = dict(row) | {"library_versions": _listed(row["library_versions"])}
    page.facts({"Size": size} | {title: known[name] for name, title in (MADE | KEPT).items()})
    with st.container(horizontal=True):
        if maker:
            page.link("generators", "Its generator", icon="brush", generator=maker)
            page.link("images", "Images of this generator", icon="photo_library", generator=maker)
        else:
            page.link("images", "Images of this source", icon="photo_library", real_source=row["real_source"])
    if maker:
        with st.expander("Lineage", icon=":material/account_tree:"):
            show_lineage(lake, maker)
    if row["request_id"] and row["model_revision"]:
        with st.expander("Make it again", icon=":material/replay:"):
            st.caption("Downloads the model at its pinned commit, samples with the same settings, and compares.")
            root = f"--root '{lake.root}' " if is_local(lake.root) else f"--root {lake.root} "
            st.code(f"forensics verify {root}--image {row['image_id']}", language="bash", wrap_lines=True)
            kept = {name: row[name] for name in ("prompt", *MADE) if row[name] is not None}
            st.code(json.dumps(kept, indent=1, ensure_ascii=False, default=str), language="json", wrap_lines=True)


def show_lineage(lake: Snapshot, model_id: str) -> None:
    """Show a model and what it was made from, to its root, each a link."""
    chain = page.rows(lake, models.ancestors(model_id))
    if chain.is_empty():
        st.caption("The catalogue knows no lineage of it.")
    for base in chain.iter_rows(named=True):
        relation = f"↳ {base['relation'] or 'made from'}: " if base["depth"] else ""
        label = "\N{EM SPACE}" * base["depth"] + relation + base["model_id"]
        page.link("models", page.plain(label), model=base["model_id"])


def show_scores(lake: Snapshot, image_id: str) -> None:
    """Show what every detector said of the image."""
    asked = images.scores(image_id)
    rows = page.rows(lake, asked)
    if rows.is_empty():
        page.empty("No detector has scored this image yet: `forensics evaluate` does.")
        return
    right = (pl.col("logit") > 0) == (pl.col("label") == 1)
    said = pl.when(pl.col("logit") > 0).then(pl.lit("fake")).otherwise(pl.lit("real"))
    number = st.column_config.NumberColumn
    columns = {
        "detector": "Detector",
        "collection": "Scored in",
        "transform": "After",
        "said": "Called at logit 0",
        "right": st.column_config.CheckboxColumn("Right"),
        "logit": number("Logit", format="%.3f"),
        "probability": number("Probability of fake", format="percent"),
        "scored_at": st.column_config.DatetimeColumn("Scored (UTC)", format="YYYY-MM-DD HH:mm"),
    }
    shown = tracked.titled(rows).with_columns(said.alias("said"), right.alias("right"))
    st.caption("Pick a row to see how that detector does on the rest.")
    picked = page.table(shown, columns, "scores", [asked], select=True)
    if picked is not None:
        one = shown.row(picked, named=True)
        page.link(
            "evaluation",
            "Open this evaluation",
            icon="monitoring",
            **{name: one[named] for name, named in (("run", "run_id"), ("collection", "collection"))},
            transform=one["transform"],
        )


def show_holdings(lake: Snapshot, row: Row) -> None:
    """Show the collections and training sets that hold the image, its generator or relatives of that."""
    asked = images.places(row["image_id"])
    st.markdown("**Collections**")
    date = st.column_config.DatetimeColumn("Added (UTC)", format="YYYY-MM-DD HH:mm")
    names = {
        "collection": "Collection",
        "split": "Split",
        "paired_generator_id": "Stands beside",
        "added_at": date,
    }
    page.table(page.rows(lake, asked), names, "collections", [asked])
    st.markdown("**Training sets**")
    sets = page.ask(holdings, lake, row["image_id"], row["generator_id"])
    if sets.is_empty():
        page.empty("No training set holds it, its generator, or a generator of the same root.")
        return
    columns = {
        "training_set": "Training set",
        "split": "Split",
        "image": st.column_config.CheckboxColumn("This image"),
        "of_generator": "Images of its generator",
        "of_relatives": "Images of relatives",
    }
    picked = page.table(sets, columns, "holdings", select=True)
    if picked is not None:
        page.link("training_sets", "Open this training set", icon="dataset", set=sets["training_set"][picked])


def show_alike(lake: Snapshot, image_id: str) -> None:
    """Show near duplicates by perceptual hash, and the most similar images by embedding."""
    asked = images.near_duplicates(image_id)
    close = page.rows(lake, asked)
    st.markdown("**Near duplicates**, by perceptual hash")
    if close.is_empty():
        st.caption("None were found.")
    else:
        notes = pl.format("{} of 64 bits differ", "distance")
        _tiles(lake, close.with_columns(notes.alias("note")), "near")
    page.queries(asked)
    st.markdown("**Most similar**, by the cosine of the embeddings")
    few = lake.content(IMAGE_FEATURES).rows <= neighbours.AT_ONCE
    if not st.toggle("Look for similar images", key="similar", value=few):
        return
    similar = page.ask(neighbours.nearest, lake, image_id)
    if similar.is_empty():
        st.caption("No embedding was made of it: `forensics describe` makes them.")
        return
    if not few:
        st.caption(f"Among the first {neighbours.MOST:,} images with an embedding.")
    notes = pl.format("cosine {}", pl.col("similarity").round(3))
    _tiles(lake, similar.with_columns(notes.alias("note")), "similar")


def show_features(lake: Snapshot, image_id: str) -> None:
    """Show what `forensics describe` measured."""
    asked = images.features(image_id)
    rows = page.rows(lake, asked)
    if rows.is_empty():
        page.empty("Nothing was measured on it yet: `forensics describe` does.")
        return
    measured = rows.drop("spectrum", "image_id").row(0, named=True)
    page.facts({naming.title_of(name): value for name, value in measured.items()})
    page.queries(asked)


def _tiles(lake: Snapshot, found: pl.DataFrame, key: str) -> None:
    """Show tiles of some ids with a note each, in their order."""
    known = page.rows(lake, images.known(found["image_id"].to_list()))
    listed = found.join(known, on="image_id", how="inner", maintain_order="left")
    picked = gallery.show(lake, listed, key, edge=100)
    if picked:
        page.go_to("image", id=picked)


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
