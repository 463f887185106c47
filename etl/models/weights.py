"""Which weight files of a repository a pipeline is loaded from, and one hash for all of them.

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
    component the safetensors files count, and what else it has where it has none.
    """
    return let(F.from_json(model_index, "map<string, string>"), lambda index: _hash(index, weight_files))


def folder(file: Column) -> Column:
    """Return the folder of a file that lies in one of the repository's own, empty for others."""
    return F.regexp_extract(file["path"], _FOLDER, 1)


def is_component(index: Column, name: Column) -> Column:
    """Whether the folder `name` holds a component that sampling loads; `index` is model_index.json as a map."""
    return F.coalesce(F.map_contains_key(index, name), F.lit(False)) & (name != LEFT_OUT)


def is_safe(file: Column) -> Column:
    """Whether a weight file can be loaded without running what it holds."""
    return file["path"].endswith(".safetensors")


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
    hashes = F.array_sort(F.array_distinct(counted["sha"]))
    complete = (F.size(files) > 0) & (F.size(absent) == 0) & F.forall(hashes, lambda value: value.isNotNull())
    return F.when(complete, F.sha2(F.array_join(hashes, ","), 256))
