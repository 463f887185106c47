"""From landed JSON to rows of `models`: Spark functions over declared schemas, no Python a row.

Everything in a record is an uploader's word. Scalars are declared as strings and cast without complaint, so that a
wrong type costs that field and not the record; a record without a usable id or revision is refused.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from etl.lake.schemas import FILE, HUB_RECORDS, MODELS
from etl.models import refusals
from etl.models.declared import base_models
from etl.models.weights import total_bytes, weights_sha256

PAGE_LINE = (
    "page int, position int, walk int, fetched_at timestamp, model_id string, again boolean, twice boolean, "
    "record string"
)
"""A line of a landed page: its place, whether its id was landed before in this crawl (`again`) and even in this
walk (`twice`), and the record, which stays JSON text."""
DETAIL_LINE = "model_id string, outcome string, message string, detail string"
"""A line of a landed batch of details."""

_RECORD = (
    "_id string, id string, author string, sha string, createdAt string, lastModified string, gated string, "
    "disabled string, downloads string, likes string, library_name string, pipeline_tag string, "
    "tags array<string>, siblings array<struct<rfilename: string, size: string, lfs: struct<sha256: string>>>, "
    "cardData struct<license: string, license_name: string, base_model: string, base_model_relation: string>, "
    "config struct<diffusers: struct<_class_name: string>>"
)
_DETAIL = f"outcome string, info struct<{_RECORD}>, model_index string, scheduler string"

WEIGHTS = r"(?i)\.(safetensors|bin|ckpt|pt|pth|msgpack|onnx|gguf)$"
_CLASS_NAME = r"\A[A-Za-z_][A-Za-z0-9_]{0,99}\z"
_PARSED = [
    c for c in MODELS.columns if c not in ("first_crawl", "first_seen", "last_seen", "is_current", "withdrawn_at")
]
_LONGEST_TAG = 500
"""Longer tags are left out of `models`; the record has them."""


def hub_records(pages: DataFrame, details: DataFrame, crawl_id: str) -> DataFrame:
    """Return the rows of `hub_records` of one crawl: the first record of each id, with its detail.

    `refusals.unusable` makes rejects of the others, but for those that another listing showed already.
    """
    first = pages.where(F.col("model_id").isNotNull() & ~F.col("again")).drop("walk", "again", "twice")
    asked = details.select("model_id", "detail").dropDuplicates(["model_id"])
    rows = first.join(asked, on="model_id", how="left")
    return rows.withColumn("crawl_id", F.lit(crawl_id)).select(*HUB_RECORDS.columns)


def parse(records: DataFrame) -> DataFrame:
    """Return one row a record: what `models` has of it, and `code` and `problem` where it is refused.

    Also listed_id (under which the listing shows it), seen_at, detailed (its files were asked for in this crawl),
    gone, and left_out: the fields that the Hub never sends so, null in the row. A repository that was renamed
    stands under its new id.
    """
    # In steps, since what is used twice within one select is computed twice.
    steps: list[dict[str, Column]] = [
        {"asked": F.from_json("detail", _DETAIL)},
        {
            "listed_id": F.col("model_id"),
            "seen_at": F.col("fetched_at"),
            "outcome": F.col("asked")["outcome"],
            "model_index": F.col("asked")["model_index"],
            "scheduler_config": F.col("asked")["scheduler"],
            "said": F.coalesce(F.col("asked")["info"], F.from_json("record", _RECORD)),
        },
        {
            "detailed": F.coalesce(F.col("outcome").isin("OK", "RENAMED"), F.lit(False)),
            "gone": F.coalesce(F.col("outcome") == "GONE", F.lit(False)),
            "tags": _tags(F.col("said")),
            "files": _files(F.col("said")),
            "left_out": refusals.left_out(F.col("said")),
        },
        {
            "weight_files": _weights(F.col("files")),
            "licences": _licences(F.col("tags"), F.col("said")["cardData"]),
        },
        _columns(),
    ]
    parsed = records.drop("crawl_id", "page", "position")
    for step in steps:
        parsed = parsed.withColumns(step)
    former = F.broadcast(refusals.former_names(records))
    parsed = parsed.join(former, parsed["listed_id"] == former["former"], how="left").withColumns(
        refusals.judgement()
    )
    return parsed.select("listed_id", "seen_at", "detailed", "gone", "left_out", "code", "problem", *_PARSED)


def accepted(parsed: DataFrame) -> DataFrame:
    """Return the parsed rows that are not refused."""
    return parsed.where(F.col("code").isNull()).drop("code", "problem", "left_out", "listed_id")


def _tags(said: Column) -> Column:
    return F.filter(said["tags"], lambda tag: F.length(tag) <= _LONGEST_TAG)


def _files(said: Column) -> Column:
    named = F.filter(said["siblings"], lambda sibling: sibling["rfilename"].isNotNull())
    return F.array_sort(F.transform(named, _file))


def _weights(files: Column) -> Column:
    weights = F.filter(files, lambda file: file["path"].rlike(WEIGHTS))
    return weights.cast(MODELS.schema["weight_files"].dataType)


def _columns() -> dict[str, Column]:
    """The columns of `models` that a record alone decides, over those that `parse` adds before."""
    said, outcome, tags = F.col("said"), F.col("outcome"), F.col("tags")
    card = said["cardData"]
    columns = {
        "model_id": F.coalesce(said["id"], F.col("listed_id")),
        "revision": said["sha"],
        "hub_id": said["_id"],
        "author": F.coalesce(said["author"], F.regexp_extract(said["id"], r"^([^/]+)/", 1)),
        "licence": _licence(F.array_join("licences", ","), card),
        "gated": F.when(outcome == "GATED", _gate(said["gated"], "manual")).otherwise(_gate(said["gated"], "no")),
        "disabled": F.coalesce(said["disabled"].try_cast("boolean"), F.lit(False))
        | F.coalesce(outcome == "DISABLED", F.lit(False)),
        "nsfw": F.coalesce(F.array_contains(tags, "not-for-all-audiences"), F.lit(False)),
        "library": said["library_name"],
        "pipeline_tag": said["pipeline_tag"],
        "pipeline_class": _pipeline_class(F.col("model_index"), said["config"], tags),
        "base_models": base_models(said["id"], tags, card["base_model"], card["base_model_relation"]),
        "weights_sha256": weights_sha256(F.col("model_index"), F.col("weight_files")),
        "weight_bytes": F.when(F.col("detailed"), total_bytes(F.col("weight_files"))),
        "downloads": said["downloads"].try_cast("bigint"),
        "likes": said["likes"].try_cast("bigint"),
        "created_at": _date(said["createdAt"]),
        "last_modified": _date(said["lastModified"]),
    }
    return {name: column.cast(MODELS.schema[name].dataType) for name, column in columns.items()}


def _file(sibling: Column) -> Column:
    size, sha256 = sibling["size"].try_cast("bigint"), sibling["lfs"]["sha256"]
    return F.struct(sibling["rfilename"].alias("path"), size.alias("size"), sha256.alias("sha256")).cast(FILE)


def _gate(gated: Column, otherwise: str) -> Column:
    """`gated` is false, "auto" or "manual" on the Hub."""
    return F.when(gated.isin("auto", "manual"), gated).when(gated == "true", "manual").otherwise(otherwise)


def _licences(tags: Column, card: Column) -> Column:
    """The names of all licences that the tags declare, else those of the card."""
    tagged = F.filter(tags, lambda tag: tag.startswith("license:"))
    in_card = F.when(card["license"].startswith("["), F.from_json(card["license"], "array<string>")).otherwise(
        F.array(card["license"])
    )
    return F.when(F.size(tagged) > 0, F.transform(tagged, lambda tag: F.substr(tag, F.lit(9)))).otherwise(in_card)


def _licence(names: Column, card: Column) -> Column:
    """The licence's name in lower case; several joined by commas; the card's own name where it says "other"."""
    named = F.when((names == "other") & card["license_name"].isNotNull(), card["license_name"]).otherwise(names)
    return F.when(F.length(named) > 0, F.lower(F.substring(named, 1, 1000)))


def _pipeline_class(model_index: Column, config: Column, tags: Column) -> Column:
    """The class that model_index.json names, else the one that the Hub derived; null unless it is one name.

    A list there asks for code of the repository's own; JSON text of it starts with a bracket and is no name.
    """
    index = F.from_json(model_index, "map<string, string>")
    tag = F.filter(tags, lambda tag: tag.startswith("diffusers:"))
    derived = F.coalesce(config["diffusers"]["_class_name"], F.substr(F.try_element_at(tag, F.lit(1)), F.lit(11)))
    name = F.when(model_index.isNotNull(), index["_class_name"]).otherwise(derived)
    return F.when(name.rlike(_CLASS_NAME), name)


def _date(text: Column) -> Column:
    """A date after the day on which it was read is an uploader's, not the calendar's."""
    date = text.try_cast("timestamp")
    return F.when(date <= F.col("seen_at") + F.expr("INTERVAL 1 DAY"), date)
