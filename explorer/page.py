"""What every page does alike: find the lake, ask it through the cache, say what is missing, show names as text."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from zlib import crc32

import plotly.graph_objects as go
import polars as pl
import streamlit as st

from etl.lake.schemas import Table
from explorer import charts, database, downloads, picker, reading
from explorer.query import Query
from explorer.reading import WRITERS, Snapshot
from explorer.settings import ROOT_VARIABLE, ExploreConfig

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_LONGEST_LINE = 600
"""Characters of a text from outside in a title or a caption; texts in full are shown by `facts`."""
_HERE, _LEFT = "page-here", "page-left"
"""The open page, and the parameters of pages when they were left by `go_to`, in the session's state."""
_ASKED = "page-asked"
"""The texts of the questions that this run of the page has shown so far."""

T = TypeVar("T")


def root() -> str:
    """Return the lake that the launcher named, by default the one in the working directory."""
    return os.environ.get(ROOT_VARIABLE, ExploreConfig.root)


def look(*tables: Table) -> Snapshot:
    """Return the tables that a page shows, at the versions that the sidebar's picker asks for or the newest.

    Where newer ones are there, or come while the page is open, a banner says so.
    """
    chosen = picker.chosen()
    lake = reading.take(root(), *tables, as_of=chosen.as_of, pins=dict(chosen.pins))
    picker.banner(lake, chosen)
    return lake


def rows(lake: Snapshot, asked: Query) -> pl.DataFrame:
    """Return the answer to a question, kept as long as the tables' versions stay."""
    return _rows(lake.root, lake.versions, asked)


@st.cache_resource(max_entries=256, show_spinner=False)
def _rows(root: str, versions: tuple[tuple[str, int | None, str], ...], asked: Query) -> pl.DataFrame:
    return database.rows(Snapshot(root, versions), asked)


def ask(function: Callable[..., T], lake: Snapshot, *arguments: Any) -> T:
    """Return what a function of the lake computes, kept as long as the tables' versions stay; do not change it."""
    found: T = _answer(
        f"{function.__module__}.{function.__qualname__}", lake.root, lake.versions, arguments, function
    )
    return found


@st.cache_resource(max_entries=128, show_spinner=False)
def _answer(
    name: str,
    root: str,
    versions: tuple[tuple[str, int | None, str], ...],
    arguments: tuple[Any, ...],
    _function: Any,
) -> Any:
    return _function(Snapshot(root, versions), *arguments)


def need(lake: Snapshot, *tables: Table) -> None:
    """End the page with a notice that names the command to run, unless all the tables are there."""
    for table in tables:
        if not lake.has(table):
            st.info(
                f"There is nothing to show yet: the lake has no table `{table.name}`. "
                f"`forensics {WRITERS[table.name]}` writes it; `make demo` makes a small lake to begin with.",
                icon=":material/hourglass_empty:",
            )
            st.stop()


def need_any(lake: Snapshot) -> None:
    """End the page with a notice unless at least one of the tables that were looked for is there."""
    if not any(lake.has(table) for table in lake.tables):
        empty("There is nothing to show yet: the lake has no table. `forensics crawl` writes the first one.")
        st.stop()


def empty(notice: str) -> None:
    """Say that there is nothing to show, and what to do about it."""
    st.info(notice, icon=":material/hourglass_empty:")


def plain(text: str | None) -> str:
    """Return untrusted text so that Streamlit's Markdown (labels, captions) shows it literally, on one line."""
    line = " ".join((text or "").split())
    return _PUNCTUATION.sub(r"\\\1", line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}…")


def draw(figure: go.Figure, alt: str, made_by: Sequence[Query] = (), key: str | None = None) -> None:
    """Show a figure in the colours of the light or dark theme, without Plotly's tool bar."""
    charts.dress(figure, dark=st.context.theme.type == "dark")
    st.plotly_chart(figure, theme=None, config={"displayModeBar": False}, alt=alt, key=key)
    queries(*made_by)


def pick(
    figure: go.Figure, alt: str, key: str, then: Callable[[Any], None], made_by: Sequence[Query] = ()
) -> None:
    """Show a figure as `draw` does, whose points can be clicked: `then` gets the point's customdata."""

    def told() -> None:
        points = st.session_state[key]["selection"]["points"]
        if points and points[0].get("customdata") is not None:
            then(points[0]["customdata"])

    charts.dress(figure, dark=st.context.theme.type == "dark")
    st.plotly_chart(
        figure, theme=None, config={"displayModeBar": False}, alt=alt, key=key, on_select=told,
        selection_mode="points",
    )  # fmt: skip
    queries(*made_by)


def queries(*asked: Query) -> None:
    """Show the questions behind a figure or a table, each with a link that opens it on the SQL page."""
    if asked:
        texts = "\n".join(one.text for one in asked)
        before = st.session_state.setdefault(_ASKED, [])
        _queries(asked, f"queries-{crc32(texts.encode()):08x}-{before.count(texts)}")
        before.append(texts)


@st.fragment
def _queries(asked: Sequence[Query], key: str) -> None:
    """Send the questions once they are opened: a page has many, and colouring code costs a browser much."""
    title = "The query that made this" if len(asked) == 1 else "The queries that made this"
    shown = st.expander(title, key=key, on_change="rerun")
    if shown.open:
        with shown:
            for one in asked:
                st.code(one.shown, language="sql", wrap_lines=True)
                link("sql", "Open on the SQL page", icon="terminal", query=one.shown)


def table(
    rows: pl.DataFrame,
    columns: Mapping[str, Any],
    name: str,
    made_by: Sequence[Query] = (),
    select: bool = False,
    height: int = 430,
) -> int | None:
    """Show the named columns of a table, to be downloaded as CSV or Parquet; return the row that was picked.

    `columns` are titles, or Streamlit's column configurations, by column. Cells are shown as text.
    """
    shown = rows.select(list(columns))
    event: Any = st.dataframe(
        shown,
        column_config=dict(columns),
        hide_index=True,
        placeholder="",
        height=min(38 + 35 * max(shown.height, 1), height),
        on_select="rerun" if select else "ignore",
        selection_mode="single-row",
        key=f"table-{name}",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "CSV", lambda: downloads.csv(rows), f"{name}.csv", "text/csv",
            key=f"csv-{name}", icon=":material/download:", type="tertiary", on_click="ignore",
        )  # fmt: skip
        st.download_button(
            "Parquet", lambda: downloads.parquet(rows), f"{name}.parquet", "application/vnd.apache.parquet",
            key=f"parquet-{name}", icon=":material/download:", type="tertiary", on_click="ignore",
        )  # fmt: skip
    queries(*made_by)
    picked = event["selection"]["rows"] if select else []
    return picked[0] if picked and picked[0] < rows.height else None


def words(titles: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
    """Show a small table as text: it costs a browser less than `table`, which can be sorted and downloaded."""
    line = [("---:" if at in right else "---") for at in range(len(titles))]
    cells = [[plain(cell) for cell in row] for row in (titles, *rows)]
    st.markdown("\n".join(f"| {' | '.join(row)} |" for row in [cells[0], line, *cells[1:]]))


def link(place: str, label: str, icon: str | None = None, **parameters: str | None) -> None:
    """Show a link to a page, by its name, with parameters; the versions that are looked at stay."""
    st.page_link(
        f"views/{place}.py",
        label=label,
        icon=f":material/{icon}:" if icon else None,
        query_params=_address(parameters),
    )


def go_to(place: str, **parameters: str | None) -> None:
    """Leave for another page, as by a link; `arrive` makes good the way back."""
    address, here = _address(parameters), st.session_state.get(_HERE)
    if parameters and place != here:
        left = st.session_state.setdefault(_LEFT, {})
        left[here, frozenset(address.items())] = st.query_params.to_dict()
    st.switch_page(f"views/{place}.py", query_params=address)


def arrive(place: str) -> None:
    """Note which page is open, and give it back its own parameters where a way back has brought those of another.

    `st.switch_page` leaves two entries in the browser's history: the page that is left with the parameters of the
    next one, then the next page. Going back ends at the first, so its filters would be lost.
    """
    st.session_state[_HERE], st.session_state[_ASKED] = place, []
    before = st.session_state.get(_LEFT, {}).get((place, frozenset(st.query_params.to_dict().items())))
    if before is not None:
        st.query_params.from_dict(before)


def _address(parameters: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in parameters.items() if value} | picker.parameters()


def facts(pairs: Mapping[str, object]) -> None:
    """Show names and values, one a line; values are untrusted and shown as text, those that are null left out."""
    for name, value in pairs.items():
        if value is not None and value != "":
            row = st.container(horizontal=True, gap="small")
            row.container(width=110).caption(name)
            row.container(width="stretch").text(
                f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else str(value)
            )


def bars(title: str, counts: pl.DataFrame, unit: str) -> None:
    """Show how often each `value` occurs, as bars under a title."""
    st.markdown(f"**{plain(title)}**")
    draw(charts.distribution(counts, unit), f"{unit} by {title.lower()}", key=f"bars-{title}-{unit}")
