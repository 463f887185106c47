"""The parts of the page of diversity: Hill numbers, and the map of embeddings."""

from typing import Any

import polars as pl
import streamlit as st

from explorer import charts, diversity, diversity_charts, filters, naming, page

NUMBER = st.column_config.NumberColumn
NUMBERS: dict[str, Any] = {
    "dimension": st.column_config.TextColumn("Kinds of", width="medium"),
    "order_0": NUMBER("Kinds (order 0)", format="localized"),
    "order_1": NUMBER("As equally common (order 1)", format="%.1f"),
    "order_2": NUMBER("Common ones (order 2)", format="%.1f"),
    "total": NUMBER("Counted", format="localized"),
}
MEASURES: dict[str, Any] = {
    "words": st.column_config.TextColumn("Measure", width="medium"),
    "subject": "Of",
    "value": NUMBER("Value", format="%.3f"),
    "n": NUMBER("Rests on", format="localized"),
}
UNITS = {"Generators": "generators", "Images": "images"}


def show_numbers(lake: Any) -> None:
    """Show the Hill numbers of every dimension, and the counts of the one that was chosen."""
    unit = filters.one_of("Count", UNITS, "unit")
    asked = diversity.numbers()
    numbers = page.rows(lake, asked).filter(unit=unit)
    if numbers.is_empty():
        page.empty("Nothing was counted yet: `forensics summarise` counts.")
        return
    st.caption(
        "Hill numbers: how many kinds there are, and as how many equally common ones they count. The further the "
        "second and third lie below the first, the more a few kinds outweigh the rest."
    )
    named = numbers.with_columns(pl.col("dimension").map_elements(naming.title_of, pl.String))
    picked = page.table(named, NUMBERS, "diversity", made_by=[asked], select=True)
    dimensions = numbers["dimension"].to_list()
    chosen = filters.always("Show the kinds of", dimensions, "dimension", name=naming.title_of)
    dimension = dimensions[picked] if picked is not None else chosen
    asked_counts = diversity.counts(dimension)
    page.draw(
        charts.distribution(page.rows(lake, asked_counts), unit),
        f"{unit} by {naming.title_of(dimension).lower()}",
        made_by=[asked_counts],
    )


def show_map(lake: Any) -> None:
    """Show a sample of images by their embeddings; one that is picked opens."""
    points = page.ask(diversity.embedded, lake)
    if points.is_empty():
        page.empty(
            "No image has an embedding yet: `forensics describe` measures them, `forensics summarise` lists them."
        )
        return
    by = filters.one_of("Colour by", {"Class": "class", "Family": "family"}, "colour")
    st.caption(
        f"{points.height:,} images by the two main axes of their embeddings, which hold "
        f"{100 * points['explained'][0]:.0f} % of the variance. Images that look alike lie together."
    )
    page.draw(
        diversity_charts.map_of_embeddings(points, by),
        "map of images by their embeddings, coloured by class or family",
    )
