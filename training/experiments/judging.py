"""A cell's scores into metrics, unit by unit: the fakes of a held-out family, say, against the test's reals."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training import metrics
from training.metrics import METRICS

COLUMNS = {
    "average_precision": "average_precision",
    "roc_auc": "roc_auc",
    "accuracy": "accuracy",
    "tpr_at_fpr_0.05": "tpr_at_fpr_5",
}
"""Of `experiment_units`, by the names of `training.metrics`."""


def by_unit(logits: NDArray[np.float64], units: Sequence[str]) -> list[dict[str, Any]]:
    """Return the metrics of each unit, in rows of `experiment_units`.

    `logits` are of the fakes, then of the reals; `units` name the fakes' units. Reals weigh as much as the fakes
    that they are judged with: units differ in size, and an average precision depends on the share of fakes.
    """
    n = len(units)
    reals = metrics.pool(np.arange(n, len(logits)), logits, None)
    weighed = metrics.weigh(reals, np.ones((len(reals.order), 1)))
    named = np.array(units)
    rows = []
    for unit in sorted(set(units)):
        fakes = metrics.fakes(np.flatnonzero(named == unit), logits, reals, None)
        values = metrics.measure(fakes, weighed, np.ones((len(fakes.order), 1)), balanced=True)[:, 0]
        found = dict(zip(METRICS, values.tolist(), strict=True))
        n_fake, n_real = len(fakes.order), len(reals.order)
        counts = {"n_fake": n_fake, "n_real": n_real}
        why = {name: metrics.reason(name, n_fake, n_real, None, balanced=True) for name in COLUMNS}
        row = {column: None if why[name] else found[name] for name, column in COLUMNS.items()}
        rows.append({"unit": unit, **counts, **row, "fpr": float(np.mean(reals.logits > 0))})
    return rows


def means(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return the unweighted mean over units of each metric that is defined."""
    found = {}
    for name, column in (*COLUMNS.items(), ("fpr", "fpr")):
        values = [row[column] for row in rows if row[column] is not None]
        if values:
            found[name] = float(np.mean(values))
    return found
