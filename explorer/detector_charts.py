"""Figures of detectors beside each other: differences by generator, and the curves of experiments."""

import plotly.graph_objects as go
import polars as pl

from explorer.charts import CATEGORIES, NEUTRAL, as_text, quiet

_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")
_DASHES = ("solid", "dash", "dot", "dashdot")
BETTER, WORSE = CATEGORIES[2], CATEGORIES[5]


def differences(rows: pl.DataFrame, metric: str) -> go.Figure:
    """Bars of B - A by generator, green where B is better, vermilion where it is worse."""
    drawn = rows.drop_nulls("difference")
    names = [as_text(name) for name in drawn["generator_id"]]
    values = drawn["difference"].to_list()
    figure = go.Figure(
        go.Bar(
            x=values, y=list(range(len(names))), orientation="h",
            marker_color=[BETTER if value >= 0 else WORSE for value in values],
            customdata=list(zip(names, drawn["a"], drawn["b"], drawn["n_fake"], strict=True)),
            hovertemplate="%{customdata[0]}<br>A %{customdata[1]:.3f}, B %{customdata[2]:.3f}: %{x:+.3f}"
            "<br>%{customdata[3]} fake images<extra></extra>",
        )
    )  # fmt: skip
    figure.add_vline(x=0, line={"color": NEUTRAL, "width": 1})
    figure.update_yaxes(tickvals=list(range(len(names))), ticktext=names, autorange="reversed", zeroline=False)
    figure.update_xaxes(title=f"{metric}, B less A", zeroline=False)
    return quiet(figure, height=110 + 24 * max(len(names), 1))


def curves(points: pl.DataFrame, metric: str, axis: str, logarithmic: bool) -> go.Figure:
    """One line an arm and detector: the mean over seeds with one standard deviation, from `experiments.points`."""
    figure = go.Figure()
    for number, (key, drawn) in enumerate(points.group_by(["arm", "detector"], maintain_order=True)):
        arm, detector = map(str, key)
        colour = CATEGORIES[number % len(CATEGORIES)]
        figure.add_scatter(
            x=drawn["x"].to_list(), y=drawn["value"].to_list(), mode="lines+markers",
            name=as_text(f"{arm} · {detector}", 46),
            line={"color": colour, "width": 2, "dash": _DASHES[number // len(CATEGORIES) % len(_DASHES)]},
            marker={"size": 8, "symbol": _SYMBOLS[number % len(_SYMBOLS)]},
            error_y={
                "type": "data", "array": drawn["spread"].fill_null(0.0).to_list(), "color": colour, "thickness": 1,
                "width": 3,
            },
            customdata=list(zip(drawn["seeds"], drawn["cells"], strict=True)),
            hovertemplate=f"{as_text(arm)}, {as_text(detector)}<br>%{{x}}: %{{y:.3f}}"
            "<br>%{customdata[0]} seeds, %{customdata[1]} cells<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title=axis, type="log" if logarithmic else "linear", zeroline=False)
    figure.update_yaxes(title=metric, zeroline=False)
    return quiet(figure, height=430, legend=True)


def effects(rows: pl.DataFrame) -> go.Figure:
    """Each effect's difference with its interval; from the dotted line on it counts as shown."""
    drawn = rows.drop_nulls("difference")
    names = [as_text(f"{row['effect']} · {row['detector']}", 48) for row in drawn.iter_rows(named=True)]
    colours = [CATEGORIES[0] if headline else NEUTRAL for headline in drawn["is_headline"]]
    figure = go.Figure(
        go.Scatter(
            x=drawn["difference"].to_list(), y=list(range(len(names))), mode="markers",
            marker={"size": 10, "color": colours},
            error_x={
                "type": "data", "symmetric": False, "color": NEUTRAL, "thickness": 1.3, "width": 4,
                "array": (drawn["ci_high"] - drawn["difference"]).fill_null(0.0).to_list(),
                "arrayminus": (drawn["difference"] - drawn["ci_low"]).fill_null(0.0).to_list(),
            },
            customdata=list(zip(names, drawn["verdict"], strict=True)),
            hovertemplate="%{customdata[0]}<br>%{x:+.3f}: %{customdata[1]}<extra></extra>",
        )
    )  # fmt: skip
    figure.add_vline(x=0, line={"color": NEUTRAL, "width": 1})
    least = drawn["minimum"].max() if drawn.height else None
    if least:
        figure.add_vline(x=least, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
    figure.update_yaxes(tickvals=list(range(len(names))), ticktext=names, autorange="reversed", zeroline=False)
    figure.update_xaxes(title="treatment less control", zeroline=False)
    return quiet(figure, height=110 + 30 * max(len(names), 1))
