"""Figures of diversity: lineage as a treemap, embeddings as a map, spectra beside each other, coverage."""

import plotly.graph_objects as go
import polars as pl

from explorer.charts import CATEGORIES, FAKE, NEUTRAL, REAL, as_text, quiet

_MOST_COLOURS = len(CATEGORIES) - 1


def lineage(rows: pl.DataFrame) -> go.Figure:
    """Family → root model → generator as nested areas; an area is a number of images."""
    ids, labels, parents, values = ["all"], ["all"], [""], [int(rows["images"].sum())]
    for family, of_family in rows.group_by("family", maintain_order=True):
        ids.append(f"family {family[0]}")
        labels.append(as_text(str(family[0])))
        parents.append("all")
        values.append(int(of_family["images"].sum()))
        for root, of_root in of_family.group_by("root", maintain_order=True):
            ids.append(f"family {family[0]} root {root[0]}")
            labels.append(as_text(str(root[0])))
            parents.append(f"family {family[0]}")
            values.append(int(of_root["images"].sum()))
            for row in of_root.iter_rows(named=True):
                ids.append(f"family {family[0]} root {root[0]} generator {row['generator_id']}")
                labels.append(as_text(row["generator_id"]))
                parents.append(f"family {family[0]} root {root[0]}")
                values.append(row["images"])
    figure = go.Figure(
        go.Treemap(
            ids=ids, labels=labels, parents=parents, values=values, branchvalues="total", maxdepth=3,
            hovertemplate="%{label}: %{value:,} images<extra></extra>", root_color="rgba(0,0,0,0)",
        )
    )  # fmt: skip
    figure.update_layout(treemapcolorway=CATEGORIES)
    return quiet(figure, height=430)


def map_of_embeddings(points: pl.DataFrame, by: str) -> go.Figure:
    """Images on the two main axes of their embeddings, coloured by class or by family."""
    named = points.with_columns(
        kind=pl.when(pl.col("label") == 0)
        .then(pl.lit("real"))
        .otherwise(pl.lit("fake") if by == "class" else pl.col("family").fill_null("unknown"))
    )
    common = named.group_by("kind").len().sort("len", "kind", descending=[True, False])["kind"].to_list()
    colours = dict(zip(common, CATEGORIES[:_MOST_COLOURS], strict=False))
    if by == "class":
        colours = {"real": REAL, "fake": FAKE}
    figure = go.Figure()
    for kind in common:
        drawn = named.filter(kind=kind)
        figure.add_scattergl(
            x=drawn["x"].to_list(), y=drawn["y"].to_list(), mode="markers", name=as_text(kind),
            marker={"size": 6, "opacity": 0.7, "color": colours.get(kind, NEUTRAL)},
            customdata=drawn["image_id"].to_list(),
            text=[as_text(maker or "real") for maker in drawn["generator_id"]],
            hovertemplate="%{text}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title="first main axis", zeroline=False, showticklabels=False)
    figure.update_yaxes(title="second main axis", zeroline=False, showticklabels=False)
    return quiet(figure, height=520, legend=True)


def spectra(rows: pl.DataFrame) -> go.Figure:
    """Mean spectra of the noise residual in dB by frequency; generators leave peaks where they up-sample."""
    figure = go.Figure()
    fixed = {"fake": FAKE, "real": REAL}
    others = [colour for colour in CATEGORIES if colour not in fixed.values()]
    makers = 0
    for row in rows.iter_rows(named=True):
        is_class = row["kind"] == "label"
        colour = fixed.get(row["name"], NEUTRAL) if is_class else others[makers % len(others)]
        makers += not is_class
        length = len(row["spectrum"])
        name = f"all {row['name']}" if is_class else row["name"]
        figure.add_scatter(
            x=[(at + 1) / (2 * length) for at in range(length)], y=list(row["spectrum"]), mode="lines",
            name=as_text(name), line={"color": colour, "width": 2.5 if is_class else 1.6},
            hovertemplate=f"{as_text(name)}, {row['images']:,} images<br>%{{x:.3f}} cycles a pixel: %{{y:.1f}} dB"
            "<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title="spatial frequency, cycles a pixel", zeroline=False)
    figure.update_yaxes(title="mean power, dB", zeroline=False)
    return quiet(figure, height=380, legend=True)


def coverage(rows: pl.DataFrame) -> go.Figure:
    """How much of the eligible catalogue a training set holds, as bars of per cent."""
    drawn = rows.drop_nulls("share")
    names = [name.replace("_", " ").replace("root model id", "lineage") for name in drawn["dimension"]]
    figure = go.Figure(
        go.Bar(
            x=(100 * drawn["share"]).to_list(), y=names, orientation="h", marker_color=NEUTRAL,
            text=[f"{row['covered']:,} of {row['there']:,}" for row in drawn.iter_rows(named=True)],
            textposition="auto", hovertemplate="%{y}: %{text} (%{x:.1f} %)<extra></extra>",
        )
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(range=[0, 100], title="% of the kinds in the eligible catalogue", zeroline=False)
    return quiet(figure, height=60 + 40 * max(len(names), 1))


def hill_by_crawl(rows: pl.DataFrame) -> go.Figure:
    """Effective numbers of families by crawl, of order 0, 1 and 2."""
    figure = go.Figure()
    titles = {"order_0": "families (order 0)", "order_1": "order 1", "order_2": "order 2"}
    for number, (column, title) in enumerate(titles.items()):
        figure.add_scatter(
            x=rows["crawl_id"].to_list(), y=rows[column].to_list(), mode="lines+markers", name=title,
            marker={"color": CATEGORIES[number]}, hovertemplate=f"%{{x}}: %{{y:.2f}} {title}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(type="category", title="crawl")
    figure.update_yaxes(title="effective number of families", rangemode="tozero")
    return quiet(figure, height=320, legend=True)
