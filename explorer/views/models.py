"""The whole catalogue of the Hub's models: search, filters, and one model with its lineage and verdict."""

from typing import Any

import streamlit as st

from etl.lake import schemas
from explorer import catalogue, charts, filters, naming, page
from explorer.questions import models
from explorer.questions.models import ModelFilter

number = st.column_config.NumberColumn
COLUMNS: dict[str, Any] = {
    "model_id": st.column_config.TextColumn("Model", width=230),
    "family": "Family",
    "eligible": st.column_config.CheckboxColumn("Eligible", width="small"),
    "reason": "Why not",
    "licence": "Licence",
    "downloads": number("Downloads", format="localized"),
    "likes": number("Likes", format="localized"),
    "gigabytes": number("Weights, GB", format="%.2f"),
    "created_at": st.column_config.DateColumn("Created"),
    "root_model_id": "Root model",
}
STATES: dict[str, bool | None] = {"All": None, "Eligible": True, "Not eligible": False}

lake = page.look(schemas.GOLD_MODELS, schemas.MODELS, schemas.GOLD_GROWTH, schemas.GOLD_CATALOGUE)
st.title("Models")
page.need(lake, schemas.GOLD_MODELS)
one = filters.named("model")
if one is not None:
    catalogue.show_model(lake, one)
    st.stop()

known = page.rows(lake, models.values())


def facet(column: str, place: Any) -> str | None:
    rows = known.filter(facet=column)
    counts = dict(rows.select("value", "n").iter_rows())
    return filters.choice(naming.title_of(column), rows["value"].to_list(), column, counts, place)


top = st.columns([3, 3, 4], vertical_alignment="bottom")
words = filters.words("Name", "name", "part of a name", top[0])
eligible = filters.one_of("Eligibility", STATES, "eligibility", top[1])
order = filters.one_of("Order", {name: name for name in list(models.ORDERS)[:3]}, "order", top[2])
cells = st.columns(4, vertical_alignment="bottom")
chosen = {name: facet(name, cells[n]) for n, name in enumerate(("family", "reason", "licence"))}
gone = filters.switch("Also those gone", "gone", "models that the Hub no longer lists", cells[3])
root = filters.named("root")

asked = ModelFilter(words, eligible, **chosen, root=root, gone=gone)
counted = page.rows(lake, models.count(asked)).row(0, named=True)
below = f" made from {page.plain(root)}" if root else ""
st.caption(f"**{counted['n']:,} models**{below}, {counted['eligible']:,} of them eligible. Pick one for its card.")
if not counted["n"]:
    st.info("No model matches; take a filter away.", icon=":material/search_off:")
    st.stop()
listing = models.page(asked, filters.turn(counted["n"], models.PAGE, of=(asked, order)), order)
rows = page.rows(lake, listing)
picked = page.table(rows, COLUMNS, "models", [models.count(asked), listing], select=True, height=600)
if picked is not None:
    page.go_to("models", model=rows["model_id"][picked])

left, right = st.columns(2, gap="large")
with left:
    st.subheader("Growth by family")
    grown = page.rows(lake, models.growth())
    page.draw(charts.growth(grown), "models by month of creation and family", [models.growth()])
with right:
    st.subheader("Verdicts")
    verdicts = page.rows(lake, models.verdicts())
    page.draw(charts.distribution(verdicts, "models"), "models by verdict", [models.verdicts()])
