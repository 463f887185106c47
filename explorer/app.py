"""The explorer's entry: the pages, and what happens when the lake changes under one of them."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st
from deltalake.exceptions import DeltaError

from etl.errors import ForensicsError
from explorer import page, picker
from explorer.pages import places

HERE = Path(__file__).parent


def main() -> None:
    """Show the page that the address names."""
    st.set_page_config(page_title="Forensics Lake", page_icon=str(HERE / "icon.svg"), layout="wide")
    st.html(HERE / "style.css")
    groups: dict[str, list[Any]] = defaultdict(list)
    for place in places():
        icon = f":material/{place.icon}:"
        is_first = place.name == "overview"
        groups[place.group].append(st.Page(place.path, title=place.title, icon=icon, default=is_first))
    chosen = st.navigation(groups, expanded=True)
    st.logo(HERE / "icon.svg", size="medium")
    try:
        page.arrive(chosen.url_path or "overview")
        picker.show(page.root())
        chosen.run()
    except ForensicsError as error:
        st.warning(page.plain(str(error)), icon=":material/warning:")
    except (DeltaError, OSError, pl.exceptions.PolarsError):
        st.warning("The lake changed while this page was being read; reload the page.", icon=":material/refresh:")


main()
