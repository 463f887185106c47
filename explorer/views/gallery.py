"""The images themselves: thumbnails by label, generator and prompt, and the provenance of the one picked."""

import streamlit as st

from etl.lake import schemas
from explorer import cards, page, queries

KINDS = {"All": None, "Real": 0, "Fake": 1}

lake = page.look(schemas.IMAGES, schemas.THUMBNAILS, schemas.GENERATORS)
st.title("Gallery")
page.need(lake, schemas.IMAGES, schemas.THUMBNAILS)

made_by = page.ask(queries.sampled_generators, lake)
names = made_by["generator_id"].to_list()
families = sorted(made_by["family"].drop_nulls().unique())
left, middle, right, words, hidden = st.columns([3, 4, 3, 4, 2], vertical_alignment="bottom")
kind = left.segmented_control("Show", list(KINDS), default="All", required=True, key="show", bind="query-params")
generator = middle.selectbox(
    "Generator", names, index=None, placeholder="any", key="generator", bind="query-params"
)
family = right.selectbox("Family", families, index=None, placeholder="any", key="family", bind="query-params")
text = words.text_input("Prompt", placeholder="words of the prompt", key="prompt", bind="query-params")
nsfw = hidden.toggle("Show NSFW", key="nsfw", help="images marked not safe for work")

chosen = queries.ImageFilter(KINDS[kind or "All"], generator, family, text or "", nsfw)
count = page.ask(queries.count_images, lake, chosen).row(0, named=True)
note = f"; {count['hidden']:,} marked not safe for work are hidden" if count["hidden"] else ""
st.caption(
    f"{count['n']:,} images{note}. A blue line marks real photographs, an orange one fake images; "
    "the name below opens the image's provenance."
)
if not count["n"]:
    st.info("No image matches; take a filter away.", icon=":material/search_off:")
pages = max(1, -(-count["n"] // queries.PAGE))
number = st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1

with st.container(key="tiles"), st.grid(8, min_column_width=100):
    for tile in page.ask(queries.gallery, lake, chosen, number - 1).iter_rows(named=True):
        image_id, label = tile["image_id"], "fake" if tile["label"] else "real"
        with st.container(key=f"{label}-{image_id}", gap=None):
            st.image(tile["jpeg"], width="stretch", alt=f"{label} image")
            name = page.plain((tile["generator_id"] or "real").rsplit("/", 1)[-1])
            st.button(
                name or label,
                key=image_id,
                on_click=cards.open_image,
                args=[image_id],
                type="tertiary",
                width="stretch",
            )
if "image" in st.query_params:
    cards.show_image(lake, st.query_params["image"])
