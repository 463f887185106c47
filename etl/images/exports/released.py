"""Parquet files with the columns of the released Community Forensics, as its parts Small and Eval have them.

Where a generator's id or a data set's name would be taken for another one on the way back, it stands behind a
colon, or with its kind before it.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from etl.durable import replaced
from etl.images.exports.form import Row, file_name, parts
from etl.images.sources.records import KINDS, absent, name_of
from etl.images.sources.released import generator_named, real_named

SCHEMA = pa.schema(
    [
        ("image_name", pa.string()),
        ("format", pa.string()),
        ("resolution", pa.list_(pa.int64())),
        ("mode", pa.string()),
        ("image_data", pa.binary()),
        ("model_name", pa.string()),
        ("nsfw_flag", pa.string()),
        ("prompt", pa.string()),
        ("real_source", pa.string()),
        ("subset", pa.string()),
        ("split", pa.string()),
        ("label", pa.int64()),
        ("architecture", pa.string()),
    ]
)
_SUBSETS = {"hub": "Systematic", "manual": "Manual", "commercial": "Commercial"}
_REAL = "Real"
"""Small's word for the subset and the architecture of reals."""


class Released:
    """data/<split>-<number>-of-<numbers>.parquet."""

    name = "released"
    splits = "data/{split}-*.parquet"
    notes = """\
    forensics ingest --source released --path . --collection NAME

The columns are those of the released Community Forensics. They have no room for an image's licence and author, nor
for the seed, the steps and the guidance of a fake. `image_name` is the image's id in the lake that it came from;
`model_name` of a real is its data set. A name that begins with a colon is the one after it, to the letter."""

    def holds(self, folder: Path, shard: str) -> bool:
        return self._path(folder, shard).exists()

    def write(self, folder: Path, shard: str, rows: Iterator[Row]) -> int:
        count = 0
        with (
            replaced(self._path(folder, shard)) as unfinished,
            pq.ParquetWriter(unfinished, SCHEMA, compression="none") as file,
        ):
            for part in parts(rows):
                file.write_table(pa.Table.from_pylist([_row(row) for row in part], schema=SCHEMA))
                count += len(part)
        return count

    def finish(self, folder: Path, shards: Sequence[str]) -> None:
        """Nothing is left to do."""

    def _path(self, folder: Path, shard: str) -> Path:
        return folder / "data" / f"{shard}.parquet"


def model_name(generator_id: str, subset: str, architecture: str | None) -> str:
    """Return the name by which the released data call a generator, if that leads back to this id."""
    kind, colon, rest = generator_id.partition(":")
    bare = rest if colon and kind in KINDS else generator_id
    leads_back = generator_named(bare, subset, architecture)[0] == generator_id and not absent(bare)
    return bare if leads_back else name_of(generator_id)


def data_set(real_source: str | None) -> str | None:
    """Return a data set's name as it is read back to the letter."""
    if real_source is None:
        return None
    return real_source if real_named(real_source) == real_source and not absent(real_source) else f":{real_source}"


def _row(row: Row) -> dict[str, Any]:
    source = data_set(row["real_source"])
    words: dict[str, Any] = {"model_name": source, "subset": _REAL, "architecture": _REAL}
    if row["label"] == 1:
        subset = _SUBSETS.get(row["kind"], "Imported")
        name = model_name(row["generator_id"], subset, row["architecture"])
        words = {"model_name": name, "subset": subset, "architecture": row["architecture"]}
    return words | {
        "image_name": file_name(row),
        "format": row["format"],
        "resolution": [row["width"], row["height"]],
        "mode": row["mode"],
        "image_data": row["bytes"],
        "nsfw_flag": None if row["nsfw"] is None else str(row["nsfw"]).lower(),
        "prompt": row["prompt"],
        "real_source": source,
        "split": row["split"],
        "label": row["label"],
    }
