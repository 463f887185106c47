"""Detectors' runs in MLflow: what they are called, and links to them; MLflow links back to the page Evaluation."""

import os
import sqlite3
from contextlib import closing
from functools import lru_cache
from pathlib import Path

import polars as pl
import streamlit as st

from etl.addresses import MLFLOW, run_in_mlflow
from etl.lake.storage import is_local
from explorer import page
from explorer.evaluations import BASELINE
from explorer.settings import MLFLOW_VARIABLE

_DATABASE = "mlflow.db"


def show(run_id: str | None) -> None:
    """Show a link to the run, unless there is none, as of a baseline that nobody trained."""
    if run_id and not run_id.startswith(BASELINE):
        st.link_button(
            "This run in MLflow",
            run_in_mlflow(os.environ.get(MLFLOW_VARIABLE, MLFLOW), run_id),
            icon=":material/open_in_new:",
            type="tertiary",
            help="`forensics mlflow` serves it: curves, configuration, artifacts",
        )


def title(run_id: str) -> str:
    """Return what a run is called where a person reads: its name in MLflow, if known, and part of its id."""
    name = _known(page.root()).get(run_id)
    if name:
        return f"{name[:60]} · {run_id[:8]}"
    return run_id.removeprefix(BASELINE) + " (baseline)" if run_id.startswith(BASELINE) else run_id


def short(run_id: str) -> str:
    """Return what a run is called where there is little room."""
    return title(run_id) if _known(page.root()).get(run_id) or run_id.startswith(BASELINE) else run_id[:8]


def titled(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows that have a run_id with what the run is called, as `detector`."""
    return rows.with_columns(
        pl.Series("detector", [title(one) if one else None for one in rows["run_id"]], pl.String)
    )


def _known(root: str) -> dict[str, str]:
    """Return the names of the runs by their ids; none where MLflow's runs are on a server."""
    try:
        file = Path(root) / _DATABASE
        return _read(str(file.resolve()), file.stat().st_mtime_ns) if is_local(root) else {}
    except (OSError, sqlite3.Error):
        return {}


@lru_cache(maxsize=4)
def _read(file: str, changed: int) -> dict[str, str]:
    with closing(sqlite3.connect(f"{Path(file).as_uri()}?mode=ro", uri=True, timeout=1)) as database:
        return {str(run): str(name) for run, name in database.execute("select run_uuid, name from runs") if name}
