"""How diverse the lake is: effective numbers of kinds, lineage, a map of embeddings, fingerprints, coverage."""

from typing import Any

import polars as pl
import streamlit as st

from etl.lake import schemas
from explorer import charts, diversity, diversity_charts, filters, page, training_sets

NUMBER = st.column_config.NumberColumn
NUMBERS: dict[str, Any] = {
    "dimension": st.column_config.TextColumn("Kinds of", width="medium"),
    "order_0": NUMBER("Kinds (order 0)", format="localized"),
    "order_1": NUMBER("As many equally common (order 1)", format="%.1f"),
    "order_2": NUMBER("Counting the common ones (order 2)", format="%.1f"),
    "total": NUMBER("Counted", format="localized"),
}
MEASURES: dict[str, Any] = {
    "measure": st.column_config.TextColumn("Measure", width="medium"),
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
    st.caption(
        "Hill numbers: how many kinds there are, and as how many equally common ones they count. The further the "
        "second and third lie below the first, the more a few kinds outweigh the rest."
    )
    picked = page.table(numbers, NUMBERS, "diversity", made_by=[asked], select=True)
    dimensions = numbers["dimension"].to_list()
    chosen = filters.choice("Show the kinds of", dimensions, "dimension")
    dimension = dimensions[picked] if picked is not None else chosen or dimensions[0]
    asked_counts = diversity.counts(dimension)
    page.draw(
        charts.distribution(page.rows(lake, asked_counts), unit), f"{unit} by {dimension}", made_by=[asked_counts]
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


lake = page.look(
    schemas.GOLD_DIVERSITY, schemas.GOLD_COUNTS, schemas.GOLD_GENERATOR_CARDS, schemas.GOLD_CRAWL_HISTORY,
    schemas.GOLD_SPECTRA, schemas.GOLD_SPREAD, schemas.GOLD_IMAGES, schemas.IMAGE_FEATURES, schemas.GENERATORS,
    schemas.TRAINING_SETS,
)  # fmt: skip
st.title("Diversity")
page.need(lake, schemas.GOLD_DIVERSITY)

SECTIONS = ("Kinds", "Lineage", "Map", "Fingerprints", "Coverage", "By crawl")
section = filters.one_of("Section", {name: name for name in SECTIONS}, "section")
if section == "Kinds":
    show_numbers(lake)
    asked_measures = diversity.measures()
    measures = page.rows(lake, asked_measures)
    if measures.height:
        st.subheader("Spread")
        st.caption(
            "Vendi scores of embeddings, and how far generators' fingerprints lie apart beside their own spread."
        )
        page.table(measures, MEASURES, "spread", made_by=[asked_measures])
elif section == "Lineage":
    asked_lineage = diversity.lineage()
    made = page.rows(lake, asked_lineage)
    if made.is_empty():
        page.empty("No generator has images yet: `forensics generate` samples them.")
    else:
        st.caption(
            f"The {made.height:,} generators with most images, by family and root model. A click opens an area."
        )
        page.draw(
            diversity_charts.lineage(made),
            "treemap of images by family, root model and generator",
            [asked_lineage],
        )
elif section == "Map":
    show_map(lake)
elif section == "Fingerprints":
    makers = page.rows(lake, diversity.makers())["name"].to_list()
    chosen = filters.several("Generators and sources of reals", makers, "makers") or makers[:4]
    asked_spectra = diversity.spectra(tuple(chosen))
    curves = page.rows(lake, asked_spectra)
    if curves.is_empty():
        page.empty("No spectrum yet: `forensics describe`, then `forensics summarise`.")
    else:
        st.caption(
            "Mean spectra of what a denoiser leaves over: up-sampling marks them with peaks and steep ends."
        )
        page.draw(diversity_charts.spectra(curves), "mean spectra of the noise residual by maker", [asked_spectra])
elif section == "Coverage":
    builds = page.ask(training_sets.builds, lake)["label"].to_list()
    if not builds:
        page.empty("No set was built yet: `forensics build-training-set` builds one.")
    else:
        label = filters.choice("Training set", builds, "set") or builds[0]
        rows = page.ask(diversity.coverage, lake, label)
        st.caption("How much of what may be sampled the fakes of the training split cover.")
        page.draw(diversity_charts.coverage(rows), "share of the eligible catalogue that the training set covers")
        percent = rows.with_columns(100 * pl.col("share"))
        titles = {
            "dimension": "Kinds of",
            "covered": "In the set",
            "there": "Eligible",
            "share": NUMBER("%", format="%.1f"),
        }
        page.table(percent, titles, "coverage")
else:
    asked_crawls = diversity.by_crawl()
    crawls = page.rows(lake, asked_crawls)
    if crawls.is_empty():
        page.empty("No crawl was taken up yet: `forensics crawl`, then `forensics catalogue`.")
    else:
        page.draw(diversity_charts.hill_by_crawl(crawls), "effective number of families by crawl", [asked_crawls])
        page.table(crawls, {"crawl_id": "Crawl", "models": "Models", "new": "New", "gone": "Gone"}, "crawls")
