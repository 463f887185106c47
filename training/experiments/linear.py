"""A linear detector on fixed features, fitted at once: the closed-form counterpart of training a `Probe`."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def fit(features: NDArray[np.float32], labels: NDArray[np.int64], c: float) -> tuple[Floats, float]:
    """Return weights [d] and bias of ridge logistic regression on features, each standardised by what it learns.

    The features are [n, d], labels 1 for fake; the weights are of the features as they came. The same numbers in
    give the same numbers out.
    """
    from sklearn.linear_model import LogisticRegression  # takes seconds to load

    rows = features.astype(np.float64)
    mean, spread = rows.mean(0), rows.std(0)
    spread[spread < 1e-9] = 1.0
    model = LogisticRegression(C=c, max_iter=2000, tol=1e-6)
    model.fit((rows - mean) / spread, labels)
    weights = model.coef_[0] / spread
    return weights, float(model.intercept_[0] - mean @ weights)


def logits(features: NDArray[np.float32], weights: Floats, bias: float) -> Floats:
    """Return the logits [n] of features [n, d], above 0 for fake."""
    found: Floats = features.astype(np.float64) @ weights + bias
    return found
