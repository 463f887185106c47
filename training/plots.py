"""Figures of a detector's scores, for people: ROC, DET, calibration, and a bar a generator. Matplotlib only."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

_INK, _BLUE, _GREY = "#22303c", "#1f6fb4", "#9aa5b1"
_MOST_BARS = 40
_BINS = 10

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


def write(folder: Path, labels: Labels, logits: Floats, by_generator: Sequence[tuple[str, float]]) -> None:
    """Write the figures that these scores allow into `folder` as PNG: none needs both classes but roc and det.

    `by_generator` holds the average precision of each generator where it is defined.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures = {"calibration": calibration(labels, logits), "generators": bars(by_generator)}
    if 0 < labels.sum() < len(labels):
        figures |= {"roc": roc(labels, logits), "det": det(labels, logits)}
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=120)


def error_rates(labels: Labels, logits: Floats) -> tuple[Floats, Floats]:
    """Return the false positive and the true positive rate at every threshold, from the highest logit down."""
    order = np.argsort(-logits, kind="stable")
    last_of_tie = np.append(np.flatnonzero(np.diff(logits[order])), len(logits) - 1)
    hits = np.cumsum(labels[order])[last_of_tie]
    alarms = last_of_tie + 1 - hits
    fakes = labels.sum()
    return np.append(0, alarms / (len(labels) - fakes)), np.append(0, hits / fakes)


def roc(labels: Labels, logits: Floats) -> Figure:
    """Return the true positive rate over the false positive rate."""
    figure, axes = _axes("False positive rate (reals called fake)", "True positive rate (fakes caught)")
    false, true = error_rates(labels, logits)
    axes.plot([0, 1], [0, 1], color=_GREY, linestyle=":", label="chance")
    axes.plot(false, true, color=_BLUE, label=f"area {np.trapz(true, false):.3f}")
    axes.legend(frameon=False)
    return figure


def det(labels: Labels, logits: Floats) -> Figure:
    """Return the misses over the false alarms, both on the scale of normal deviates."""
    from statistics import NormalDist

    figure, axes = _axes("False positive rate", "False negative rate (fakes missed)")
    false, true = error_rates(labels, logits)
    deviate = np.vectorize(NormalDist().inv_cdf)
    least = 0.5 / max(2, len(labels))
    x, y = (deviate(np.clip(rate, least, 1 - least)) for rate in (false, 1 - true))
    axes.plot(x, y, color=_BLUE)
    ticks = [rate for rate in (0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99) if least <= rate <= 1 - least]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(deviate(ticks), [f"{rate:g}" for rate in ticks])
    return figure


def calibration(labels: Labels, logits: Floats) -> Figure:
    """Return the share of fakes over the mean probability that the detector gives, in ten equally wide bins."""
    figure, axes = _axes("Mean probability of fake", "Share of fakes")
    probabilities = 1 / (1 + np.exp(-np.clip(logits, -500, 500)))
    bins = np.minimum((probabilities * _BINS).astype(int), _BINS - 1)
    held = [np.flatnonzero(bins == at) for at in range(_BINS)]
    points = [(probabilities[at].mean(), labels[at].mean(), len(at)) for at in held if len(at)]
    axes.plot([0, 1], [0, 1], color=_GREY, linestyle=":")
    axes.plot([x for x, _, _ in points], [y for _, y, _ in points], color=_BLUE, marker="o")
    for x, y, count in points:
        axes.annotate(f"{count}", (x, y), textcoords="offset points", xytext=(4, -12), fontsize=7, color=_INK)
    axes.set_title("figures beside the points: images", fontsize=8, color=_INK)
    return figure


def bars(by_generator: Sequence[tuple[str, float]]) -> Figure:
    """Return the average precision by generator, the worst first; of very many the worst alone."""
    shown = sorted(by_generator, key=lambda pair: pair[1])[:_MOST_BARS][::-1]
    figure, axes = _axes("Average precision", "", height=1.2 + 0.22 * max(4, len(shown)))
    axes.barh([name[-48:] for name, _ in shown], [value for _, value in shown], color=_BLUE)
    axes.set_xlim(0, 1)
    if len(by_generator) > len(shown):
        axes.set_title(f"the worst {len(shown)} of {len(by_generator)} generators", fontsize=8, color=_INK)
    return figure


def _axes(x: str, y: str, height: float = 4.5) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6, height), layout="constrained")  # without pyplot, which keeps figures and a backend
    axes = figure.subplots()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
