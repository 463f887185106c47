"""An evaluation in MLflow, at the run that it judged: the figures by generator as a table, and plots."""

import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from etl.addresses import in_explorer
from training import plots
from training.errors import TrackingUnavailable
from training.evaluation import Row
from training.metrics import METRICS
from training.tracking import Run, Tracker


def add(
    tracker: Tracker,
    run: Run,
    collection: str,
    against: str,
    rows: Sequence[Row],
    predictions: pl.DataFrame,
    changed: bool,
) -> None:
    """Log an evaluation on a collection against a pool, unless it is there and has not `changed`.

    Where MLflow does not answer it is left for the next time: the lake has all of it.
    """
    place = f"evaluations/{re.sub(r'[^A-Za-z0-9._-]+', '-', f'{collection} {against}')}"
    path = f"{place}/by_generator.json"
    if not changed and tracker.has_table(run, path):
        return
    shown = {"run": run.run_id, "collection": collection}
    table = by_generator(rows)
    table["images"] = [in_explorer("evaluation", **shown, slice=f"generator:{g}") for g in table["generator"]]
    scored = [
        (str(generator), float(str(value)))
        for generator, value in zip(table["generator"], table["average_precision"], strict=True)
        if value is not None
    ]
    try:
        tracker.link(run, in_explorer("evaluation", run=run.run_id))  # runs from before there were links
        with tempfile.TemporaryDirectory() as folder:
            labels = predictions["label"].to_numpy().astype(np.int64)
            plots.write(Path(folder) / place, labels, predictions["logit"].to_numpy(), scored)
            tracker.add(run, Path(folder))
        tracker.add_table(run, path, table)
    except TrackingUnavailable as error:
        print(
            f"evaluate: MLflow does not take the plots ({error}); the lake has the figures, and the same command "
            "logs them later",
            file=sys.stderr,
        )


def by_generator(rows: Sequence[Row]) -> dict[str, list[object]]:
    """Return columns: the generator, its images, the reals beside them, and each metric."""
    found: dict[str, Row] = {}
    for row in rows:
        if row["slice_kind"] == "generator":
            counts = {"generator": row["slice"], "n_fake": row["n_fake"], "n_real": row["n_real"]}
            found.setdefault(row["slice"], counts)[row["metric"]] = row["value"]
    columns = ("generator", "n_fake", "n_real", *METRICS)
    return {column: [row.get(column) for row in found.values()] for column in columns}
