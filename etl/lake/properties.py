"""The tables' Delta properties: setting what older tables lack, lifting the ban on removals for a rewrite."""

import contextlib
from collections.abc import Iterator

from etl.lake import snapshot
from etl.lake.lock import table_lock
from etl.lake.schemas import Table

_APPEND_ONLY = "delta.appendOnly"


def lacking(root: str, table: Table) -> dict[str, str]:
    """Return the declared properties that a table made by an older version, or left by a kill, has not."""
    there = snapshot.open_table(root, table).metadata().configuration
    return {key: value for key, value in table.properties.items() if there.get(key) != value}


def set_lacking(root: str, table: Table) -> bool:
    """Set the declared properties that the table lacks, as one commit; return whether there were any."""
    with table_lock(root, table.name):
        wanted = lacking(root, table)
        if wanted:
            snapshot.delta_table(root, table).alter.set_table_properties(wanted)
        return bool(wanted)


@contextlib.contextmanager
def removals_allowed(root: str, table: Table) -> Iterator[None]:
    """Let rows of an append-only table be rewritten within the block.

    After a kill in it the property stays lifted until the next block or `forensics maintain`: the lake's own
    writers keep to the declaration without it.
    """
    if not table.append_only:
        yield
        return
    with table_lock(root, table.name):
        snapshot.delta_table(root, table).alter.set_table_properties({_APPEND_ONLY: "false"})
        try:
            yield
        finally:
            snapshot.delta_table(root, table).alter.set_table_properties({_APPEND_ONLY: "true"})
