"""Figures of one detector: generators by runs, curves of errors, calibration, degradations, false positives."""

from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go
import polars as pl
from scipy.stats import norm

from explorer.charts import FAKE, NEUTRAL, REAL, SEQUENTIAL, as_text, quiet

_RATES = (0.001, 0.01, 0.05, 0.2, 0.5, 0.8)
"""Ticks of the axes that are straight for normal scores."""
_PERCENT = [100 * rate for rate in _RATES]
_LEAST = 5e-4


def heat_map(cells: pl.DataFrame, metric: str, called: Callable[[str], str] = str) -> go.Figure:
    """Colour a metric by generator (rows, the hardest first) and run (columns, as `called`); gaps are undefined.

    A mark that cannot be seen lies on each cell, since Plotly tells clicks on points alone.
    """
    makers, runs = (cells[name].unique(maintain_order=True).to_list() for name in ("generator_id", "run_id"))
    rows = {name: at for at, name in enumerate(makers)}
    columns = {name: at for at, name in enumerate(runs)}
    values: list[list[float | None]] = [[None] * len(runs) for _ in makers]
    for cell in cells.iter_rows(named=True):
        values[rows[cell["generator_id"]]][columns[cell["run_id"]]] = cell["value"]
    figure = go.Figure(
        go.Heatmap(
            z=values, x=list(range(len(runs))), y=list(range(len(makers))), colorscale=SEQUENTIAL, zmin=0, zmax=1,
            xgap=2, ygap=2, hoverinfo="skip",
            colorbar={"orientation": "h", "y": 0, "yanchor": "top", "thickness": 10, "title": {"text": metric}},
        )
    )  # fmt: skip
    known = cells.drop_nulls("value")
    figure.add_scatter(
        x=[columns[name] for name in known["run_id"]],
        y=[rows[name] for name in known["generator_id"]],
        mode="markers", showlegend=False,
        marker={"symbol": "square", "size": 18, "opacity": 0, "color": NEUTRAL},
        customdata=[_cell(row, called) for row in known.iter_rows(named=True)],
        hovertemplate="%{customdata[2]}<br>%{customdata[4]}: %{customdata[3]}<extra></extra>",
    )  # fmt: skip
    figure.update_yaxes(
        tickvals=list(range(len(makers))), ticktext=[as_text(name, 26) for name in makers], autorange="reversed",
        showgrid=False, zeroline=False,
    )  # fmt: skip
    figure.update_xaxes(
        tickvals=list(range(len(runs))), ticktext=[as_text(called(name), 20) for name in runs], side="top",
        showgrid=False, zeroline=False, title="detector",
    )  # fmt: skip
    return quiet(figure, height=210 + 22 * len(makers))


def receiver(points: pl.DataFrame, marked: dict[str, tuple[float, float]]) -> go.Figure:
    """The ROC curve, with operating points as marks: (fpr, tpr) by name."""
    figure = go.Figure()
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line={"color": NEUTRAL, "dash": "dot", "width": 1},
                       hoverinfo="skip", showlegend=False)  # fmt: skip
    figure.add_scatter(
        x=points["fpr"].to_list(), y=points["tpr"].to_list(), mode="lines", name="ROC", showlegend=False,
        line={"color": FAKE, "width": 2.5}, customdata=points["threshold"].to_list(),
        hovertemplate="logit above %{customdata:.2f}<br>false positives %{x:.1%}, caught %{y:.1%}<extra></extra>",
    )  # fmt: skip
    _marks(figure, {name: (x, y) for name, (x, y) in marked.items()})
    figure.update_xaxes(title="false positive rate", range=[-0.02, 1.02], tickformat=".0%", zeroline=False)
    figure.update_yaxes(title="true positive rate", range=[-0.02, 1.02], tickformat=".0%", zeroline=False)
    return quiet(figure, height=330)


def trade_off(points: pl.DataFrame, marked: dict[str, tuple[float, float]]) -> go.Figure:
    """The DET curve: misses against false positives, on axes that are straight for normal scores."""
    drawn = points.filter(
        pl.col("fpr").is_between(_LEAST, 1 - _LEAST), pl.col("tpr").is_between(_LEAST, 1 - _LEAST)
    )
    figure = go.Figure()
    figure.add_scatter(
        x=norm.ppf(drawn["fpr"].to_numpy()).tolist(), y=norm.ppf(1 - drawn["tpr"].to_numpy()).tolist(),
        mode="lines+markers" if drawn.height < 60 else "lines", line={"color": FAKE, "width": 2.5},
        showlegend=False,
        marker={"size": 4}, customdata=drawn.select("fpr", 1 - pl.col("tpr"), "threshold").rows(),
        hovertemplate="logit above %{customdata[2]:.2f}<br>false positives %{customdata[0]:.2%}, "
        "missed %{customdata[1]:.2%}<extra></extra>",
    )  # fmt: skip
    inside = {
        name: (float(norm.ppf(x)), float(norm.ppf(1 - y)))
        for name, (x, y) in marked.items()
        if _LEAST <= x <= 1 - _LEAST and _LEAST <= y <= 1 - _LEAST
    }
    _marks(figure, inside)
    axis: dict[str, Any] = {
        "tickvals": norm.ppf(_RATES).tolist(),
        "ticktext": [f"{rate:.2g}" for rate in _PERCENT],
        "tickangle": 0,
    }
    span = [float(norm.ppf(_LEAST)), float(norm.ppf(0.9))]
    figure.update_xaxes(title="false positive rate, %", range=span, zeroline=False, **axis)
    figure.update_yaxes(title="missed fakes, %", range=span, zeroline=False, **axis)
    return quiet(figure, height=330)


def reliability(bins: pl.DataFrame) -> go.Figure:
    """Share of fakes by stated probability; a calibrated detector lies on the dotted line."""
    most = max(bins["n"].to_list(), default=1)
    figure = go.Figure()
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line={"color": NEUTRAL, "dash": "dot", "width": 1},
                       hoverinfo="skip", showlegend=False)  # fmt: skip
    figure.add_scatter(
        x=bins["probability"].to_list(), y=bins["share"].to_list(), mode="lines+markers", showlegend=False,
        line={"color": FAKE, "width": 1.5}, customdata=bins["n"].to_list(),
        marker={"size": [6 + 14 * (n / most) ** 0.5 for n in bins["n"]], "color": FAKE},
        hovertemplate="stated %{x:.1%}, truly %{y:.1%}<br>%{customdata:,} images<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(title="stated probability of fake", range=[-0.02, 1.02], tickformat=".0%", zeroline=False)
    figure.update_yaxes(title="share of fakes", range=[-0.05, 1.05], tickformat=".0%", zeroline=False)
    return quiet(figure, height=330)


def by_transform(rows: pl.DataFrame, metric: str) -> go.Figure:
    """A metric under each degradation with its interval, the worst first; undegraded is drawn as a line."""
    drawn = rows.filter(pl.col("metric") == metric).drop_nulls("value").sort("value", "transform")
    plain = drawn.filter(pl.col("transform") == "none")["value"]
    names = [as_text("undegraded" if name == "none" else name) for name in drawn["transform"]]
    return _points(
        drawn, names, drawn["transform"].to_list(), plain[0] if len(plain) else None, "mean over generators"
    )


def by_source(rates: pl.DataFrame) -> go.Figure:
    """The share of each source's photographs that is called fake, with its interval."""
    named = rates.rename({"rate": "value", "low": "ci_low", "high": "ci_high", "n": "n_real"}).head(30)
    names = [as_text(name) for name in named["real_source"]]
    figure = _points(named, names, named["real_source"].to_list(), None, "false positive rate", REAL)
    figure.update_xaxes(tickformat=".0%")
    return figure


def _points(
    rows: pl.DataFrame, names: list[str], ids: list[Any], line: float | None, title: str, colour: str = FAKE
) -> go.Figure:
    above = (rows["ci_high"] - rows["value"]).fill_null(0.0)
    below = (rows["value"] - rows["ci_low"]).fill_null(0.0)
    figure = go.Figure(
        go.Scatter(
            x=rows["value"].to_list(), y=list(range(len(names))), mode="markers",
            marker={"size": 11, "color": colour},
            error_x={"type": "data", "symmetric": False, "array": above.to_list(), "arrayminus": below.to_list(),
                     "color": colour, "thickness": 1.3, "width": 4},
            customdata=list(zip(ids, names, rows["n_real"], strict=True)),
            hovertemplate="%{customdata[1]}: %{x:.3f}<br>%{customdata[2]:,} real images<extra></extra>",
        )
    )  # fmt: skip
    if line is not None:
        figure.add_vline(x=line, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
    figure.update_yaxes(
        tickvals=list(range(len(names))), ticktext=names, range=[len(names) - 0.5, -0.5], zeroline=False
    )
    figure.update_xaxes(title=title, range=[-0.02, 1.03], zeroline=False)
    return quiet(figure, height=90 + 34 * max(len(names), 1))


def _marks(figure: go.Figure, marked: dict[str, tuple[float, float]]) -> None:
    for name, (x, y) in marked.items():
        figure.add_scatter(
            x=[x], y=[y], mode="markers", showlegend=False, name=name,
            marker={"size": 12, "symbol": "diamond", "color": REAL, "line": {"color": "#FFFFFF", "width": 1.5}},
            hovertemplate=f"operating point {as_text(name)}<extra></extra>",
        )  # fmt: skip


def _cell(row: dict[str, Any], called: Callable[[str], str]) -> list[str]:
    """What a cell tells when it is pointed at: generator and run, as ids and as texts."""
    known = row["ci_low"] is not None and row["ci_high"] is not None
    interval = f" [{row['ci_low']:.3f}, {row['ci_high']:.3f}]" if known else ""
    told = f"{row['value']:.3f}{interval}, {row['n_fake']:,} fake, {row['n_real']:,} real"
    return [
        row["generator_id"],
        row["run_id"],
        as_text(row["generator_id"], 60),
        told,
        as_text(called(row["run_id"]), 60),
    ]
