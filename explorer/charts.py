"""Plotly figures from Polars frames, as pure functions.

One colour has one meaning on every page: blue is real, orange is fake, slate is neither. All are of Okabe and
Ito's palette, or scales that people who see few colours can read. Figures have no colours of text or background of
their own: `dress` gives them those of the light or the dark theme. Names come from the Hub, and Plotly reads a
little HTML in labels, so every name passes through `as_text`.
"""

import plotly.graph_objects as go
import polars as pl

REAL = "#0072B2"
FAKE = "#E69F00"
NEUTRAL = "#7A8CA5"
FAINT = "#B9C4D2"
CATEGORIES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#7A8CA5")
"""Colours of Okabe and Ito, for up to eight kinds."""
SEQUENTIAL = "Cividis"
DIVERGING = "PuOr"
INK = {"light": "#1F2933", "dark": "#E6EAF0"}
GRID = {"light": "#E8ECF1", "dark": "#333A45"}

MOST_BARS = 10
"""Bars of one chart before the rest is folded into one."""

_SPACED = {"ticks": "outside", "ticklen": 6, "tickcolor": "rgba(0,0,0,0)"}
"""A gap between names and bars."""

_FONT = {"family": "Source Sans, Source Sans Pro, sans-serif", "size": 13}


def dress(figure: go.Figure, dark: bool = False) -> go.Figure:
    """Give a figure the colours of the theme and what all figures share; return it."""
    theme = "dark" if dark else "light"
    figure.update_layout(
        font=_FONT | {"color": INK[theme]},
        plot_bgcolor="rgba(0,0,0,0)",
        paper_bgcolor="rgba(0,0,0,0)",
        colorway=CATEGORIES,
        hoverlabel={"font": {"color": INK["light"]}, "bgcolor": "#FFFFFF"},
    )
    figure.update_xaxes(gridcolor=GRID[theme], linecolor=GRID[theme], zerolinecolor=GRID[theme])
    figure.update_yaxes(gridcolor=GRID[theme], linecolor=GRID[theme], zerolinecolor=GRID[theme])
    return figure


def as_text(name: str | None, longest: int = 38) -> str:
    """Return a name as Plotly shows it literally: one line, markup escaped, cut in the middle when long."""
    line = " ".join((name or "unknown").split())
    if len(line) > longest:
        half = (longest - 1) // 2
        line = f"{line[: longest - 1 - half]}…{line[-half:]}"
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def distribution(counts: pl.DataFrame, unit: str) -> go.Figure:
    """Horizontal bars of `value` by `unit` ("generators" or "images"), the rarer values folded into one."""
    known = counts.filter(pl.col(unit) > 0).sort(unit, "value", descending=[True, False])
    shown, rest = known.head(MOST_BARS), known.slice(MOST_BARS)
    names, numbers = [as_text(value, 24) for value in shown["value"]], shown[unit].to_list()
    colours = [NEUTRAL] * len(names)
    if rest.height:
        names.append(f"{rest.height} others")
        numbers.append(rest[unit].sum())
        colours.append(FAINT)
    return _bars(names, numbers, colours, unit)


def refusals(counts: pl.DataFrame) -> go.Figure:
    """Horizontal bars of `n` by code, for one stage."""
    names = [as_text(code) for code in counts["code"]]
    return _bars(names, counts["n"].to_list(), [NEUTRAL] * len(names), "inputs")


def growth(rows: pl.DataFrame, most: int = 7) -> go.Figure:
    """Models by month of creation, stacked by family; the rarer families are folded into one.

    `rows` have month (2024-05), family, models; months that are not known are left out.
    """
    known = rows.filter(pl.col("month").str.contains(r"^\d{4}-\d{2}$"))
    largest = (
        known.group_by("family").agg(pl.col("models").sum()).sort("models", "family", descending=[True, False])
    )
    named = largest["family"].to_list()[:most]
    months = known["month"].unique().sort().to_list()
    folded = known.with_columns(
        pl.when(pl.col("family").is_in(named)).then(pl.col("family")).otherwise(pl.lit("others")).alias("family")
    )
    totals = known.group_by("month").agg(pl.col("models").sum())["models"].to_list()
    figure = go.Figure()
    for place, family in enumerate([*named, "others"]):
        of = dict(folded.filter(family=family).group_by("month").agg(pl.col("models").sum()).iter_rows())
        if of:
            name = as_text(family, 24)
            figure.add_bar(
                x=months,
                y=[of.get(month, 0) for month in months],
                name=name,
                marker_color=CATEGORIES[place % len(CATEGORIES)],
                hovertemplate=f"{name}, %{{x}}: %{{y:,}} models<extra></extra>",
            )
    figure.update_layout(barmode="stack")
    figure.update_yaxes(title="models", tickformat=",", **_whole(totals))
    figure.update_xaxes(title="month of creation", type="category", nticks=8)
    return quiet(figure, height=340, legend=True)


def spectra(rows: pl.DataFrame) -> go.Figure:
    """Mean noise power (dB) by spatial frequency, of a generator and of real images; rows as of gold_spectra."""
    figure = go.Figure()
    for row in rows.iter_rows(named=True):
        fake = row["kind"] == "generator"
        name = as_text(row["name"]) if fake else "real images"
        figure.add_scatter(
            x=_frequencies(row["spectrum"]),
            y=row["spectrum"],
            name=name,
            mode="lines",
            line={"color": FAKE if fake else REAL, "width": 2},
            hovertemplate=f"{name}: %{{y:.1f}} dB at %{{x:.3f}}<extra></extra>",
        )
    figure.update_xaxes(title="spatial frequency, cycles a pixel")
    figure.update_yaxes(title="mean power of the noise, dB")
    return quiet(figure, height=320, legend=True)


def fingerprint(rows: pl.DataFrame) -> go.Figure:
    """How far a generator's mean spectrum lies above or below that of real images, in dB."""
    made = rows.filter(kind="generator")["spectrum"].to_list()
    real = rows.filter(kind="label")["spectrum"].to_list()
    figure = go.Figure()
    if made and real and len(made[0]) == len(real[0]):
        above = [ours - theirs for ours, theirs in zip(made[0], real[0], strict=True)]
        colours = [FAKE if value >= 0 else REAL for value in above]
        figure.add_bar(
            x=_frequencies(above),
            y=above,
            marker_color=colours,
            hovertemplate="%{y:+.1f} dB at %{x:.3f}<extra></extra>",
        )
    figure.update_xaxes(title="spatial frequency, cycles a pixel")
    figure.update_yaxes(title="above the real images, dB")
    return quiet(figure, height=320)


def _frequencies(spectrum: list[float]) -> list[float]:
    return [(ring + 1) / (2 * len(spectrum)) for ring in range(len(spectrum))]


def generator_scores(rows: pl.DataFrame, mean: float | None, low: float | None, high: float | None) -> go.Figure:
    """Average precision (dot, with its interval) and accuracy (diamond) by generator, beside the mean's interval.

    `rows` are as `queries.by_generator` gives them, the weakest first; undefined values leave a gap.
    """
    drawn = rows.drop_nulls("average_precision")
    names = [as_text(name) for name in drawn["generator_id"]]
    places = list(range(len(names)))  # cut names may be equal, so bars stand at numbers
    figure = go.Figure()
    if low is not None and high is not None:
        figure.add_vrect(x0=low, x1=high, fillcolor=FAKE, opacity=0.12, line_width=0)
    if mean is not None:
        figure.add_vline(x=mean, line={"color": FAKE, "width": 1.5, "dash": "dot"})
    for metric, symbol, colour, title in (
        ("accuracy", "diamond-open", NEUTRAL, "Accuracy at 0.5"),
        ("average_precision", "circle", FAKE, "Average precision"),
    ):
        figure.add_scatter(
            x=drawn[metric].to_list(),
            y=places,
            mode="markers",
            name=title,
            marker={"symbol": symbol, "size": 10, "color": colour, "line": {"width": 1.5, "color": colour}},
            error_x=_interval(drawn) if metric == "average_precision" else None,
            customdata=list(zip(drawn["generator_id"], names, drawn["n_fake"], drawn["n_real"], strict=True)),
            hovertemplate=f"%{{customdata[1]}}<br>{title} %{{x:.3f}}"
            "<br>%{customdata[2]} fake, %{customdata[3]} real<extra></extra>",
        )
    figure.update_yaxes(tickvals=places, ticktext=names, autorange="reversed", zeroline=False, **_SPACED)
    figure.update_xaxes(range=[0, 1.03], title="1 = perfect", zeroline=False)
    return quiet(figure, height=130 + 26 * len(names), legend=True)


def score_histogram(bins: pl.DataFrame) -> go.Figure:
    """Share of real and of fake images by logit, from `queries.score_bins`; the two hills should stand apart."""
    figure = go.Figure()
    for label, name, colour in ((0, "Real", REAL), (1, "Fake", FAKE)):
        drawn = bins.filter(pl.col("label") == label)
        figure.add_bar(
            x=drawn["logit"].to_list(),
            y=(100 * drawn["share"]).to_list(),
            width=drawn["width"].to_list(),
            name=name,
            marker_color=colour,
            opacity=0.65,
            customdata=drawn["n"].to_list(),
            hovertemplate=f"{name}: %{{y:.1f}} %, %{{customdata:,}} images at logit %{{x:.2f}}<extra></extra>",
        )
    figure.add_vline(x=0, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
    figure.update_layout(barmode="overlay")
    figure.update_xaxes(title="logit (above 0: fake)", zeroline=False)
    figure.update_yaxes(title="% of the class")
    return quiet(figure, height=300, legend=True)


def _whole(numbers: list[int]) -> dict[str, object]:
    """Return an axis' setting without ticks between whole numbers, where these are few."""
    return {"dtick": 1} if max(numbers, default=0) <= 5 else {"rangemode": "tozero"}


def _bars(names: list[str], numbers: list[int], colours: list[str], unit: str) -> go.Figure:
    figure = go.Figure(
        go.Bar(
            x=numbers,
            y=list(range(len(names))),
            orientation="h",
            marker_color=colours,
            text=[f"{number:,}" for number in numbers],
            textposition="outside",
            cliponaxis=False,
            customdata=names,
            hovertemplate=f"%{{customdata}}: %{{x:,}} {unit}<extra></extra>",
        )
    )
    figure.update_yaxes(tickvals=list(range(len(names))), ticktext=names, autorange="reversed", **_SPACED)
    figure.update_xaxes(visible=False, range=[0, 1.18 * max(numbers, default=1)])
    return quiet(figure, height=30 + 27 * max(len(names), 1))


def _interval(rows: pl.DataFrame) -> dict[str, object]:
    above = (rows["ci_high"] - rows["average_precision"]).fill_null(0.0)
    below = (rows["average_precision"] - rows["ci_low"]).fill_null(0.0)
    return {
        "type": "data",
        "symmetric": False,
        "array": above.to_list(),
        "arrayminus": below.to_list(),
        "color": FAKE,
        "thickness": 1.2,
        "width": 3,
    }


def quiet(figure: go.Figure, height: int, legend: bool = False) -> go.Figure:
    """Give a figure its height and margins, without zooming: a page is scrolled with the pointer over it."""
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 34 if legend else 6, "b": 6},
        showlegend=legend,
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "title": None},
        dragmode=False,
    )
    figure.update_yaxes(automargin=True, fixedrange=True)
    figure.update_xaxes(automargin=True, fixedrange=True)
    return figure
