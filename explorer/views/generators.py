"""Generators: a list of what makes images, and a card each."""

from typing import Any

import streamlit as st

from etl.lake import schemas
from explorer import catalogue, filters, gallery, page
from explorer.questions import generators

number = st.column_config.NumberColumn
COLUMNS: dict[str, Any] = {
    "generator_id": st.column_config.TextColumn("Generator", width=230),
    "family": "Family",
    "architecture": "Architecture",
    "images": number("Images", format="localized"),
    "eligible": st.column_config.CheckboxColumn("Eligible", width="small"),
    "reason": "Why not",
    "last_code": "Last attempt",
    "licence": "Licence",
    "downloads": number("Downloads", format="localized"),
    "released_at": st.column_config.DateColumn("Released"),
}

lake = page.look(
    *gallery.TABLES,
    schemas.GOLD_GENERATOR_CARDS,
    schemas.GENERATION_ATTEMPTS,
    schemas.GOLD_SPECTRA,
    schemas.GOLD_MODELS,
    schemas.EVALUATIONS,
)
st.title("Generators")
page.need(lake, schemas.GENERATORS)
one = filters.named("generator")
if one is not None:
    catalogue.show_generator(lake, one)
    st.stop()

known = page.rows(lake, generators.families())
top = st.columns(2, vertical_alignment="bottom")
second = st.columns([5, 6], vertical_alignment="bottom")
words = filters.words("Name", "name", "part of a name", top[0])
counts = dict(known.select("value", "n").iter_rows())
family = filters.choice("Family", known["value"].to_list(), "family", counts, top[1])
state = filters.one_of("State", {name: name for name in generators.SAMPLED}, "state", second[0])
order = filters.one_of("Order", {name: name for name in generators.ORDERS}, "order", second[1])
count = generators.count(words, family, state)
total = page.rows(lake, count).item()
st.caption(f"**{total:,} generators.** Pick one for its card.")
if not total:
    st.info("No generator matches; take a filter away.", icon=":material/search_off:")
    st.stop()
listing = generators.page(words, family, state, order, filters.turn(total, generators.PAGE, of=(count, order)))
rows = page.rows(lake, listing)
picked = page.table(rows, COLUMNS, "generators", [count, listing], select=True, height=700)
if picked is not None:
    page.go_to("generators", generator=rows["generator_id"][picked])
