"""The parts of the page Try it: an image to several detectors, their answers, and what they were taught."""

import base64
import hashlib
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import plotly.graph_objects as go
import polars as pl
import streamlit as st

from explorer import charts, children, evaluations, gallery, page, tracked, training_neighbours
from explorer.children import NoAnswer
from explorer.query import Query, query
from explorer.reading import Snapshot

POINTS: dict[str, str | None] = {
    "Its default": None,
    "1 % false positives": "fpr_0.01",
    "5 % false positives": "fpr_0.05",
    "Logit 0": "zero",
}
_SHOWN = 12
_COLOURS: dict[str, Any] = {"fake": "orange", "real": "blue", "abstain": "gray"}


def detectors() -> Query:
    """Return run_id of every detector that was judged, the latest first."""
    return query(
        "select run_id from evaluations where not starts_with(run_id, $baseline) "
        "group by run_id order by max(evaluated_at) desc, run_id",
        baseline=evaluations.BASELINE,
    )


def show_choice(lake: Snapshot) -> None:
    """Show images of the lake that detectors were most wrong about, to be tried."""
    st.subheader("Or one of the lake")
    asked = query(
        """
        select image_id, any_value(label) as label, any_value(generator_id) as generator_id,
            any_value(real_source) as real_source, max(case when label = 1 then -logit else logit end) as wrong
        from predictions where transform = 'none' and isfinite(logit) and not starts_with(run_id, $baseline)
        group by image_id order by wrong desc, image_id limit 24
        """,
        baseline=evaluations.BASELINE,
    )
    found = page.rows(lake, asked)
    if found.is_empty():
        st.caption("Nothing was scored yet.")
        return
    st.caption("Those that a detector was most wrong about.")
    picked = gallery.show(lake, found, "choice")
    if picked:
        page.go_to("try_it", image=picked)


def show_answers(data: bytes, runs: list[str], point: str | None) -> bool:
    """Ask every detector about the image and show what it says; return whether one could."""
    digest = hashlib.sha256(data).hexdigest()
    with (
        st.spinner("The detectors look at it; the first time they have to be loaded."),
        ThreadPoolExecutor(2) as pool,
    ):
        asked = [pool.submit(answer, page.root(), digest, data, run, point) for run in runs]
        answers = [_result(one) for one in asked]
    scored = False
    with st.grid(2, min_column_width=360, gap="medium"):
        for run, said in zip(runs, answers, strict=True):
            with st.container(border=True):
                scored |= _show_answer(run, said)
    return scored


@st.cache_data(max_entries=64, show_spinner=False)
def answer(root: str, digest: str, _data: bytes, run: str, point: str | None) -> dict[str, Any]:
    """Return what `forensics score` says of a file. Raises NoAnswer."""
    with tempfile.NamedTemporaryFile(prefix="trial-") as file:
        file.write(_data)
        file.flush()
        return children.scorer(root, run, point).ask(file.name)


def _result(asked: Future[dict[str, Any]]) -> dict[str, Any]:
    """Return an answer, or the `problem` why there is none, which is not kept: the next look asks again."""
    try:
        return asked.result()
    except NoAnswer as problem:
        return {"problem": str(problem)}


def _show_answer(run: str, said: dict[str, Any]) -> bool:
    st.markdown(f"**{page.plain(tracked.title(run))}**")
    if "problem" in said:
        st.info(f"This detector gave no answer: {page.plain(said['problem'])}", icon=":material/error:")
        return False
    if said["code"]:
        st.info(f"Not an image that can be judged: {page.plain(said['code'])}, {page.plain(said['detail'])}",
                icon=":material/block:")  # fmt: skip
        return False
    st.badge(said["verdict"], color=_COLOURS.get(said["verdict"], "gray"))
    st.metric("Probability of fake", f"{said['probability']:.3f}")
    rate = said["stated_fpr"]
    told = "its rate of false positives is not known" if rate is None else (
        f"{rate:.1%} of validation photographs lie above it (95 % interval {said['fpr_low']:.1%} to "
        f"{said['fpr_high']:.1%})"
    )  # fmt: skip
    st.caption(
        f"Logit {said['logit']:+.3f}; called fake above {said['threshold']:+.3f} "
        f"({page.plain(said['operating_point'])}): "
        f"{told}. Weights {page.plain(said['weights'])}."
    )
    page.draw(
        heat_map(said["heat_map"], said["seen"]),
        "the image as the detector saw it, with the parts that speak for fake in orange and for real in purple",
        key=f"map-{run}",
    )
    st.caption("By how much the logit falls when a cell is covered: orange speaks for fake, purple for real.")
    page.link("evaluation", "How this detector was judged", icon="monitoring", run=run)
    return True


def heat_map(cells: list[list[float]], seen: str) -> go.Figure:
    """Lay the map over the square that the detector saw (PNG in base64)."""
    side = len(cells)
    most = max((abs(value) for row in cells for value in row), default=0.0) or 1.0
    figure = go.Figure(
        go.Heatmap(
            z=cells, x=list(range(side)), y=list(range(side)), zmin=-most, zmax=most, opacity=0.55,
            colorscale="PuOr_r", hovertemplate="logit %{z:+.3f}<extra></extra>",
            colorbar={"thickness": 10, "title": {"text": "Δ logit"}},
        )
    )  # fmt: skip
    base64.b64decode(seen, validate=True)
    figure.add_layout_image(
        source=f"data:image/png;base64,{seen}", xref="x", yref="y", x=-0.5, y=-0.5, sizex=side, sizey=side,
        sizing="stretch", layer="below",
    )  # fmt: skip
    figure.update_xaxes(visible=False, range=[-0.5, side - 0.5], constrain="domain")
    figure.update_yaxes(visible=False, range=[side - 0.5, -0.5], scaleanchor="x", constrain="domain")
    return charts.quiet(figure, height=340)


def show_nearest(lake: Snapshot, run: str, data: bytes, image_id: str | None) -> None:
    """Show the training images of a run's set that are most like the image."""
    label = page.ask(training_neighbours.set_of, lake, run)
    st.subheader("Training images most like it")
    model = page.ask(training_neighbours.model_of, lake)
    if label is None or model is None:
        page.empty("The run names no training set, or no image was embedded: `forensics describe` embeds them.")
        return
    of: Any = image_id
    if of is None:
        try:
            of = _embedding(hashlib.sha256(data).hexdigest(), data, model)
        except NoAnswer as problem:
            st.info(f"The image could not be embedded: {page.plain(str(problem))}", icon=":material/error:")
            return
    found = page.ask(training_neighbours.nearest, lake, label, of, model, _SHOWN)
    st.caption(f"Of the training split of {page.plain(label)}, by the cosine of embeddings ({page.plain(model)}).")
    show_tiles(lake, found, "nearest")


def show_training_images(lake: Snapshot, image_id: str) -> None:
    """Show the training images that are most like an image of the lake, of the set that is chosen."""
    st.markdown("**Training images most like it**")
    labels = page.ask(training_neighbours.sets, lake)
    if not labels:
        page.empty("No training set was built yet: `forensics build-training-set` builds one.")
        return
    label = st.selectbox("Training set", labels, key="taught") if len(labels) > 1 else labels[0]
    found = page.ask(training_neighbours.nearest, lake, label, image_id, None, _SHOWN)
    st.caption(f"Of the training split of {page.plain(label)}, by the cosine of embeddings.")
    show_tiles(lake, found, "taught-by")


def show_tiles(lake: Snapshot, found: pl.DataFrame, key: str) -> None:
    """Show rows of `training_neighbours.nearest` as tiles that open their images."""
    if found.is_empty():
        page.empty("None: the set's images, or this one, have no embedding. `forensics describe` adds them.")
        return
    noted = found.with_columns(pl.format("cosine {}", pl.col("similarity").round(3)).alias("note"))
    picked = gallery.show(lake, noted, key)
    if picked:
        page.go_to("image", id=picked)


@st.cache_data(max_entries=64, show_spinner="Embedding the image …")
def _embedding(digest: str, _data: bytes, model: str) -> tuple[float, ...]:
    with tempfile.NamedTemporaryFile(prefix="trial-") as file:
        file.write(_data)
        file.flush()
        said = children.embedder(model).ask(file.name)
    if "embedding" not in said:
        raise NoAnswer(f"{said.get('code')}: {said.get('detail')}")
    return tuple(said["embedding"])
