"""Cards of one model and of one generator."""

import polars as pl
import streamlit as st

from explorer import cards, charts, gallery, naming, page, tracked
from explorer.questions import generators, images, models
from explorer.questions.images import ImageFilter
from explorer.reading import Snapshot

number = st.column_config.NumberColumn
DATE = "YYYY-MM-DD HH:mm"


def show_model(lake: Snapshot, model_id: str) -> None:
    """Show one model: verdict, facts, lineage upwards and downwards, revisions; `model_id` is untrusted."""
    page.link("models", "All models", icon="arrow_back")
    asked = models.model(model_id)
    rows = page.rows(lake, asked)
    if rows.is_empty():
        st.warning(f"There is no model {page.plain(model_id[:120])} in the lake.", icon=":material/search_off:")
        return
    row = rows.row(0, named=True)
    st.subheader(page.plain(row["model_id"]))
    _verdict(row["eligible"], row["reason"], row["detail"])
    left, right = st.columns(2, gap="large")
    with left:
        names = ("author", "family", "architecture", "pipeline_class", "licence", "gated", "revision")
        page.facts({naming.title_of(name): row[name] for name in names})
        size = naming.size(row["weight_bytes"])
        page.facts({"Weights": size, "Downloads": _count(row["downloads"]), "Likes": _count(row["likes"])})
        page.facts({"Created (UTC)": row["created_at"], "Changed (UTC)": row["last_modified"]})
        page.link("generators", "As a generator", icon="brush", generator=row["model_id"])
        page.queries(asked)
    with right:
        st.markdown("**Lineage**, from the model to its root")
        cards.show_lineage(lake, model_id)
        below = page.rows(lake, models.descendants(model_id))
        if below.height:
            st.markdown(f"**Made from it**: {below['total'][0]:,} models, the most downloaded first")
            for child in below.iter_rows(named=True):
                label = f"{child['model_id']} ({child['relation'] or 'made from it'})"
                page.link("models", page.plain(label), model=child["model_id"])
        page.queries(models.ancestors(model_id), models.descendants(model_id))
    st.markdown("**Revisions** that crawls have seen")
    columns = {
        "revision": "Revision",
        "is_current": st.column_config.CheckboxColumn("Current"),
        "first_seen": st.column_config.DatetimeColumn("First seen (UTC)", format=DATE),
        "last_seen": st.column_config.DatetimeColumn("Last seen (UTC)", format=DATE),
        "gigabytes": number("Weights, GB", format="%.2f"),
    }
    page.table(page.rows(lake, models.revisions(model_id)), columns, "revisions", [models.revisions(model_id)])


def show_generator(lake: Snapshot, generator_id: str) -> None:
    """Show one generator: facts, samples, spectrum, settings, cost, detection; `generator_id` is untrusted."""
    page.link("generators", "All generators", icon="arrow_back")
    asked = generators.generator(generator_id)
    rows = page.rows(lake, asked)
    if rows.is_empty():
        st.warning(
            f"There is no generator {page.plain(generator_id[:99])} in the lake.", icon=":material/search_off:"
        )
        return
    row = rows.row(0, named=True)
    st.subheader(page.plain(row["name"] or generator_id))
    _verdict(row["eligible"], row["reason"], row["detail"])
    left, right = st.columns(2, gap="large")
    with left:
        names = ("kind", "architecture", "family", "pipeline_class", "scheduler", "licence", "revision")
        page.facts({"Id": generator_id} | {naming.title_of(name): row[name] for name in names})
        size = naming.size(row["download_bytes"])
        page.facts(
            {"Images in the lake": f"{row['images']:,}", "To download": size, "Released": row["released_at"]}
        )
        page.link("images", "Its images", icon="photo_library", generator=generator_id)
    with right:
        st.markdown("**Lineage**, from the model to its root")
        cards.show_lineage(lake, row["model_id"] or generator_id)
        page.facts({"Root": row["root_model_id"], "The root rests on": row["root_basis"]})
    page.queries(asked)
    _samples(lake, generator_id)
    spectrum, detection, settings, cost = st.tabs(["Spectrum and fingerprint", "Detection", "Settings", "Cost"])
    with spectrum:
        _spectrum(lake, generator_id)
    with detection:
        _detection(lake, generator_id)
    with settings:
        _settings(lake, generator_id)
    with cost:
        _cost(lake, generator_id)


def _verdict(eligible: bool | None, reason: str | None, detail: str | None) -> None:
    if eligible:
        st.badge("Eligible: may be sampled", color="green", icon=":material/check:")
    else:
        st.badge(f"Not eligible: {page.plain(reason or 'not judged')}", color="gray", icon=":material/block:")
        if detail:
            st.text(detail)


def _count(value: int | None) -> str | None:
    return None if value is None else f"{value:,}"


def _samples(lake: Snapshot, generator_id: str) -> None:
    chosen = ImageFilter(generator=generator_id)
    rows = page.rows(lake, images.page(chosen, 0, size=12))
    if rows.height:
        picked = gallery.show(lake, rows, "samples", edge=90, named=False)
        if picked:
            page.go_to("image", id=picked)


def _spectrum(lake: Snapshot, generator_id: str) -> None:
    asked = generators.spectra(generator_id)
    rows = page.rows(lake, asked).drop_nulls("spectrum")
    ours = rows.filter(kind="generator")
    if ours.is_empty():
        page.empty("No spectrum yet: `forensics describe` measures images, `forensics summarise` takes the means.")
        return
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(f"**Mean spectrum** of the noise of {ours['images'][0]:,} images")
        page.draw(charts.spectra(rows), "mean noise power by spatial frequency, against real images")
    with right:
        st.markdown("**Fingerprint**: what sets it apart from the real images")
        page.draw(charts.fingerprint(rows), "difference of the mean spectrum to that of real images, in decibels")
    page.queries(asked)


def _detection(lake: Snapshot, generator_id: str) -> None:
    asked = generators.detection(generator_id)
    rows = page.rows(lake, asked)
    if rows.is_empty():
        page.empty("No detector was evaluated on its images yet: `forensics evaluate` does.")
        return
    columns = {
        "detector": "Detector",
        "collection": "Judged on",
        "transform": "After",
        "pool": "Against reals",
        "average_precision": number("Average precision", format="%.3f"),
        "ci_low": number("from", format="%.3f"),
        "ci_high": number("to", format="%.3f"),
        "accuracy": number("Accuracy", format="%.3f"),
        "n_fake": number("Fakes", format="localized"),
        "n_real": number("Reals", format="localized"),
    }
    picked = page.table(tracked.titled(rows), columns, "detection", [asked], select=True)
    if picked is not None:
        one = rows.row(picked, named=True)
        where = {name: one[name] for name in ("collection", "transform", "pool")}
        page.link("evaluation", "Open this evaluation", icon="monitoring", run=one["run_id"], **where)


def _settings(lake: Snapshot, generator_id: str) -> None:
    asked = generators.settings(generator_id)
    rows = page.rows(lake, asked)
    named = {name: naming.title_of(name) for name in rows.columns if not rows[name].is_null().all()}
    if rows.is_empty():
        page.empty("No image of it is in the lake.")
        return
    st.caption("The settings its images were made with, the commonest first.")
    page.table(rows, named, "settings", [asked])


def _cost(lake: Snapshot, generator_id: str) -> None:
    asked = generators.attempts(generator_id)
    rows = page.rows(lake, asked)
    if rows.is_empty():
        page.empty("Nobody has tried to sample it: `forensics generate` does.")
        return
    seconds, kept = float(rows["seconds"].sum() or 0), int(rows["images"].sum() or 0)
    each = f", {seconds / kept:,.1f} seconds an image" if kept else ""
    st.caption(f"{rows.height:,} attempts, {seconds:,.0f} seconds, {kept:,} images{each}.")
    columns = {
        "started_at": st.column_config.DatetimeColumn("Begun (UTC)", format=DATE),
        "plan_id": "Plan",
        "attempt": "Attempt",
        "code": "Ended as",
        "images": "Images",
        "seconds": number("Seconds", format="%.1f"),
        "megabytes": number("Downloaded, MB", format="%.1f"),
        "peak_memory_mb": number("Peak memory, MB", format="%.0f"),
        "message": st.column_config.TextColumn("Message", width="large"),
    }
    page.table(rows.with_columns(pl.col("message").str.slice(0, 300)), columns, "attempts", [asked])
