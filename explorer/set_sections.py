"""The parts of the page of training sets: audit, what crosses splits, members, detectors, recipe."""

import json
from typing import Any

import polars as pl
import streamlit as st

from etl.lake import schemas
from explorer import filters, naming, page, set_charts, tracked, training_sets

NUMBER = st.column_config.NumberColumn
MEMBERS: dict[str, Any] = {
    "split": "Split",
    "class": "Class",
    "generator_id": st.column_config.TextColumn("Generator", width="large"),
    "real_source": "Source of reals",
    "images": NUMBER("Images", format="localized"),
}
EFFECTIVE: dict[str, Any] = {
    "split": "Split",
    "kind": "Fakes by",
    "q0": NUMBER("How many", format="%.0f"),
    "q1": NUMBER("Effective number", format="%.1f", help="Hill number of order 1: as many equally common ones"),
    "q2": NUMBER("Of the common ones", format="%.1f", help="Hill number of order 2: rare ones hardly count"),
}
ADDITIONS: dict[str, Any] = {
    "rank": NUMBER("Rank"),
    "generator_id": st.column_config.TextColumn("Generator", width="large"),
    "family": "Family",
    "strategy": "Chosen by",
    "novelty": NUMBER(
        "Novelty", format="%.2f", help="Distance to the nearest learnt generator, in spreads of images"
    ),
    "error": NUMBER(
        "Error", format="%.2f", help="Mean cross-entropy of a linear detector of the set on its pilots"
    ),
    "images": NUMBER("Images", format="localized"),
}
RUNS: dict[str, Any] = {
    "detector": st.column_config.TextColumn("Detector", width="large"),
    "collection": "Judged on",
    "pool": "Reals",
    "value": NUMBER("Mean average precision", format="%.3f"),
    "evaluated_at": st.column_config.DatetimeColumn("Judged at"),
}


def show_audit(build: dict[str, Any]) -> None:
    """Show what classifiers that see no pixel reached, against the recipe's limit."""
    found, limit, accepted = training_sets.findings(build)
    st.subheader("Shortcut audit")
    st.caption(
        "Area under the ROC curve of forests that see only a file's format, size, bytes, JPEG quality, metadata. "
        f"Above the dotted line at {limit:.2f} a detector could learn that instead of the images."
    )
    if accepted:
        st.caption(f"Accepted by name in the recipe: {page.plain(', '.join(accepted))}.")
    if found.is_empty():
        page.empty("This build has no audit on record.")
    else:
        page.draw(
            set_charts.audit(found, limit), "area under the ROC curve of each metadata-only classifier, by split"
        )


def show_crossings(lake: Any, build: dict[str, Any]) -> None:
    """Show what lies in more than one split, counted from the rows."""
    st.subheader("In several splits")
    counted = page.ask(training_sets.crossings, lake, build["name"], build["rows_version"])
    searched = lake.has(schemas.DUPLICATE_CLUSTERS)
    with st.grid(4, min_column_width=150):
        for row in counted.iter_rows(named=True):
            number = row["crossing"] if searched or row["unit"] != "duplicate clusters" else "–"
            st.metric(row["unit"].capitalize(), number, help=f"of {row['n']:,} in all", border=True)
    if not searched:
        st.caption("Near duplicates were not looked for: `forensics duplicates` finds them.")


def show_diversity(build: dict[str, Any]) -> None:
    """Show how many generators, lineages and families the fakes come from, and how evenly."""
    st.subheader("Diversity of the fakes")
    found = training_sets.effective(build)
    if found.is_empty():
        st.caption("Not on record for this build: an older release made it. The next build has it.")
        return
    page.table(found, EFFECTIVE, f"effective-{build['label']}")


def show_members(lake: Any, build: dict[str, Any], splits: list[str]) -> None:
    """Show who is in a build, and open a generator that is picked."""
    st.subheader("Who is in it")
    members = page.ask(training_sets.members, lake, build["name"], build["rows_version"])
    split = filters.one_of("Split", {"All": None, **{name: name for name in splits}}, "split")
    kind = pl.when(pl.col("label") == 1).then(pl.lit("fake")).otherwise(pl.lit("real")).alias("class")
    chosen = members.filter(True if split is None else pl.col("split") == split).with_columns(kind)
    makers, sources = (chosen[column].drop_nulls().n_unique() for column in ("generator_id", "real_source"))
    st.caption(f"{naming.count(makers, 'generator')} and {naming.count(sources, 'source')} of real images.")
    picked = page.table(chosen, MEMBERS, f"members-{build['label']}", select=True)
    if picked is not None and chosen["generator_id"][picked]:
        page.go_to("generators", generator=chosen["generator_id"][picked])


def show_detectors(lake: Any, label: str) -> None:
    """Show the detectors that were judged on a build's own images."""
    st.subheader("Detectors judged on it")
    runs = page.ask(training_sets.judged, lake, label)
    if runs.is_empty():
        st.caption("None yet: `forensics train --training_set NAME`, then `forensics evaluate`.")
        return
    picked = page.table(tracked.titled(runs), RUNS, f"runs-{label}", select=True)
    if picked is not None:
        page.go_to("evaluation", run=runs["run_id"][picked], collection=runs["collection"][picked])


def show_additions(lake: Any, label: str) -> None:
    """Show which generators would add most to a build, where that was asked."""
    st.subheader("What to add next")
    found = page.ask(training_sets.additions, lake, label)
    if found.is_empty():
        st.caption("Not asked yet; this ranks the generators that it lacks:")
        st.code(f"forensics additions --training_set {label}", language="bash", wrap_lines=True)
        return
    picked = page.table(found, ADDITIONS, f"additions-{label}", select=True)
    if picked is not None:
        page.go_to("generators", generator=found["generator_id"][picked])


def show_recipe(build: dict[str, Any]) -> None:
    """Show the recipe and what it read."""
    read = json.loads(build["table_versions"] or "{}")
    recipe = json.dumps(json.loads(build["config"] or "{}"), indent=2, ensure_ascii=False)
    with st.expander("Recipe, and what it read"):
        page.facts({
            "Rows checksum": build["id_checksum"],
            "Recipe hash": build["config_hash"],
            "Versions read": ", ".join(f"{table}@{number}" for table, number in read.items()),
            **{f"Left out: {why}": f"{count:,}" for why, count in training_sets.left_out(build).items()},
        })  # fmt: skip
        st.code(recipe, language="json", wrap_lines=True)
