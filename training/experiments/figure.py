"""The figure of an experiment: a line an arm, error bars over seeds and subsets, a panel a detector."""

import io
from collections.abc import Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, ScalarFormatter

from training.experiments.design import Design
from training.experiments.points import Measured

_COLOURS = ("#1f6fb4", "#d1495b", "#3a7d44", "#8e5ea2", "#c98b1d", "#4f6d7a", "#7a4419", "#2a9d8f")
_INK = "#22303c"
_NAMES = {"average_precision": "Average precision", "roc_auc": "Area under ROC", "accuracy": "Balanced accuracy"}


def draw(design: Design, points: Sequence[Measured], title: str) -> bytes:
    """Return the figure as SVG; the primary detector's panel comes first."""
    names = sorted({point.detector for point in points}, key=lambda name: (name != design.primary, name))
    columns = min(2, max(1, len(names)))
    rows = -(-max(1, len(names)) // columns)
    figure = Figure(figsize=(5.6 * columns, 3.9 * rows + 0.4), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharey=False).flat
    for axes, name in zip(panels, names, strict=False):
        _panel(axes, design, [point for point in points if point.detector == name], name)
    for axes in list(panels):
        axes.set_visible(False)
    figure.suptitle(title, fontsize=10, color=_INK)
    written = io.BytesIO()
    with rc_context({"svg.hashsalt": "forensics", "svg.fonttype": "path"}):
        figure.savefig(written, format="svg", metadata={"Date": None})
    return written.getvalue()


def _panel(axes: Axes, design: Design, points: Sequence[Measured], name: str) -> None:
    is_primary = " (primary)" if name == design.primary else ""
    axes.set_title(f"{name}{is_primary}", fontsize=9, color=_INK)
    axes.set_ylabel(_NAMES.get(points[0].metric, points[0].metric) if points else "")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e3e7eb", linewidth=0.7)
    arms = [arm for arm in design.arms if any(point.arm == arm for point in points)]
    for number, arm in enumerate(arms):
        own = [point for point in points if point.arm == arm]
        colour = _COLOURS[number % len(_COLOURS)]
        places = [float(number)] if design.axis.scale == "names" and len(own) == 1 else [one.place for one in own]
        if len(own) == 1 and design.axis.scale != "names":
            axes.axhline(own[0].value, color=colour, linestyle=":", linewidth=1, label=own[0].label)
            continue
        style: dict[str, Any] = {"marker": "o", "markersize": 4, "capsize": 3, "linewidth": 1.4, "color": colour}
        values, spreads = [one.value for one in own], [one.spread for one in own]
        axes.errorbar(places, values, yerr=spreads, label=own[0].label, **style)
    if design.axis.scale == "names":
        axes.set_xticks(range(len(arms)), arms, rotation=20, ha="right", fontsize=7)
    elif design.axis.scale == "log" and points:
        axes.set_xscale("log")
        ticks = sorted({one.place for one in points if len([p for p in points if p.arm == one.arm]) > 1})
        if design.axis.by == "x" and ticks:
            axes.set_xticks(ticks)
            axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.set_xlabel(design.axis.label if design.axis.scale != "names" else "")
    axes.legend(frameon=False, fontsize=7)
