"""What every page does alike: find the lake, ask it through the cache, say what is missing, show names as text."""

import os
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import plotly.graph_objects as go
import polars as pl
import streamlit as st

from etl.lake.schemas import Table
from explorer import reading
from explorer.reading import WRITERS, Snapshot
from explorer.settings import ROOT_VARIABLE, ExploreConfig

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


def root() -> str:
    """Return the lake that the launcher named, by default the one in the working directory."""
    return os.environ.get(ROOT_VARIABLE, ExploreConfig.root)


def look(*tables: Table) -> Snapshot:
    """Return the newest versions of the tables that a page shows."""
    return reading.take(root(), *tables)


def ask(query: Callable[..., pl.DataFrame], lake: Snapshot, *arguments: Any) -> pl.DataFrame:
    """Return the query's answer, kept as long as the tables' versions stay."""
    return _answer(query.__name__, lake.root, lake.versions, arguments, query)


@st.cache_data(max_entries=256, show_spinner=False)
def _answer(
    name: str, root: str, versions: tuple[tuple[str, int], ...], arguments: tuple[Any, ...], _query: Any
) -> pl.DataFrame:
    answer: pl.DataFrame = _query(Snapshot(root, versions), *arguments)
    return answer


def need(lake: Snapshot, *tables: Table) -> None:
    """End the page with a notice that names the command to run, unless all the tables are there."""
    for table in tables:
        if not lake.has(table):
            st.info(
                f"There is nothing to show yet: the lake has no table `{table.name}`. "
                f"`forensics {WRITERS[table.name]}` writes it; `make demo` runs every stage.",
                icon=":material/hourglass_empty:",
            )
            st.stop()


def plain(text: str | None) -> str:
    """Return untrusted text so that Streamlit's Markdown (labels, captions) shows it literally, on one line."""
    return _PUNCTUATION.sub(r"\\\1", " ".join((text or "").split()))


def draw(figure: go.Figure, alt: str) -> None:
    """Show a figure without Plotly's tool bar."""
    st.plotly_chart(figure, theme=None, config={"displayModeBar": False}, alt=alt)


def evaluation_title(run: tuple[str, str, str, str, datetime | None]) -> str:
    """Name a row of `evaluations.runs`: which images were judged, by which detector, when."""
    run_id, collection, transform, pool, at = run
    degraded = "" if transform == "none" else f" after {transform}"
    against = "" if pool == "all" else f" against {pool} reals"
    return f"{collection}{degraded}{against} · detector {run_id}" + (f" · {at:%Y-%m-%d %H:%M}" if at else "")


def facts(pairs: dict[str, object]) -> None:
    """Show names and values, one a line; values are untrusted and shown as text, those that are null left out."""
    for name, value in pairs.items():
        if value is not None and value != "":
            left, right = st.columns([2, 5], gap="small")
            left.caption(name)
            right.text(str(value))
