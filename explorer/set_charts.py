"""Figures of training sets: balance of the classes, and what the audit found."""

import plotly.graph_objects as go
import polars as pl

from explorer.charts import CATEGORIES, FAKE, NEUTRAL, REAL, quiet

VIEWS = ("format", "size", "bytes", "quality", "metadata", "all")
"""Order of the audit's views: what each classifier was shown."""
_SYMBOLS = ("circle", "square", "diamond")


def balance(counts: pl.DataFrame) -> go.Figure:
    """Bars of fake and real rows by split, from `training_sets.balance`."""
    figure = go.Figure()
    for column, name, colour in (("real", "Real", REAL), ("fake", "Fake", FAKE)):
        figure.add_bar(
            x=counts["split"].to_list(), y=counts[column].to_list(), name=name, marker_color=colour,
            text=[f"{number:,}" for number in counts[column]], textposition="outside", cliponaxis=False,
            hovertemplate=f"{name}, %{{x}}: %{{y:,}} images<extra></extra>",
        )  # fmt: skip
    figure.update_layout(barmode="group")
    figure.update_yaxes(title="images", rangemode="tozero")
    return quiet(figure, height=320, legend=True)


def audit(findings: pl.DataFrame, limit: float) -> go.Figure:
    """The area under the curve of each view (dot, with its interval), a colour and a symbol a split."""
    figure = go.Figure()
    figure.add_vline(x=0.5, line={"color": NEUTRAL, "width": 1})
    figure.add_vline(x=limit, line={"color": CATEGORIES[5], "width": 1.5, "dash": "dot"})
    views = [view for view in VIEWS if view in set(findings["view"])]
    views += sorted(set(findings["view"]) - set(views))
    for number, split in enumerate(findings["split"].unique(maintain_order=True)):
        drawn = findings.filter(pl.col("split") == split, pl.col("auc").is_not_null())
        places = [views.index(view) + 0.22 * (number - 1) for view in drawn["view"]]
        colour = CATEGORIES[number % len(CATEGORIES)]
        figure.add_scatter(
            x=drawn["auc"].to_list(), y=places, mode="markers", name=str(split),
            marker={"size": 9, "color": colour, "symbol": _SYMBOLS[number % len(_SYMBOLS)]},
            error_x={
                "type": "data", "symmetric": False, "color": colour, "thickness": 1.2, "width": 3,
                "array": (drawn["high"] - drawn["auc"]).fill_null(0.0).to_list(),
                "arrayminus": (drawn["auc"] - drawn["low"]).fill_null(0.0).to_list(),
            },
            customdata=list(zip(drawn["view"], drawn["n_fake"], drawn["n_real"], strict=True)),
            hovertemplate="%{customdata[0]}: %{x:.3f}<br>%{customdata[1]} fake, %{customdata[2]} real"
            "<extra></extra>",
        )  # fmt: skip
    figure.update_yaxes(tickvals=list(range(len(views))), ticktext=views, autorange="reversed", zeroline=False)
    figure.update_xaxes(range=[0.3, 1.02], title="area under the ROC curve (0.5 = by chance)", zeroline=False)
    return quiet(figure, height=320, legend=True)
