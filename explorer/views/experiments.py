"""Experiments: the verdicts by rules fixed beforehand, the curves, and every cell behind them."""

import streamlit as st

from etl.lake import schemas
from explorer import detector_charts, experiments, filters, page
from explorer.experiment_sections import CELLS, EFFECTS, show_cell, show_verdict

lake = page.look(
    schemas.EXPERIMENTS, schemas.EXPERIMENT_UNITS, schemas.EXPERIMENT_EFFECTS, schemas.EXPERIMENT_SCORES,
    schemas.EXPERIMENT_IMAGES, schemas.IMAGES,
)  # fmt: skip
st.title("Experiments")
known = page.rows(lake, experiments.names())
if known.is_empty():
    page.empty(
        "No experiment has a finished cell in this lake yet. `forensics experiment` runs one by a file of "
        "conf/experiments; `make experiments-smoke` makes a small lake with one in about 4 minutes, which "
        "`forensics explore --root lake-toy-smoke` shows."
    )
    st.stop()

name = filters.always("Experiment", known["experiment"].to_list(), "experiment")
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
if offered.is_empty():
    page.empty("Its cells hold no figures: the lake lacks the table `experiment_units`, or their rows in it.")
    st.stop()
everyone = offered["detector"].unique(maintain_order=True).to_list()
with st.container(horizontal=True):
    test = filters.always("Test", offered["test"].unique(maintain_order=True).to_list(), "test")
    metric_name = filters.one_of("Metric", {name: name for name in experiments.METRICS}, "metric")
    scale = filters.one_of("Axis", {"Logarithmic": True, "Linear": False}, "axis")
detectors = filters.several("Detectors", everyone, "detectors", otherwise=everyone[0]) or everyone[:1]
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
