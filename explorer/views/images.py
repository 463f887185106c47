"""The gallery: images by any property, with how many there are of each kind among those that match."""

from typing import Any

import streamlit as st

from etl.lake import schemas
from explorer import filters, gallery, naming, page
from explorer.questions import images
from explorer.questions.images import FACETS, ImageFilter

KINDS: dict[str, int | None] = {"All": None, "Real": 0, "Fake": 1}

lake = page.look(*gallery.TABLES)
st.title("Images")
page.need(lake, schemas.GOLD_IMAGES)
every = page.rows(lake, images.facets(ImageFilter(nsfw=True)))


def facet(column: str, place: Any) -> str | None:
    """Offer the values of a column, with how many images of the whole lake have each."""
    known = every.filter(facet=column)
    values, counts = known["value"].to_list(), dict(known.select("value", "n").iter_rows())
    return filters.choice(naming.title_of(column), values, column, counts, place)


top = st.columns([5, 6], vertical_alignment="bottom")
second = st.columns(2, vertical_alignment="bottom")
label = filters.one_of("Show", KINDS, "show", top[0])
prompt = filters.words("Words of the prompt", "prompt", "a lighthouse", second[0])
maker = filters.words("Generator or source", "maker", "part of its name", second[1])
order = filters.one_of("Order", {name: name for name in images.ORDERS}, "order", top[1])
with st.expander("More filters", icon=":material/tune:", expanded=any(st.query_params.get(f) for f in FACETS)):
    cells = st.columns(4)
    chosen = {column: facet(column, cells[n % 4]) for n, column in enumerate(FACETS)}
    edge = filters.number("Shorter edge at least, pixels", 1, 16_384, "edge", cells[0])
    since = filters.day("Ingested from", "since", cells[1])
    until = filters.day("Ingested until", "until", cells[2])
    root = filters.words("Root model is", "root", "owner/model", cells[3])
    nsfw = filters.switch("Show images not safe for work", "nsfw", "hidden unless you ask for them", cells[0])
generator = filters.named("generator")
if generator is not None:
    only, away = st.columns([6, 1], vertical_alignment="center")
    only.text(f"Only images of {generator}")
    if away.button("All generators", type="tertiary"):
        del st.query_params["generator"]
        st.rerun()

having = tuple((column, value) for column, value in chosen.items() if value)
asked = ImageFilter(label, generator, maker, prompt, having, root or None, edge, since, until, nsfw)
counted = page.rows(lake, images.count(asked)).row(0, named=True)
note = f" {counted['hidden']:,} more are hidden as not safe for work." if counted["hidden"] else ""
st.caption(
    f"**{counted['n']:,} images**.{note} A blue line marks real photographs, an orange one fakes. "
    "Open an image to see where it comes from."
)
if not counted["n"]:
    st.info("No image matches; take a filter away.", icon=":material/search_off:")
    st.stop()
number = filters.turn(counted["n"], images.PAGE, of=(asked, order))
listing = images.page(asked, number, order)
rows = page.rows(lake, listing)
picked = gallery.show(lake, rows, "gallery", asked=nsfw)
if picked:
    page.go_to("image", id=picked)

among = st.expander("What is among them", icon=":material/bar_chart:", on_change="rerun", key="among")
if among.open:
    with among:
        found = page.rows(lake, images.facets(asked))
        with st.grid(4, min_column_width=230, gap="medium"):
            for column in (name for name in FACETS if name in found["facet"]):
                with st.container():
                    page.bars(
                        naming.title_of(column), found.filter(facet=column).rename({"n": "images"}), "images"
                    )
        page.queries(images.facets(asked))
page.queries(images.count(asked), listing)
