"""What the lake holds, how diverse it is, and what was refused on the way."""

import streamlit as st

from etl.lake import schemas
from explorer import charts, page, queries

lake = page.look(
    schemas.MODELS,
    schemas.GENERATORS,
    schemas.GENERATION_ATTEMPTS,
    schemas.IMAGES,
    schemas.THUMBNAILS,
    schemas.TRAINING_SETS,
    schemas.EVALUATIONS,
    schemas.REJECTS,
    schemas.GOLD_COUNTS,
    schemas.GOLD_DIVERSITY,
)
held = page.ask(queries.totals, lake).row(0, named=True)
st.title("Forensics Lake")
st.caption(
    "Generators of images, what they made, real photographs beside them, and detectors that tell them apart. "
    f"This lake lies at {page.plain(page.root())}."
)

FIGURES = {
    "Hub models": ("models", "listed by the crawl"),
    "Generators": ("generators", "models and other makers of images"),
    "Eligible": ("eligible", "generators that may be sampled"),
    "Sampled": ("sampled", "generators with images in the lake"),
    "Fake images": ("fake", "made by a generator"),
    "Real images": ("real", "photographs"),
    "Training sets": ("training_sets", "versioned builds"),
    "Detectors": ("runs", "training runs with an evaluation"),
}
with st.grid(8, min_column_width=110):
    for title, (column, meaning) in FIGURES.items():
        st.metric(title, f"{held[column]:,}", help=meaning, border=True)

shown = page.ask(queries.gallery, lake, queries.ImageFilter(), 0, 12)
if shown.height:
    with st.container(key="tiles"), st.grid(12, min_column_width=70):
        for picture in shown.iter_rows(named=True):
            st.image(picture["jpeg"], width="stretch", alt="fake image" if picture["label"] else "real photograph")
    st.page_link("views/gallery.py", label="Browse all images", icon=":material/photo_library:")

st.header("Diversity")
counts, spread = page.ask(queries.value_counts, lake), page.ask(queries.diversity, lake)
if counts.is_empty() or spread.is_empty():
    st.info(
        "Not counted yet: `forensics summarise` writes the tables of counts.", icon=":material/hourglass_empty:"
    )
else:
    unit = st.segmented_control(
        "Count", ["generators", "images"], default="generators", required=True, key="unit", bind="query-params"
    )
    dimensions = [d for d in ("architecture", "family", "licence") if d in counts["dimension"]]
    dimensions += sorted(set(counts["dimension"]) - set(dimensions))
    with st.grid(3, min_column_width=300, gap="medium"):
        for dimension in dimensions:
            with st.container():
                st.subheader(f"By {page.plain(dimension)}")
                for row in spread.filter(dimension=dimension, unit=unit).iter_rows(named=True):
                    st.caption(
                        f"{row['entropy_bits']:.2f} bits of entropy: as diverse as "
                        f"**{row['effective_number']:.1f}** equally common values ({row['values']} occur)"
                    )
                page.draw(charts.distribution(counts.filter(dimension=dimension), unit), f"{unit} by {dimension}")

st.header("Refused, and why")
refused = page.ask(queries.refusals, lake)
if refused.is_empty():
    st.caption("No stage has refused anything.")
with st.grid(3, min_column_width=300, gap="medium"):
    for stage in refused["stage"].unique(maintain_order=True):
        with st.container():
            codes = refused.filter(stage=stage)
            st.subheader(f"{page.plain(stage).capitalize()}: {codes['n'].sum():,}")
            page.draw(charts.refusals(codes), f"what {stage} refused, by code")
