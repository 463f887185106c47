"""The columns and choices of the page that compares two detectors."""

from typing import Any

import streamlit as st

NUMBER = st.column_config.NumberColumn
METRICS = {
    "Average precision": "average_precision",
    "Area under the ROC curve": "roc_auc",
    "Accuracy at 0.5": "accuracy",
    "True positives at 5 % false positives": "tpr_at_fpr_0.05",
}
MOST = 30
A_PAGE = 50
GENERATORS: dict[str, Any] = {
    "generator_id": st.column_config.TextColumn("Generator", width="large"),
    "family": "Family",
    "a": NUMBER("A", format="%.3f"),
    "b": NUMBER("B", format="%.3f"),
    "difference": NUMBER("B less A", format="%+.3f"),
    "n_fake": NUMBER("Fake"),
    "n_real": NUMBER("Real"),
}
FLIPPED: dict[str, Any] = {
    "image_id": st.column_config.TextColumn("Image", width="small"),
    "truth": "Is",
    "a_says": "A says",
    "b_says": "B says",
    "logit_a": NUMBER("Logit of A", format="%.2f"),
    "logit_b": NUMBER("Logit of B", format="%.2f"),
    "generator_id": st.column_config.TextColumn("Generator", width="medium"),
    "real_source": "Source of reals",
}
