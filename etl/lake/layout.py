"""How a table lies on disk, from its Delta log alone, and which rewrite of its files is worth its cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa

from etl.lake import snapshot
from etl.lake.schemas import Table

CLUSTERED = "clustered"
"""What a clustering's commit carries as user metadata."""
_MOST_OVERLAP = 4.0
"""Files of the target size that a reader of one generator may have to look into before a clustering pays."""
_FEWEST = 4
"""Small files from which a compaction is worth a commit and the old files' space until the next vacuum."""
_LAST = "\U0010ffff"
_SHORTENED = 32
"""Characters to which Delta cuts the words in its statistics (delta-rs: 64)."""
_REARRANGED = {"VACUUM START", "VACUUM END", "SET TBLPROPERTIES", "OPTIMIZE"}
"""Operations that bring no rows."""

Bound = tuple[str, str]


class Rewrite(StrEnum):
    """What to do with a table's files."""

    NONE = "none"
    COMPACT = "compact"
    CLUSTER = "cluster"


@dataclass(frozen=True)
class LiveFile:
    """One file of a table's newest version, with the range of the clustering columns that it may hold."""

    path: str
    size: int
    rows: int | None
    lower: Bound = ("", "")
    upper: Bound = (_LAST, _LAST)


def live(root: str, table: Table) -> list[LiveFile]:
    """Return the files of the table's newest version. Raises as `snapshot.open_table`."""
    actions = pa.table(snapshot.open_table(root, table).get_add_actions(flatten=True)).to_pylist()
    return [
        LiveFile(action["path"], action["size_bytes"], action["num_records"], *_range(table, action))
        for action in actions
    ]


def overlap(files: Sequence[LiveFile], target: int) -> float:
    """Return how many files of `target` bytes lie over one place of the clustering's order, on average.

    About 1 where files follow each other, as many as there are where each spans everything.
    """
    over = [sum(f.size for f in files if f.lower <= at.lower <= f.upper) / target for at in files]
    return sum(over) / len(over) if over else 0.0


def rewrite(root: str, table: Table, target: int) -> Rewrite:
    """Return which rewrite of the table's files to `target` bytes is worth it.

    Few large files are left alone. A clustered table is sorted where that costs hardly more than compacting, which
    would move most bytes as well, or where readers have to look into many files; else only its small files are put
    together, since sorting moves the whole table.
    """
    files = live(root, table)
    small = [file for file in files if file.size < target / 2]
    is_scattered = len(small) >= _FEWEST
    if table.clustered_by:
        if is_scattered and sum(file.size for file in small) * 2 >= sum(file.size for file in files):
            return Rewrite.CLUSTER
        if overlap(files, target) > _MOST_OVERLAP and not _is_clustered_already(root, table):
            return Rewrite.CLUSTER
    return Rewrite.COMPACT if is_scattered else Rewrite.NONE


def _range(table: Table, action: dict[str, object]) -> tuple[Bound, Bound]:
    """Return the least and the greatest value of the two clustering columns in a file, as far as statistics tell.

    The second column's range counts where the file holds one value of the first only. Nulls come first.
    """
    if len(table.clustered_by) != 2 or action["num_records"] is None:
        return ("", ""), (_LAST, _LAST)
    first, second = table.clustered_by
    nulls = action.get(f"null_count.{first}")
    least, greatest = action.get(f"min.{first}"), action.get(f"max.{first}")
    if nulls == action["num_records"]:
        least = greatest = ""
    elif nulls:
        least = ""
    least, greatest = "" if least is None else str(least), _LAST if greatest is None else str(greatest)
    if not _is_one(least, greatest):
        return (least, ""), (greatest, _LAST)
    low, high = action.get(f"min.{second}"), action.get(f"max.{second}")
    return (least, str(low or "")), (least, _LAST if high is None else str(high))


def _is_one(least: str, greatest: str) -> bool:
    """Whether a range holds one value, also where both ends are cut: the upper one's last character is raised."""
    cut = _SHORTENED - 1
    return least == greatest or (len(least) > cut and least[:cut] == greatest[:cut])


def _is_clustered_already(root: str, table: Table) -> bool:
    """Whether no rows came since the last clustering: it would end as it is."""
    for commit in snapshot.open_table(root, table).history(50):
        if commit.get("userMetadata") == CLUSTERED:
            return True
        if commit.get("operation") not in _REARRANGED:
            return False
    return False
