"""How diverse the lake is: effective numbers of kinds, lineage, a map of embeddings, fingerprints, coverage."""

import polars as pl
import streamlit as st

from etl.lake import schemas
from explorer import diversity, diversity_charts, filters, naming, page, training_sets
from explorer.diversity_sections import MEASURES, NUMBER, show_map, show_numbers

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
        words = pl.col("measure").map_elements(naming.title_of, pl.String).alias("words")
        page.table(measures.with_columns(words), MEASURES, "spread", made_by=[asked_measures])
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
    chosen = (
        filters.several("Generators and sources of reals", makers, "makers", otherwise="the first four")
        or makers[:4]
    )
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
        label = filters.always("Training set", builds, "set")
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
