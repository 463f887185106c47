"""How well a detector tells fake from real, where it is weakest, and the images behind every figure."""

from typing import Any

import streamlit as st

from etl.lake import schemas
from explorer import charts, evaluation_parts, evaluations, gallery, page, tracked

NUMBER = st.column_config.NumberColumn
GENERATORS: dict[str, Any] = {
    "generator_id": st.column_config.TextColumn("Generator", width="large"),
    "family": "Family",
    "average_precision": NUMBER("Average precision", format="%.3f"),
    "ci_low": NUMBER("from", format="%.3f"),
    "ci_high": NUMBER("to", format="%.3f"),
    "accuracy": NUMBER("Accuracy", format="%.3f"),
    "n_fake": NUMBER("Fake", format="localized"),
    "n_real": NUMBER("Real", format="localized"),
    "reason": st.column_config.TextColumn("Why undefined"),
}

lake = page.look(schemas.EVALUATIONS, schemas.PREDICTIONS, *gallery.TABLES)
st.title("Evaluation")
page.need(lake, schemas.EVALUATIONS)
judged = page.rows(lake, evaluations.judged())
if judged.is_empty():
    page.empty("The table `evaluations` is empty: `forensics evaluate` fills it.")
    st.stop()

key = evaluation_parts.choose(judged)
tracked.show(key.run_id)
evaluation_parts.show_figures(lake, key)
evaluation_parts.show_runs(lake, key)
evaluation_parts.show_heat_map(lake, key)

asked = evaluations.by_generator(key)
rows = page.rows(lake, asked)
left, right = st.columns([3, 2], gap="large")
with left:
    st.subheader("Weakest generators first")
    defined = rows.drop_nulls("average_precision")
    most = evaluation_parts.MOST
    cut = f"The {most} weakest of {defined.height:,}" if defined.height > most else f"{defined.height} generators"
    st.caption(f"{cut}. Dotted line and band: the mean average precision and its 95 % interval.")
    mean = evaluation_parts.figures(lake, key).get(("mean", "average_precision"), {})
    page.pick(
        charts.generator_scores(defined.head(most), mean.get("value"), mean.get("ci_low"), mean.get("ci_high")),
        "average precision and accuracy by generator, the weakest first",
        "weakest",
        lambda point: evaluation_parts.open_part(evaluations.GENERATOR, point[0]),
        [asked],
    )
with right:
    if lake.has(schemas.PREDICTIONS):
        evaluation_parts.show_scores(lake, key)
    else:
        page.empty("The lake has no table `predictions`: `forensics evaluate` writes it.")

if lake.has(schemas.PREDICTIONS):
    threshold, marked = evaluation_parts.choose_threshold(lake, key)
    evaluation_parts.show_curves(lake, key, marked)
    sources, degradations = st.columns(2, gap="large")
    with sources:
        evaluation_parts.show_false_positives(lake, key, threshold)
    with degradations:
        evaluation_parts.show_robustness(lake, key)
    evaluation_parts.show_behind(lake, key, threshold)

st.subheader("Every generator")
undefined = rows["average_precision"].null_count()
st.caption(f"{rows.height:,} generators; {undefined:,} without a value, with the reason in the last column.")
page.table(rows, GENERATORS, "generators", [asked])
