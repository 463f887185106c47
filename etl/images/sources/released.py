"""Parquet files in the schema in which Community Forensics was released, with the quirks of each of its parts.

Systematic, Manual, PublicEval and Commercial lack `architecture` and have `nsfw_flag` as a boolean; Eval and Small
have both, as strings. Small's reals name their data set in `model_name`, in changing case; Eval's reals name there
the generator that they are judged beside. Images are read by the executors, a row group at a time.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from etl.images.decoding import Code, Refused
from etl.images.sources.entry import Entry, Found, Item, files_under, found, placed, refusal
from etl.images.sources.records import ARCHITECTURES, KINDS, absent, generator_of

BATCH = 16
"""Rows read at once: Eval's images are 4 MB on average."""

_FACTS = ("model_name", "real_source", "label", "split", "subset", "architecture")
_READ = ("image_data", "image_name", "nsfw_flag", "prompt", *_FACTS)

_GANS = (
    "gigagan biggan stylesanxl stylegan2 stylegan2-ada stylegan3 styleganxl styleswin progan projectedgan "
    "gansformer cips"
)
_KNOWN = {
    **{name: ("manual", "GAN") for name in _GANS.split()},
    **{name: ("manual", "PixDiff") for name in ("glide", "guideddiffusion", "deepfloyd")},
    **{name: ("manual", "LatDiff") for name in ("lfm", "dit", "vqdiffusion")},
    "tamingtransformers": ("manual", "Other"),
    **dict.fromkeys(
        (
            *("dalle2", "dalle3", "firefly-image2", "firefly-image3", "flux-dev", "flux-schnell", "ideogramv1"),
            *("ideogramv2", "imagen3", "midjourneyv5-2", "midjourneyv6-1"),
        ),
        ("commercial", "Commercial"),
    ),
}
"""Generators of the Manual and Commercial parts by name in lower case: their kind and the paper's class."""

_REALS = {
    re.sub(r"[^a-z0-9]", "", name.lower()): name
    for name in (
        *("LAION", "ImageNet", "COCO", "FFHQ", "CelebA", "MetFaces", "AFHQ-v2", "Forchheim", "IMD2020"),
        *("LandscapesHQ", "VISION", "RAISE"),
    )
} | {"lhq": "LandscapesHQ", "afhq": "AFHQ-v2", "mscoco": "COCO", "coco2017": "COCO"}


class Released:
    """A Parquet file of the released schema, or a folder of them."""

    def __init__(self, path: str, collection: str):
        self.path = Path(path)
        self.name = collection
        self.collection = collection
        self.named: dict[str, str] = {}
        """Generators of the fakes by name, learnt by `survey`: a real names its pair without saying its kind."""

    def survey(self) -> Iterator[tuple[Found, int]]:
        for entry in self.entries():
            if entry.get("code"):
                yield found(entry), 1
                continue
            try:
                counted = _counted(entry)
            except (OSError, pa.ArrowException):  # `open` will say so, a row each
                yield Found(None, code=Code.BAD_FILE.value), entry["rows"]
                continue
            for row in counted:
                count = row.pop("count_all")
                described = self._described(row)
                if "generator_id" in described:
                    self.named[str(row["model_name"]).strip()] = described["generator_id"]
                yield found(described), count

    def entries(self) -> Iterator[Entry]:
        for path in files_under(self.path, (".parquet",)):
            entry = placed(path, self.path)
            try:
                with pq.ParquetFile(entry["path"]) as file:
                    _require_columns(file.schema_arrow)
                    sizes = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
            except Refused as refused:
                yield refusal(entry, refused.code, refused.detail)
                continue
            except (OSError, pa.ArrowException) as error:
                yield refusal(entry, Code.BAD_FILE, f"no Parquet file that can be read: {error}")
                continue
            first = 0
            for part, rows in enumerate(sizes):
                yield entry | {"part": part, "rows": rows, "first": first}
                first += rows

    def open(self, entry: Entry) -> Iterator[Item]:
        number, end = entry["first"], entry["first"] + entry["rows"]
        try:
            # Buffered: without it a whole column of a row group, up to gigabytes of images, is read at once.
            with pq.ParquetFile(entry["path"], buffer_size=1 << 20, pre_buffer=False) as file:
                columns = [name for name in _READ if name in file.schema_arrow.names]
                for batch in file.iter_batches(BATCH, row_groups=[entry["part"]], columns=columns):
                    for row in batch.to_pylist():
                        if number == end:
                            return
                        yield self._item(f"{entry['key']}#{number}:{row.get('image_name') or ''}", row)
                        number += 1
        except (OSError, pa.ArrowException) as error:
            # The rest of the group is lost with its page: a row each, so that the count stays true.
            for lost in range(number, end):
                yield {"key": f"{entry['key']}#{lost}:"}, Refused(Code.BAD_FILE, str(error))

    def _item(self, key: str, row: dict[str, Any]) -> Item:
        data = row.pop("image_data")
        known = {"key": key} | self._described(row)
        if data is None:
            return known, Refused(Code.UNREADABLE, "image_data is null")
        return known, data

    def _described(self, row: dict[str, Any]) -> Entry:
        """Return what a row says, in the lake's terms."""
        name, source, split = (
            None if absent(row.get(n)) else str(row[n]).strip() for n in ("model_name", "real_source", "split")
        )
        entry: Entry = {
            "label": row["label"],
            "split": split,
            "prompt": None if absent(row.get("prompt")) else row["prompt"],
            "nsfw": _flag(row.get("nsfw_flag")),
            "real_source": real_named(source),
        }
        if row["label"] not in (0, 1) or (row["label"] and name is None):
            return refusal(entry, Code.UNLABELLED, "the label is not 0 or 1, or a fake has no model_name")
        if row["label"] == 1:
            generator_id, architecture = generator_named(str(name), row.get("subset"), row.get("architecture"))
            return entry | {"generator_id": generator_id, "architecture": architecture}
        if source is None:  # Small: the name is that of the data set
            return entry | {"real_source": real_named(name) or self.collection}
        paired = name is not None and real_named(name) != entry["real_source"] and name.lower() != "real"
        pair = self.named.get(str(name)) or generator_named(str(name), row.get("subset"), None)[0]
        return entry | {"pairs": [pair] if paired else None}


def _require_columns(schema: pa.Schema) -> None:
    """Raise Refused(BAD_FILE) where a needed column is missing or of another type."""
    for name, of_type in (("image_data", _is_binary), ("label", pa.types.is_integer), ("model_name", _is_text)):
        if name not in schema.names:
            raise Refused(Code.BAD_FILE, f"it lacks the column {name}")
        if not of_type(schema.field(name).type):
            raise Refused(Code.BAD_FILE, f"its column {name} is of type {schema.field(name).type}")


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def generator_named(name: str, subset: str | None, architecture: str | None) -> tuple[str, str | None]:
    """Return a generator's id and the paper's class, where known; as the exports write it, a name may be an id."""
    if "/" in name or name.startswith(":") or name.partition(":")[0] in KINDS:
        return str(generator_of(name)), ARCHITECTURES.get(str(architecture).lower())
    kind, class_ = _KNOWN.get(name.lower(), ("imported", None))
    if "commercial" in (str(subset).lower(), str(architecture).lower()):
        kind, class_ = "commercial", "Commercial"
    elif str(subset).lower() == "manual":
        kind = "manual"
    return f"{kind}:{name}", ARCHITECTURES.get(str(architecture).lower(), class_)


def real_named(name: str | None) -> str | None:
    """Return a data set's name in one spelling; behind a colon it is to the letter."""
    if name is not None and name.startswith(":"):
        return name[1:]
    return None if name is None else _REALS.get(re.sub(r"[^a-z0-9]", "", name.lower()), name)


def _flag(value: Any) -> bool | None:
    word = str(value).strip().lower()
    return True if word in ("true", "1") else False if word in ("false", "0") else None


def _counted(entry: Entry) -> list[dict[str, Any]]:
    """Return what rows of a row group say of class and maker, once each with their number; reads no images."""
    with pq.ParquetFile(entry["path"]) as file:
        columns = [name for name in _FACTS if name in file.schema_arrow.names]
        table = _plain(file.read_row_group(entry["part"], columns=columns))
    return list(table.group_by(columns).aggregate([([], "count_all")]).to_pylist())


def _plain(table: pa.Table) -> pa.Table:
    """Return dictionary columns as plain ones: pyarrow 14 does not group by dictionaries."""
    plain = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(plain))
