"""The parts of the page Evaluation: each asks its question, draws its figure, and opens the images behind it."""

from collections.abc import Mapping
from typing import Any

import polars as pl
import streamlit as st

from explorer import cards, charts, evaluation_charts, evaluations, filters, gallery, page, tracked
from explorer.evaluations import GENERATOR, SOURCE, ZERO, Judged
from explorer.reading import Snapshot

MOST = 30
"""Generators of one figure."""
TILES = 24

METRICS = {
    "Average precision": "average_precision",
    "ROC AUC": "roc_auc",
    "Accuracy": "accuracy",
    "Caught at 5 % false positives": "tpr_at_fpr_0.05",
}
ERRORS = {"False positives": 0, "Missed fakes": 1, "All images": None}
"""What is listed, and the label of those images."""
NEAREST = {
    "False positives": "photographs, the highest logit first",
    "Missed fakes": "fakes, the lowest logit first",
}
"""What is listed instead where there is no error of a kind."""
_NUMBER = st.column_config.NumberColumn
RUNS: dict[str, Any] = {
    "detector": st.column_config.TextColumn("Detector", width="medium"),
    "average_precision": _NUMBER("Mean AP", format="%.3f", help="unweighted over generators"),
    "ci_low": _NUMBER("from", format="%.3f"),
    "ci_high": _NUMBER("to", format="%.3f"),
    "roc_auc": _NUMBER("ROC AUC", format="%.3f"),
    "accuracy": _NUMBER("Accuracy", format="%.3f", help="at probability 0.5"),
    "tpr_at_fpr": _NUMBER("Caught at 5 % FPR", format="%.3f"),
    "equal_error_rate": _NUMBER("EER", format="%.3f", help="equal error rate"),
    "calibration_error": _NUMBER("ECE", format="%.3f", help="expected calibration error"),
    "n_fake": _NUMBER("Fake", format="localized"),
    "n_real": _NUMBER("Real", format="localized"),
    "evaluated_at": st.column_config.DatetimeColumn("Evaluated", format="YYYY-MM-DD HH:mm"),
}


def choose(judged: pl.DataFrame) -> Judged:
    """Choose one evaluation of `evaluations.judged` by filters in the address, by default the latest."""
    titles = {"run": "Detector", "collection": "Images judged", "transform": "Degradation", "pool": "Reals"}
    left, found = judged.rename({"run_id": "run"}), {}
    asked = filters.named("run")
    if asked and asked not in left["run"]:
        page.empty(
            "That run was not judged yet: `forensics evaluate` with its id as `--run` does. Another is shown."
        )
    for (name, title), place in zip(titles.items(), st.columns([4, 3, 2, 2]), strict=True):
        options = sorted(
            left[name].unique(maintain_order=True).to_list(), key=lambda one: one not in ("none", "all")
        )
        called = tracked.title if name == "run" else str
        found[name] = filters.always(title, options, name, place=place, name=called)
        left = left.filter(pl.col(name) == found[name])
    return Judged(found["run"], found["collection"], found["transform"], found["pool"])


def figures(lake: Snapshot, key: Judged) -> Mapping[tuple[str, str], dict[str, Any]]:
    """Return the evaluation's rows over all images and as means, by (slice kind, metric)."""
    rows = page.rows(lake, evaluations.overall(key))
    return {(row["slice_kind"], row["metric"]): row for row in rows.iter_rows(named=True)}


def show_figures(lake: Snapshot, key: Judged) -> None:
    """Show the four figures that sum a detector up."""
    st.caption("AP is the average precision. Means are over generators, each counting alike.")
    known = figures(lake, key)
    with st.grid(4, min_column_width=160):
        cards.show_figure("Mean AP", known.get(("mean", "average_precision")))
        cards.show_figure("Mean accuracy", known.get(("mean", "accuracy")))
        cards.show_figure("AP, all images", known.get(("all", "average_precision")))
        cards.show_figure("Accuracy, all images", known.get(("all", "accuracy")))
    page.queries(evaluations.overall(key))


def show_runs(lake: Snapshot, key: Judged) -> None:
    """Show every run that was judged on the same images; the row that is picked becomes the page's detector."""
    asked = evaluations.runs(key.collection, key.transform, key.pool)
    rows = page.rows(lake, asked)
    st.subheader("Runs on the same images")
    st.caption("Means over generators. Pick a row to look at that run; baselines look at no pixel.")
    picked = page.table(tracked.titled(rows), RUNS, "runs", [asked], select=True, height=280)
    chosen = None if picked is None else rows["run_id"][picked]
    if chosen != st.session_state.get("picked-run"):
        st.session_state["picked-run"] = chosen
        if chosen is not None and chosen != key.run_id:
            st.query_params["run"] = chosen
            st.rerun()


def show_heat_map(lake: Snapshot, key: Judged) -> None:
    """Show a metric by generator and run; a cell opens the generator's images under its run."""
    st.subheader("Generators by runs")
    metric = filters.one_of("Metric", METRICS, "metric")
    title = next(name for name, value in METRICS.items() if value == metric)
    asked = evaluations.heat_map(key.collection, key.transform, key.pool, metric, MOST)
    cells = page.rows(lake, asked)
    if cells.is_empty():
        page.empty("No generator has this metric under a detector: it is undefined without both classes.")
        return
    st.caption(
        f"The {cells['generator_id'].n_unique()} generators that are hardest on average, the hardest first; empty "
        "where undefined. A cell opens its images below."
    )
    page.pick(
        evaluation_charts.heat_map(cells, title, tracked.short),
        f"{title} by generator and run",
        "heat-map",
        lambda point: open_part(GENERATOR, point[0], run=point[1]),
        [asked],
    )


def show_scores(lake: Snapshot, key: Judged) -> None:
    """Show how the detector's logits of real and fake images lie."""
    asked = evaluations.score_bins(key)
    scores = evaluations.histogram(page.rows(lake, asked))
    st.subheader("Scores of real and fake images")
    real, fake = (scores.filter(label=label)["n"].sum() for label in (0, 1))
    st.caption(f"{real:,} real and {fake:,} fake images. The further apart the hills, the better.")
    page.draw(
        charts.score_histogram(scores), "histogram of the detector's logits for real and for fake images", [asked]
    )


def choose_threshold(lake: Snapshot, key: Judged) -> tuple[float, dict[str, tuple[float, float]]]:
    """Choose an operating point; return its threshold, and its rates of false and true positives by its name."""
    asked = evaluations.thresholds(key.run_id)
    points = {row["name"]: row["threshold"] for row in page.rows(lake, asked).iter_rows(named=True)}
    names = [name for name in ("balanced", *sorted(points)) if name in points]
    known = {f"{name} ({points[name]:+.3f})": name for name in dict.fromkeys(names)} | {"zero (0)": ZERO}
    st.subheader("Errors at an operating point")
    name = filters.one_of("Called fake above the logit of", known, "point")
    threshold = float(points.get(name, 0.0))
    counts = evaluations.verdicts(key, threshold)
    row = page.rows(lake, counts).row(0, named=True)
    told = "; it was fixed on the run's validation images" if name in points else ""
    st.caption(
        f"Of {row['n_real']:,} real images {row['false_positives']:,} are called fake, of {row['n_fake']:,} fakes "
        f"{row['n_fake'] - row['caught']:,} are missed. The diamond is this point{told}."
    )
    page.queries(asked, counts)
    if not row["n_real"] or not row["n_fake"]:
        return threshold, {}
    return threshold, {name: (row["false_positives"] / row["n_real"], row["caught"] / row["n_fake"])}


def show_curves(lake: Snapshot, key: Judged, marked: dict[str, tuple[float, float]]) -> None:
    """Show the ROC and the DET curve and how well stated probabilities hold."""
    bins, held = evaluations.score_bins(key), evaluations.calibration(key)
    points = evaluations.curve(page.rows(lake, bins))
    auc = figures(lake, key).get(("all", "roc_auc"), {}).get("value")
    error = figures(lake, key).get(("all", "calibration_error"), {}).get("value")
    with st.grid(3, min_column_width=230, gap="medium"):
        with st.container():
            st.markdown("**ROC**")
            st.caption("Area under the curve " + ("undefined" if auc is None else f"{auc:.3f}"))
            page.draw(evaluation_charts.receiver(points, marked), "ROC curve over all images", [bins], key="roc")
        with st.container():
            st.markdown("**DET**")
            st.caption("The nearer to the lower left corner, the better")
            page.draw(evaluation_charts.trade_off(points, marked), "detection error trade-off curve", key="det")
        with st.container():
            st.markdown("**Calibration**")
            st.caption("Expected calibration error " + ("undefined" if error is None else f"{error:.3f}"))
            page.draw(
                evaluation_charts.reliability(page.rows(lake, held)),
                "share of fakes by stated probability",
                [held],
                key="calibration",
            )


def show_false_positives(lake: Snapshot, key: Judged, threshold: float) -> None:
    """Show whose photographs are called fake; a point opens them below."""
    asked = evaluations.false_positives(key, threshold)
    rates = evaluations.with_interval(page.rows(lake, asked), "false_positives", "n")
    st.markdown("**False positives by source of photographs**")
    if rates.is_empty():
        st.caption("No real image was scored.")
        return
    st.caption("With the 95 % interval of Clopper and Pearson. A point opens its images below.")
    page.pick(
        evaluation_charts.by_source(rates),
        "share of photographs called fake, by source",
        "sources",
        lambda point: open_part(SOURCE, point[0]),
        [asked],
    )


def show_robustness(lake: Snapshot, key: Judged) -> None:
    """Show the mean average precision after each degradation; a point changes the page to it."""
    asked = evaluations.robustness(key)
    rows = page.rows(lake, asked)
    st.markdown("**Robustness: mean average precision after each degradation**")
    if set(rows["transform"]) <= {"none"}:
        st.caption(
            "Only undegraded images were scored; `forensics evaluate --transforms '[all]'` adds the others."
        )
    page.pick(
        evaluation_charts.by_transform(rows, "average_precision"),
        "mean average precision after each degradation",
        "degradations",
        lambda point: st.query_params.update(transform=point[0]),
        [asked],
    )


def open_part(kind: str, name: str, run: str | None = None) -> None:
    """Put a part of the images into the address: the fakes of a generator, or the photographs of a source."""
    st.query_params["slice"] = f"{kind}:{name}"
    st.query_params["errors"] = "False positives" if kind == SOURCE else "Missed fakes"
    if run is not None:
        st.query_params["run"] = run


def _open_all() -> None:
    st.query_params.pop("slice", None)


def show_behind(lake: Snapshot, key: Judged, threshold: float) -> None:
    """Show the images behind the figures, the most wrong first; one that is clicked opens."""
    st.header("The images behind it", anchor="images")
    text = filters.named("slice")
    part = evaluations.slice_of(text)
    if text and part is None:
        st.warning("The address was not followed in slice: it is written as generator:NAME or source:NAME.",
                   icon=":material/link_off:")  # fmt: skip
    title = filters.one_of("Show", {name: name for name in ERRORS}, "errors")
    label = ERRORS[title]
    if part:
        said, button = st.columns([5, 1], vertical_alignment="center")
        said.markdown(f"Of {part[0]} **{page.plain(part[1])}**")
        button.button("All", on_click=_open_all, width="stretch", key="all-parts")
        if part[0] == GENERATOR:
            page.link("generators", "Open the generator", icon="brush", generator=part[1])
    wrong = None if label is None else threshold
    total = page.rows(lake, evaluations.count_behind(key, part, label, wrong)).item()
    told = f"{total:,} images, the most wrong first."
    if not total and wrong is not None:
        wrong, none = None, f"There are no {title.lower()} here at this operating point."
        total = page.rows(lake, evaluations.count_behind(key, part, label, wrong)).item()
        told = f"{none} Those that came nearest: {total:,} {NEAREST[title]}."
    if not total:
        page.empty("No image of this kind was scored here.")
        return
    st.caption(f"{told} Click one for where it comes from.")
    asked = evaluations.behind(key, part, label, wrong, filters.turn(total, TILES), TILES)
    found = page.rows(lake, asked)
    noted = found.with_columns(pl.format("logit {}", pl.col("logit").round(2)).alias("note"))
    picked = gallery.show(lake, noted, "behind")
    page.queries(asked)
    if picked:
        page.go_to("image", id=picked)
