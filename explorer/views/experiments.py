"""Experiments: the verdicts by rules fixed beforehand, the curves, and every cell behind them."""

from typing import Any

import streamlit as st

from etl.lake import schemas
from explorer import detector_charts, experiments, filters, page

NUMBER = st.column_config.NumberColumn
COLOURS: dict[str, Any] = {"shown": "green", "contrary": "red"}
EFFECTS: dict[str, Any] = {
    "effect": st.column_config.TextColumn("Effect", width="large"),
    "detector": "Detector",
    "verdict": "Verdict",
    "difference": NUMBER("Difference", format="%+.3f"),
    "ci_low": NUMBER("from", format="%+.3f"),
    "ci_high": NUMBER("to", format="%+.3f"),
    "control": "Control",
    "control_value": NUMBER("Control's mean", format="%.3f"),
    "treatment": "Treatment",
    "treatment_value": NUMBER("Treatment's mean", format="%.3f"),
    "pairs": NUMBER("Pairs"),
    "units_up": NUMBER("Units up"),
    "units": NUMBER("Units"),
    "reason": "Why no verdict",
}
CELLS: dict[str, Any] = {
    "cell": st.column_config.TextColumn("Cell", width="large"),
    "test": "Test",
    "average_precision": NUMBER("Mean average precision", format="%.3f"),
    "accuracy": NUMBER("Mean accuracy", format="%.3f"),
    "n_generators": NUMBER("Generators"),
    "n_groups": NUMBER("Groups"),
    "n_fake": NUMBER("Fakes"),
    "n_real": NUMBER("Reals"),
    "seconds": NUMBER("Seconds", format="%.1f"),
}
UNITS: dict[str, Any] = {
    "unit": st.column_config.TextColumn("Held-out unit", width="medium"),
    "average_precision": NUMBER("Average precision", format="%.3f"),
    "roc_auc": NUMBER("ROC AUC", format="%.3f"),
    "accuracy": NUMBER("Accuracy", format="%.3f"),
    "fpr": NUMBER("False positives", format="%.3f"),
    "tpr_at_fpr_5": NUMBER("TPR at 5 % FPR", format="%.3f"),
    "n_fake": NUMBER("Fake"),
    "n_real": NUMBER("Real"),
}
IMAGES: dict[str, Any] = {
    "image_id": st.column_config.TextColumn("Image", width="small"),
    "label": st.column_config.CheckboxColumn("Fake"),
    "logit": NUMBER("Logit", format="%.2f"),
    "generator_id": st.column_config.TextColumn("Generator", width="medium"),
    "real_source": "Source of reals",
}


def show_verdict(row: dict[str, Any]) -> None:
    """Show the headline of an experiment: its verdict by the rule that was fixed beforehand."""
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.badge(page.plain(row["verdict"] or "no verdict"), color=COLOURS.get(row["verdict"], "gray"))
        if row["difference"] is None:
            st.markdown(f"{page.plain(row['effect'])}: {page.plain(row['reason'])}")
        else:
            st.markdown(
                f"**{page.plain(row['effect'])}** by {page.plain(row['detector'])}: {row['difference']:+.3f} "
                f"({100 * row['level']:.0f} % interval {row['ci_low']:+.3f} to {row['ci_high']:+.3f}), over "
                f"{row['units']} units and {row['seeds']} seeds. Rule: shown from {row['minimum']:+.3f} with "
                "whole interval above 0."
            )


def show_cell(lake: Any, experiment: str, cell: str, test: str, run_id: str | None) -> None:
    """Show one cell: what it reached on each unit, and the images that it got most wrong."""
    st.subheader("One cell")
    st.code(
        f"forensics experiment --config conf/experiments/{experiment}.yaml --cell {cell}",
        language="bash",
        wrap_lines=True,
    )
    page.facts({"Test": test, "MLflow run": run_id})
    asked = experiments.units(experiment, cell, test)
    page.table(page.rows(lake, asked), UNITS, "units", made_by=[asked])
    asked_images = experiments.worst_images(experiment, cell, test, 100)
    wrong = page.rows(lake, asked_images)
    st.caption("The 100 images that it got most wrong; pick a row to open the image.")
    picked = page.table(wrong, IMAGES, "wrong", made_by=[asked_images], select=True)
    if picked is not None:
        page.go_to("image", id=wrong["image_id"][picked])


lake = page.look(
    schemas.EXPERIMENTS, schemas.EXPERIMENT_UNITS, schemas.EXPERIMENT_EFFECTS, schemas.EXPERIMENT_SCORES,
    schemas.EXPERIMENT_IMAGES, schemas.IMAGES,
)  # fmt: skip
st.title("Experiments")
page.need(lake, schemas.EXPERIMENTS)
known = page.rows(lake, experiments.names())
if known.is_empty():
    page.empty(
        "No experiment has a finished cell yet: `forensics experiment --config conf/experiments/….yaml` runs one."
    )
    st.stop()

name = filters.choice("Experiment", known["experiment"].to_list(), "experiment") or known["experiment"][0]
told = known.filter(experiment=name).row(0, named=True)
st.caption(
    f"{told['cells']:,} cells, {told['seeds']} seeds, {told['detectors']} detectors; the last cell ended "
    f"{told['finished_at']:%Y-%m-%d %H:%M} UTC, {told['seconds'] or 0:,.0f} s of work in all."
)
asked_effects = experiments.effects(name)
effects = page.rows(lake, asked_effects)
for row in effects.filter("is_headline").iter_rows(named=True):
    show_verdict(row)

offered = page.rows(lake, experiments.detectors(name))
everyone = offered["detector"].unique(maintain_order=True).to_list()
with st.container(horizontal=True):
    test = (
        filters.choice("Test", offered["test"].unique(maintain_order=True).to_list(), "test") or offered["test"][0]
    )
    metric_name = filters.one_of("Metric", {name: name for name in experiments.METRICS}, "metric")
    scale = filters.one_of("Axis", {"Logarithmic": True, "Linear": False}, "axis")
detectors = filters.several("Detectors", everyone, "detectors") or everyone[:1]
asked_points = experiments.points(name, test, experiments.METRICS[metric_name], tuple(detectors))
points = page.rows(lake, asked_points)
if points.drop_nulls("value").is_empty():
    page.empty("This metric is not defined for these cells.")
else:
    figure = detector_charts.curves(points.drop_nulls("value"), metric_name, "x: what the arm varies", bool(scale))
    page.draw(figure, f"{metric_name} of each arm by x", made_by=[asked_points])
    st.caption(
        "Means over seeds, with one standard deviation between seeds; within a seed over units, folds and draws."
    )

if effects.height:
    st.subheader("Effects, by every detector")
    page.draw(detector_charts.effects(effects), "difference and interval of every effect by detector")
    page.table(effects, EFFECTS, "effects", made_by=[asked_effects])

st.subheader("Cells")
asked_cells = experiments.cells(name)
cells = page.rows(lake, asked_cells)
picked = page.table(cells, CELLS, "cells", made_by=[asked_cells], select=True)
if picked is not None:
    row = cells.row(picked, named=True)
    show_cell(lake, name, row["cell"], row["test"], row["run_id"])
