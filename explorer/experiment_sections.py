"""The parts of the page of experiments: the verdict, and one cell with its images."""

from typing import Any

import streamlit as st

from explorer import experiments, page, tracked

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
    tracked.show(run_id)
    asked = experiments.units(experiment, cell, test)
    page.table(page.rows(lake, asked), UNITS, "units", made_by=[asked])
    asked_images = experiments.worst_images(experiment, cell, test, 100)
    wrong = page.rows(lake, asked_images)
    st.caption("The 100 images that it got most wrong; pick a row to open the image.")
    picked = page.table(wrong, IMAGES, "wrong", made_by=[asked_images], select=True)
    if picked is not None:
        page.go_to("image", id=wrong["image_id"][picked])
