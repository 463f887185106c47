"""One image: as received, what makes it again, what detectors said, where it is held, and what is like it."""

import re

import streamlit as st

from etl.lake import schemas
from explorer import cards, filters, gallery, page, trials
from explorer.questions import images

ID = re.compile("[0-9a-f]{64}")

lake = page.look(
    *gallery.TABLES,
    schemas.GOLD_MODELS,
    schemas.COLLECTIONS,
    schemas.IMAGE_FEATURES,
    schemas.DUPLICATES,
    schemas.TRAINING_SETS,
    schemas.PREDICTIONS,
)
st.title("One image")
page.need(lake, schemas.IMAGES)
image_id = filters.named("id")
if image_id is None:
    page.empty("No image is chosen: open one from the gallery, or from any table of scores.")
    page.link("images", "Browse images", icon="photo_library")
    st.stop()
listed = page.rows(lake, images.listed(image_id)) if ID.fullmatch(image_id) else None
asked = None
if listed is not None:
    asked = images.image(image_id, listed["generator_id"][0] if listed.height else None)
rows = page.rows(lake, asked) if asked else None
if rows is None or rows.is_empty():
    st.warning(f"There is no image {page.plain(image_id[:80])} in the lake.", icon=":material/search_off:")
    st.stop()
row = rows.row(0, named=True)

left, right = st.columns([2, 3], gap="large")
with left:
    cards.show_picture(row, hidden=bool(row["nsfw"] or (listed is not None and listed["nsfw"].any())))
with right:
    cards.show_provenance(lake, row)

scores, held, alike, measured = st.tabs(["Scores", "Where it is held", "What is like it", "What was measured"])
with scores:
    cards.show_scores(lake, image_id)
with held:
    cards.show_holdings(lake, row)
with alike:
    trials.show_training_images(lake, image_id)
    cards.show_alike(lake, image_id)
with measured:
    cards.show_features(lake, image_id)
page.queries(*[asked] if asked else [])
