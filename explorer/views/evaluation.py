"""How well a detector tells fake from real, generator by generator, and where it is weakest."""

from typing import Any

import polars as pl
import streamlit as st

from etl.lake import schemas
from explorer import cards, charts, evaluations, page

MOST = 30
NUMBER = st.column_config.NumberColumn
COLUMNS: dict[str, Any] = {
    "generator_id": st.column_config.TextColumn("Generator", width="large"),
    "family": "Family",
    "average_precision": NUMBER("Average precision", format="%.3f"),
    "ci_low": NUMBER("from", format="%.3f"),
    "ci_high": NUMBER("to", format="%.3f"),
    "accuracy": NUMBER("Accuracy", format="%.3f"),
    "n_fake": NUMBER("Fake"),
    "n_real": NUMBER("Real"),
    "reason": st.column_config.TextColumn("Why undefined"),
}

lake = page.look(schemas.EVALUATIONS, schemas.PREDICTIONS, schemas.GENERATORS)
st.title("Evaluation")
page.need(lake, schemas.EVALUATIONS)

runs = page.ask(evaluations.runs, lake).rows()
if not runs:
    st.info("The table `evaluations` is empty: `forensics evaluate` fills it.", icon=":material/hourglass_empty:")
    st.stop()
key = st.selectbox(
    "Detector and images", runs, format_func=page.evaluation_title, key="evaluation", bind="query-params"
)[:4]
rows, scores = page.ask(evaluations.by_generator, lake, *key), page.ask(evaluations.score_bins, lake, *key[:3])
overall = page.ask(evaluations.overall, lake, *key)
figures = {(row["slice_kind"], row["metric"]): row for row in overall.iter_rows(named=True)}
with st.grid(4, min_column_width=200):
    cards.show_figure("Mean average precision over generators", figures.get(("mean", "average_precision")))
    cards.show_figure("Mean accuracy over generators", figures.get(("mean", "accuracy")))
    cards.show_figure("Average precision, all images", figures.get(("all", "average_precision")))
    cards.show_figure("Accuracy, all images", figures.get(("all", "accuracy")))

beside = page.ask(evaluations.baselines, lake, key[1], key[3]).rows()
if beside:
    told = ", ".join(f"{page.plain(name)} {value:.3f}" for name, value in beside)
    st.caption(f"Mean average precision of what looks at no pixel of the same images: {told}.")

left, right = st.columns([3, 2], gap="large")
with left:
    st.subheader("Weakest generators first")
    defined = rows.drop_nulls("average_precision")
    cut = f"The {MOST} weakest of {defined.height}" if defined.height > MOST else f"{defined.height} generators"
    st.caption(f"{cut}. Dotted line and band: the mean average precision and its 95 % interval.")
    mean = figures.get(("mean", "average_precision"), {})
    figure = charts.generator_scores(
        defined.head(MOST), mean.get("value"), mean.get("ci_low"), mean.get("ci_high")
    )
    page.draw(figure, "average precision and accuracy by generator, the weakest first")
with right:
    st.subheader("Scores of real and fake images")
    real, fake = (scores.filter(label=label)["n"].sum() for label in (0, 1))
    st.caption(f"{real:,} real and {fake:,} fake images. The further apart the hills, the better.")
    page.draw(charts.score_histogram(scores), "histogram of the detector's logits for real and for fake images")

st.subheader("Every generator")
undefined = rows.filter(pl.col("average_precision").is_null()).height
st.caption(f"{rows.height} generators; {undefined} without a value, with the reason in the last column.")
height = min(38 + 35 * rows.height, 640)
st.dataframe(rows.select(list(COLUMNS)), column_config=COLUMNS, hide_index=True, placeholder="", height=height)
