"""SQL over the tables, to read only: DuckDB, locked, with a cap on rows and time."""

import streamlit as st

from etl.lake import schemas
from explorer import filters, page, workbench

EXAMPLE = "select family, count(*) as images\nfrom gold_images\ngroup by family\norder by images desc"

lake = page.look(*schemas.TABLES)
st.title("SQL")
page.need_any(lake)
st.caption(
    "DuckDB's SQL over every table of the lake, to read only. A query reads the lake's tables and nothing else; "
    f"it ends after {workbench.SECONDS} seconds, and {workbench.MOST_ROWS:,} rows of its answer are shown."
)
text = filters.statement("query", EXAMPLE)
if st.button("Run", type="primary", icon=":material/play_arrow:") or "query" in st.query_params:
    try:
        with st.spinner("Asking …"):
            answer = page.ask(workbench.run, lake, text)
    except workbench.QueryRefused as refused:
        st.warning("The query was not answered.", icon=":material/block:")
        st.text(str(refused))
    else:
        cut = f", the first {workbench.MOST_ROWS:,} of more" if answer.is_cut else ""
        st.caption(f"{answer.rows.height:,} rows{cut} in {answer.seconds:.2f} seconds.")
        shown = answer.rows
        page.table(shown, {name: name for name in shown.columns}, "answer", height=600)
with st.expander("Tables and columns", icon=":material/schema:"):
    st.dataframe(page.ask(workbench.columns, lake), hide_index=True, height=500)
