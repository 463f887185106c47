"""A grid of thumbnails as one component: 48 Streamlit images with a button each would take seconds to draw.

The browser's part makes elements by the DOM's own methods and sets texts as text, so that no name or prompt
becomes markup. A click, or Enter on a tile that has the focus, tells its image's id.
"""

import base64
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

_HERE = Path(__file__).parent


def show(rows: pl.DataFrame, key: str, edge: int = 118) -> str | None:
    """Show tiles; return the id of the one that was clicked in this run.

    `rows` have image_id, jpeg (null: an empty tile), label (1 fake, 0 real), and may have `name` (a line under the
    tile), `note` (a second, fainter one) and `hidden` (why there is no picture). `edge` is the least width of a
    tile in pixels.
    """
    tiles = [_tile(row) for row in rows.iter_rows(named=True)]
    data = {"tiles": tiles, "edge": edge, "later": _later()}
    result = _component()(key=f"tiles-{key}", data=data, on_picked_change=lambda: None)
    picked = result.picked
    return str(picked) if picked in set(rows["image_id"]) else None


def _tile(row: dict[str, Any]) -> dict[str, str]:
    kind = "fake" if row["label"] else "real"
    name = row.get("name") or ""
    jpeg = row["jpeg"]
    return {
        "id": row["image_id"],
        "kind": kind,
        "name": name[:120],
        "note": (row.get("note") or "")[:120],
        "alt": f"{kind} image{f' by {name[:120]}' if name and row['label'] else ''}",
        "hidden": row.get("hidden") or "",
        "src": f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}" if jpeg else "",
    }


@lru_cache(maxsize=1)
def _later() -> list[str]:
    """Return the parts of Streamlit that draw tables and figures, for a browser to load once it has nothing to do.

    Pages of pictures need neither; whoever goes on to one that does need not wait seconds for Plotly.
    """
    folder = Path(st.__file__).parent / "static" / "static" / "js"
    found = [file.name for name in ("DataFrame", "PlotlyChart") for file in sorted(folder.glob(f"{name}.*.js"))]
    return [f"/static/js/{name}" for name in found]


def _component() -> Any:
    return st.components.v2.component(
        "forensics_tiles",
        js=(_HERE / "tiles.js").read_text(encoding="utf-8"),
        css=(_HERE / "tiles.css").read_text(encoding="utf-8"),
    )
