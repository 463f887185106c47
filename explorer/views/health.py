"""What was refused and why, what sampling cost, and how large the tables are."""

import polars as pl
import streamlit as st

from etl.lake import schemas
from explorer import charts, filters, page, sizes
from explorer.questions import lake as questions

number = st.column_config.NumberColumn
WHEN = "YYYY-MM-DD HH:mm"

lake = page.look(*schemas.TABLES)
st.title("Health")
page.need_any(lake)
refused, tried, tables = st.tabs(["Refused", "Attempts and costs", "Tables"])

with refused:
    asked = questions.refusals()
    rows = page.rows(lake, asked)
    if rows.is_empty():
        page.empty("No stage has refused anything.")
    with st.grid(3, min_column_width=300, gap="medium"):
        for stage in rows["stage"].unique(maintain_order=True):
            codes = rows.filter(stage=stage)
            with st.container():
                st.markdown(f"**{page.plain(stage).capitalize()}**: {codes['n'].sum():,}")
                page.draw(charts.refusals(codes), f"what {stage} refused, by code", key=f"refused-{stage}")
    page.queries(asked)
    st.subheader("The newest refused inputs")
    kinds = rows.filter(~pl.col("stage").is_in(["sampling", "eligibility"]))
    left, right = st.columns(2)
    stage = filters.choice("Stage", kinds["stage"].unique().sort().drop_nulls().to_list(), "stage", place=left)
    code = filters.choice("Code", kinds["code"].unique().sort().drop_nulls().to_list(), "code", place=right)
    listing = questions.rejects(stage, code)
    columns = {
        "ts": st.column_config.DatetimeColumn("When (UTC)", format=WHEN),
        "stage": "Stage",
        "code": "Code",
        "key": st.column_config.TextColumn("Input", width="medium"),
        "detail": st.column_config.TextColumn("Detail", width="large"),
        "run_id": "Run",
    }
    page.table(page.rows(lake, listing), columns, "rejects", [listing])

with tried:
    by_code = page.rows(lake, questions.attempts())
    if by_code.is_empty():
        page.empty("Nothing was sampled here yet: `forensics generate` does.")
    else:
        hours, kept = float(by_code["hours"].sum() or 0), int(by_code["images"].sum() or 0)
        each = f", {3600 * hours / kept:,.1f} seconds an image" if kept else ""
        st.caption(f"{by_code['tries'].sum():,} tries took {hours:,.1f} hours and gave {kept:,} images{each}.")
        columns = {
            "code": "Ended as",
            "tries": number("Tries", format="localized"),
            "generators": number("Generators", format="localized"),
            "images": number("Images", format="localized"),
            "hours": number("Hours", format="%.2f"),
            "gigabytes": number("Downloaded, GB", format="%.2f"),
            "peak_memory_gb": number("Peak memory, GB", format="%.1f"),
        }
        page.table(by_code, columns, "attempts", [questions.attempts()])
        st.subheader("The generators that took longest")
        columns = {
            "generator_id": st.column_config.TextColumn("Generator", width="large"),
            "tries": "Tries",
            "images": number("Images", format="localized"),
            "seconds": number("Seconds", format="%.0f"),
            "seconds_an_image": number("Seconds an image", format="%.2f"),
            "gigabytes": number("Downloaded, GB", format="%.2f"),
        }
        costs = page.rows(lake, questions.costs())
        picked = page.table(costs, columns, "costs", [questions.costs()], select=True)
        if picked is not None:
            page.go_to("generators", generator=costs["generator_id"][picked])

with tables:
    found = page.ask(sizes.sizes, lake)
    st.caption(
        f"{int(found['bytes'].sum() or 0) / 1e9:,.2f} GB in {found['files'].sum():,} files that are read today."
    )
    columns = {
        "table": "Table",
        "rows": number("Rows", format="localized"),
        "megabytes": number("Size, MB", format="%.1f"),
        "files": number("Files", format="localized"),
        "version": number("Version"),
        "changed": st.column_config.DatetimeColumn("Last change (UTC)", format=WHEN),
        "problem": st.column_config.TextColumn("Problem", width="large"),
    }
    page.table(found, columns, "tables", height=900)
