"""What the lake holds, how it grew, and where the flow stands."""

import polars as pl
import streamlit as st

from etl.lake import schemas
from explorer import flow, gallery, naming, page, sketches
from explorer.questions import images
from explorer.questions import lake as questions
from explorer.questions.images import ImageFilter

FIGURES = {
    "Hub models": ("models", "listed by the crawl and there today"),
    "Generators": ("generators", "models and other makers of images"),
    "Eligible": ("eligible", "generators that may be sampled"),
    "Sampled": ("sampled", "generators with images in the lake"),
    "Fake images": ("fake", "made by a generator"),
    "Real images": ("real", "photographs"),
    "Training sets": ("training_sets", "versioned builds"),
    "Detectors": ("runs", "training runs with an evaluation"),
}
ICONS = {
    flow.FRESH: "✓ fresh",
    flow.BEHIND: "△ behind",
    flow.MISSING: "– missing",
    flow.RUNNING: "● being written",
}

lake = page.look(
    *flow.MADE_OF,
    schemas.CRAWLS,
    schemas.GOLD_GENERATOR_CARDS,
    schemas.GOLD_DIVERSITY,
    schemas.REJECTS,
)
st.title("Forensics Lake")
st.caption(
    "Generators of images, what they made, real photographs beside them, and detectors that tell them apart. "
    f"This lake lies at {page.plain(page.root())}."
)
held = page.rows(lake, questions.totals()).row(0, named=True)
with st.grid(4, min_column_width=150):
    for title, (column, meaning) in FIGURES.items():
        st.metric(title, f"{held[column]:,}", help=meaning, border=True)
page.queries(questions.totals())

shown = page.rows(lake, images.page(ImageFilter(), 0, size=12))
if shown.height:
    picked = gallery.show(lake, shown, "first", edge=84, named=False)
    if picked:
        page.go_to("image", id=picked)
    page.link("images", "Browse all images", icon="photo_library")

left, right = st.columns(2, gap="large")
with left:
    st.header("Growth by crawl")
    crawls = page.rows(lake, questions.crawls())
    if crawls.is_empty():
        page.empty("No crawl was taken up yet: `forensics crawl`, then `forensics catalogue`.")
    else:
        taken = crawls.filter(pl.col("status") != "refused")
        dark = st.context.theme.type == "dark"
        st.image(sketches.crawls(taken, dark), width="stretch", alt="models listed, new and gone by crawl")
        page.queries(questions.crawls())
with right:
    st.header("Diversity")
    spread = page.rows(lake, questions.diversity()).filter(unit="generators")
    if spread.is_empty():
        page.empty("Not counted yet: `forensics summarise` writes the counts.")
    for row in spread.iter_rows(named=True):
        if row["values"]:
            title, values = page.plain(naming.title_of(row["dimension"])), naming.count(row["values"], "value")
            st.markdown(
                f"**{title}**: {values}, as diverse as **{row['effective_number']:.1f}** equally common "
                f"ones ({row['entropy_bits']:.2f} bits)"
            )
    page.link("health", "What was refused, and what it cost", icon="monitor_heart")

st.header("State of the flow")
states = page.ask(flow.states, lake)
titles = ("Table", "State", "Rows", "Last change (UTC)", "What to do")
with st.container(key="flow"):
    page.words(titles, [
        (one.table, ICONS[one.state], f"{one.rows:,}", f"{one.since:%Y-%m-%d %H:%M}" if one.since else "", one.why)
        for one in states
    ], right=(2,))  # fmt: skip
