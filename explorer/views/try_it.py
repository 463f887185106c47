"""Ask detectors about an image: the score, what drove it, and the training images like it."""

import re

import polars as pl
import streamlit as st

from etl.images.sources.entry import SUFFIXES
from etl.lake import schemas
from explorer import filters, gallery, page, tracked, trials
from explorer.query import query

ID = re.compile("[0-9a-f]{64}")

lake = page.look(
    schemas.EVALUATIONS,
    schemas.PREDICTIONS,
    *gallery.TABLES,
    schemas.TRAINING_SETS,
    schemas.IMAGE_FEATURES,
)
st.title("Try it")
page.need(lake, schemas.EVALUATIONS)
detectors = page.rows(lake, trials.detectors())["run_id"].to_list()
if not detectors:
    page.empty("There is no detector yet: `forensics train` makes one, `forensics evaluate` judges it.")
    st.stop()

left, right = st.columns([2, 3], gap="large")
with left:
    uploaded = st.file_uploader(
        "An image file", type=[suffix.lstrip(".") for suffix in SUFFIXES], max_upload_size=20
    )
    st.caption("It is decoded in a process of its own, judged, and forgotten: nothing is written into the lake.")
with right:
    chosen = (
        filters.several("Detectors", detectors, "runs", otherwise=tracked.title(detectors[0]), name=tracked.title)
        or detectors[:1]
    )
    point = filters.one_of("Called fake above", trials.POINTS, "point")
    image_id = filters.named("image")

data, known = None, None
if uploaded is not None:
    data = uploaded.getvalue()
elif image_id is not None:
    rows = page.rows(lake, query(
        "select i.bytes, coalesce(i.nsfw, false) or coalesce(g.nsfw, false) as nsfw from images i "
        "left join generators g using (generator_id) where i.image_id = $id limit 1", id=image_id,
    )) if ID.fullmatch(image_id) else pl.DataFrame()  # fmt: skip
    if rows.is_empty():
        st.warning("There is no such image in the lake.", icon=":material/search_off:")
    elif rows["nsfw"][0] and not filters.switch("Show an image that is marked not safe for work", "nsfw"):
        page.empty("This image is marked not safe for work.")
    else:
        data, known = rows["bytes"][0], image_id
if data is None:
    trials.show_choice(lake)
    st.stop()

if known:
    page.link("image", "Where this image comes from", icon="image_search", id=known)
answers = trials.show_answers(data, chosen, point)
if answers:
    trials.show_nearest(lake, chosen[0], data, known)
