"""The generators: which may be sampled, why others may not, and everything known about one of them."""

from typing import Any

import streamlit as st

from etl.lake import schemas
from explorer import cards, page, queries

COLUMNS: dict[str, Any] = {
    "generator_id": st.column_config.TextColumn("Generator", width="large"),
    "eligible": st.column_config.CheckboxColumn("Eligible", width="small"),
    "reason": st.column_config.TextColumn("Reason", help="why it is not eligible"),
    "family": "Family",
    "architecture": "Architecture",
    "licence": "Licence",
    "images": st.column_config.NumberColumn("Images", format="localized"),
    "last_code": st.column_config.TextColumn("Last attempt", help="code of the latest try at sampling it"),
    "downloads": st.column_config.NumberColumn("Downloads", format="localized"),
    "released_at": st.column_config.DateColumn("Released"),
}
STATES = {"All": None, "Eligible": True, "Not eligible": False}

lake = page.look(schemas.MODELS, schemas.GENERATORS, schemas.GENERATION_ATTEMPTS, schemas.GOLD_GENERATOR_CARDS)
st.title("Models")
page.need(lake, schemas.GENERATORS)

words, choice, kind = st.columns([3, 2, 2])
text = words.text_input("Name", placeholder="part of a name", key="name", bind="query-params")
state = choice.segmented_control(
    "Eligibility", list(STATES), default="All", required=True, key="eligibility", bind="query-params"
)
families = page.ask(queries.families, lake)["family"].to_list()
family = kind.selectbox("Family", families, index=None, placeholder="any", key="family", bind="query-params")

found = page.ask(queries.generators, lake, text or "", STATES[state or "All"], family)
st.caption(f"{found.height:,} generators, {found['eligible'].sum():,} of them eligible. Select one for its card.")
event = st.dataframe(
    found.select(list(COLUMNS)),
    column_config=COLUMNS,
    hide_index=True,
    placeholder="",
    height=min(38 + 35 * found.height, 430),
    on_select="rerun",
    selection_mode="single-row",
    key="table",
)
rows = event["selection"]["rows"]
named = found[rows[0], "generator_id"] if rows else st.query_params.get("generator")
if named is not None:
    one = page.ask(queries.generators, lake).filter(generator_id=named)
    if one.is_empty():
        st.warning("There is no such generator in the lake.", icon=":material/search_off:")
    else:
        cards.show_generator(lake, one.row(0, named=True))
