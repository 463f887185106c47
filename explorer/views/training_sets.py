"""Training sets: recipe, versions, balance, who is in them, and what could be learnt without looking."""

import streamlit as st

from etl.errors import LakeMissing, VersionGone
from etl.lake import schemas
from explorer import filters, page, set_charts, training_sets
from explorer.set_sections import (
    show_additions,
    show_audit,
    show_crossings,
    show_detectors,
    show_diversity,
    show_members,
    show_recipe,
)

lake = page.look(
    schemas.TRAINING_SETS,
    schemas.GENERATORS,
    schemas.DUPLICATE_CLUSTERS,
    schemas.EVALUATIONS,
    schemas.GOLD_ADDITIONS,
)
st.title("Training sets")
page.need(lake, schemas.TRAINING_SETS)
builds = page.ask(training_sets.builds, lake)
if builds.is_empty():
    page.empty(
        "No set was built yet: `forensics build-training-set --config conf/training_sets/alike.yaml` builds one."
    )
    st.stop()

label = filters.always("Set and version", builds["label"].to_list(), "set")
build = builds.filter(label=label).row(0, named=True)
versions = builds.filter(name=build["name"]).height
which = "the only version" if versions == 1 else f"one of {versions} versions"
st.caption(
    f"Built {build['created_at']:%Y-%m-%d %H:%M} UTC, {which} of "
    f"{page.plain(build['name'])}. Make it again, with the same ids whatever came since:"
)
st.code(f"forensics build-training-set --again {label}", language="bash", wrap_lines=True)

counts = training_sets.balance(build)
left, right = st.columns([2, 3], gap="large")
with left:
    st.subheader("Balance")
    st.caption(f"{counts['fake'].sum():,} fake and {counts['real'].sum():,} real images.")
    page.draw(set_charts.balance(counts), "fake and real images in each split")
with right:
    show_audit(build)
try:
    show_crossings(lake, build)
    show_diversity(build)
    show_members(lake, build, counts["split"].to_list())
except (LakeMissing, VersionGone) as gone:
    page.empty(f"The rows of this version cannot be read: {page.plain(str(gone))}.")
show_detectors(lake, label)
show_additions(lake, label)
show_recipe(build)
