"""A table as a file that a browser downloads."""

import io

import polars as pl


def csv(rows: pl.DataFrame) -> bytes:
    """Return the rows as CSV can hold them: lists as text, no bytes, no cell that a spreadsheet would run."""
    nested = [name for name, kind in rows.schema.items() if kind.is_nested()]
    kept = rows.drop([name for name, kind in rows.schema.items() if kind == pl.Binary])
    flat = kept.with_columns(pl.col(n).map_elements(lambda v: str(list(v)), pl.String) for n in nested)
    risky = pl.col(pl.String).str.contains(r"^[=+\-@\t\r]")
    safe = flat.with_columns(pl.when(risky).then("'" + pl.col(pl.String)).otherwise(pl.col(pl.String)).name.keep())
    return safe.write_csv(None).encode()


def parquet(rows: pl.DataFrame) -> bytes:
    """Return the rows as they are."""
    file = io.BytesIO()
    rows.write_parquet(file)
    return file.getvalue()
