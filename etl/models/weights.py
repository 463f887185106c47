"""Which weight files of a repository a pipeline or an adapter is loaded from, and one hash for all of them.

Copies under other names and revisions that only edit a card have the same hash; a fine-tune has another.
"""

from collections.abc import Callable

from pyspark.sql import Column
from pyspark.sql import functions as F

LEFT_OUT = "safety_checker"
"""The one component that sampling never loads: it blackens what it dislikes, so the label would be wrong."""
_FOLDER = r"^([^/]+)/[^/]+$"
_MODEL_OF_DIFFUSERS = r'^\[\s*"diffusers"\s*,\s*"(?!\w*Scheduler")'
"""A component that has weights, as model_index.json names it; of other libraries' one cannot tell by the name."""


def weights_sha256(model_index: Column, weight_files: Column) -> Column:
    """Return one SHA-256 for the set of the SHA-256 of the files that the pipeline's weights are loaded from.

    Null unless every such file has a hash and every model of diffusers that the index names has a file:
    repositories that lack their denoiser would else look like copies by the text encoder that they share. Of a
    component the safetensors files count, and what else it has where it has none. Without an index, thus of an
    adapter or a single file, the safetensors beside the card count.
    """
    of_pipeline = let(F.from_json(model_index, "map<string, string>"), lambda index: _hash(index, weight_files))
    beside = F.filter(weight_files, is_beside_card)
    hashes = F.transform(beside, lambda file: file["sha256"])
    return F.when(model_index.isNull(), _joined(hashes, F.size(beside) > 0)).otherwise(of_pipeline)


def folder(file: Column) -> Column:
    """Return the folder of a file that lies in one of the repository's own, empty for others."""
    return F.regexp_extract(file["path"], _FOLDER, 1)


def is_component(index: Column, name: Column) -> Column:
    """Whether the folder `name` holds a component that sampling loads; `index` is model_index.json as a map."""
    return F.coalesce(F.map_contains_key(index, name), F.lit(False)) & (name != LEFT_OUT)


def is_safe(file: Column) -> Column:
    """Whether a weight file can be loaded without running what it holds."""
    return file["path"].endswith(".safetensors")


def is_beside_card(file: Column) -> Column:
    """Whether a weight file is one that an adapter is loaded from: safetensors, in no folder."""
    return is_safe(file) & ~file["path"].contains("/")


def total_bytes(files: Column) -> Column:
    """Return the sum of the files' sizes; an unknown size counts as none, unknown files as no file."""
    sizes = F.transform(files, lambda file: F.coalesce(file["size"], F.lit(0)))
    return F.coalesce(F.aggregate(sizes, F.lit(0).cast("bigint"), lambda total, size: total + size), F.lit(0))


def let(value: Column, use: Callable[[Column], Column]) -> Column:
    """Return `use(value)` with `value` computed once, however often it stands in the expression."""
    return F.get(F.transform(F.array(value), use), F.lit(0))


def _hash(index: Column, weight_files: Column) -> Column:
    named = F.transform(
        weight_files,
        lambda file: F.struct(
            folder(file).alias("folder"), is_safe(file).alias("safe"), file["sha256"].alias("sha")
        ),
    )
    return let(
        F.filter(named, lambda file: is_component(index, file["folder"])), lambda files: _hash_of(index, files)
    )


def _hash_of(index: Column, files: Column) -> Column:
    safe = F.filter(files, lambda file: file["safe"])["folder"]
    counted = F.filter(files, lambda file: file["safe"] | ~F.array_contains(safe, file["folder"]))
    models = F.map_filter(index, lambda key, value: ~key.startswith("_") & value.rlike(_MODEL_OF_DIFFUSERS))
    absent = F.array_except(F.map_keys(models), files["folder"])
    return _joined(counted["sha"], (F.size(files) > 0) & (F.size(absent) == 0))


def _joined(hashes: Column, complete: Column) -> Column:
    """One hash of hashes; null unless `complete` and all are known."""
    known = complete & F.forall(hashes, lambda value: value.isNotNull())
    return F.when(known, F.sha2(F.array_join(F.array_sort(F.array_distinct(hashes)), ","), 256))
