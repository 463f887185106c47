"""The explorer's entry: the pages, and what happens when the lake changes under one of them."""

from pathlib import Path

import polars as pl
import streamlit as st
from deltalake.exceptions import DeltaError

from etl.errors import ForensicsError
from explorer import page

HERE = Path(__file__).parent


def main() -> None:
    """Show the page that the address names."""
    st.set_page_config(page_title="Forensics Lake", page_icon=str(HERE / "icon.svg"), layout="wide")
    st.html(HERE / "style.css")
    chosen = st.navigation(
        [
            st.Page("views/overview.py", title="Overview", icon=":material/dashboard:", default=True),
            st.Page("views/models.py", title="Models", icon=":material/category:"),
            st.Page("views/gallery.py", title="Gallery", icon=":material/photo_library:"),
            st.Page("views/evaluation.py", title="Evaluation", icon=":material/monitoring:"),
        ],
        position="top",
    )
    st.logo(HERE / "icon.svg", size="medium")
    try:
        chosen.run()
    except ForensicsError as error:
        st.warning(page.plain(str(error)), icon=":material/warning:")
    except (DeltaError, OSError, pl.exceptions.PolarsError):
        st.warning("The lake changed while this page was being read; reload the page.", icon=":material/refresh:")


main()
