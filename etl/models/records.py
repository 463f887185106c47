"""From landed JSON to rows of `models`: Spark functions over declared schemas, no Python a row.

Everything in a record is an uploader's word. Scalars are declared as strings and cast without complaint, so that a
wrong type costs that field and not the record; a record without a usable id or revision is refused.
"""

from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from etl.lake.schemas import FILE, HUB_RECORDS, MODELS
from etl.models.declared import base_models
from etl.models.names import SAFE_ID, UNSAFE_ID, UNSAFE_PATH
from etl.models.weights import weights_sha256

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
_REVISION = r"\A[0-9a-f]{40}\z"
_CLASS_NAME = r"\A[A-Za-z_][A-Za-z0-9_]{0,99}\z"
_PARSED = [
    c for c in MODELS.columns if c not in ("first_crawl", "first_seen", "last_seen", "is_current", "withdrawn_at")
]
_LONGEST_TAG = 500
"""Longer tags are left out of `models`; the record has them."""


def hub_records(pages: DataFrame, details: DataFrame, crawl_id: str) -> DataFrame:
    """Return the rows of `hub_records` of one crawl: the first record of each id, with its detail.

    `unusable` makes rejects of the others, but for those that another listing showed already.
    """
    first = pages.where(F.col("model_id").isNotNull() & ~F.col("again")).drop("walk", "again", "twice")
    asked = details.select("model_id", "detail").dropDuplicates(["model_id"])
    rows = first.join(asked, on="model_id", how="left")
    return rows.withColumn("crawl_id", F.lit(crawl_id)).select(*HUB_RECORDS.columns)


def unusable(pages: DataFrame, crawl_id: str) -> DataFrame:
    """Return the rejects (key, sha256, code, detail) of records that name no model, or one that their walk had."""
    nameless = F.col("model_id").isNull()
    found = pages.where(nameless | F.col("twice"))
    return found.select(
        F.format_string(f"{crawl_id}/page-%05d/%d", "page", "position").alias("key"),
        F.sha2(F.coalesce("record", F.lit("")), 256).alias("sha256"),
        F.when(nameless, "BAD_RECORD").otherwise("DUPLICATE").alias("code"),
        F.when(nameless, F.concat(F.lit("no id: "), F.coalesce(F.substring("record", 1, 200), F.lit("null"))))
        .otherwise(F.concat(F.substring("model_id", 1, 300), F.lit(" was listed before; the first record stands")))
        .alias("detail"),
    )


def outcomes(details: DataFrame, problems: Sequence[Mapping[str, str]]) -> DataFrame:
    """Return the rejects of a crawl's calls: models whose details did not come, and listings that ended early."""
    failed = details.where(F.col("outcome") != "OK").select(
        F.substring("model_id", 1, 300).alias("key"),
        F.lit("").alias("sha256"),
        F.col("outcome").alias("code"),
        F.col("message").alias("detail"),
    )
    ended = [(problem["key"], "", problem["code"], problem["detail"]) for problem in problems]
    return failed.unionByName(details.sparkSession.createDataFrame(ended, failed.schema))


def parse(records: DataFrame) -> DataFrame:
    """Return one row a record: what `models` has of it, and `code` and `problem` where it is refused.

    Also listed_id (under which the listing shows it), seen_at, detailed (its files were asked for in this crawl)
    and gone. A repository that was renamed stands under its new id.
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
    former = F.broadcast(_former_names(records))
    parsed = parsed.join(former, parsed["listed_id"] == former["former"], how="left").withColumns(_judgement())
    return parsed.select("listed_id", "seen_at", "detailed", "gone", "code", "problem", *_PARSED)


def accepted(parsed: DataFrame) -> DataFrame:
    """Return the parsed rows that are not refused."""
    return parsed.where(F.col("code").isNull()).drop("code", "problem", "listed_id")


def refused(parsed: DataFrame) -> DataFrame:
    """Return the rejects (key, sha256, code, detail) among parsed rows."""
    return parsed.where(F.col("code").isNotNull()).select(
        F.substring("listed_id", 1, 300).alias("key"),
        F.lit("").alias("sha256"),
        "code",
        F.col("problem").alias("detail"),
    )


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
        "weight_bytes": F.when(F.col("detailed"), _total_size(F.col("weight_files"))),
        "downloads": said["downloads"].try_cast("bigint"),
        "likes": said["likes"].try_cast("bigint"),
        "created_at": _date(said["createdAt"]),
        "last_modified": _date(said["lastModified"]),
    }
    return {name: column.cast(MODELS.schema[name].dataType) for name, column in columns.items()}


def _file(sibling: Column) -> Column:
    size, sha256 = sibling["size"].try_cast("bigint"), sibling["lfs"]["sha256"]
    return F.struct(sibling["rfilename"].alias("path"), size.alias("size"), sha256.alias("sha256")).cast(FILE)


def _total_size(files: Column) -> Column:
    sizes = F.transform(files, lambda file: F.coalesce(file["size"], F.lit(0)))
    return F.coalesce(F.aggregate(sizes, F.lit(0).cast("bigint"), lambda total, size: total + size), F.lit(0))


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
    return F.when(F.length(named) > 0, F.lower(F.substring(named, 1, 200)))


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


def _former_names(records: DataFrame) -> DataFrame:
    """Return the listed ids (`former`) whose model stands in the crawl under another id already.

    Of several names of one model its own is kept, else the first in the alphabet.
    """
    outcome, target = F.get_json_object("detail", "$.outcome"), F.get_json_object("detail", "$.info.id")
    renamed = records.where(outcome == "RENAMED").select(F.col("model_id").alias("former"), target.alias("own"))
    listed = records.select(F.col("model_id").alias("own"), F.lit(True).alias("is_listed"))
    first = renamed.groupBy("own").agg(F.min("former").alias("first"))
    known = renamed.join(listed, on="own", how="left").join(first, on="own")
    return known.where(F.col("is_listed") | (F.col("former") != F.col("first"))).select("former")


def _judgement() -> dict[str, Column]:
    """`code` and `problem` of a row: the first that applies, null where nothing does."""
    unsafe = F.element_at(F.filter(F.col("files.path"), lambda path: path.rlike(UNSAFE_PATH)), 1)
    folded = F.transform("files", lambda file: F.lower(file["path"]))
    rules = [
        (
            ~F.col("model_id").rlike(SAFE_ID) | F.col("model_id").rlike(UNSAFE_ID),
            "UNSAFE_NAME",
            F.lit("the id could name another place than the repository's own folder"),
        ),
        (
            F.exists(F.col("files.path"), lambda path: path.rlike(UNSAFE_PATH)),
            "UNSAFE_NAME",
            F.concat(F.lit("unsafe file name: "), F.substring(unsafe, 1, 200)),
        ),
        (
            F.size(F.array_distinct(folded)) < F.size("files"),
            "UNSAFE_NAME",
            F.lit("two file names differ in case only"),
        ),
        (
            F.coalesce(~F.col("revision").rlike(_REVISION), F.lit(True)),
            "BAD_RECORD",
            F.lit("no revision, or not a commit id"),
        ),
        (F.col("former").isNotNull(), "RENAMED", F.concat(F.lit("now "), F.col("model_id"))),
    ]
    code, problem = F.lit(None).cast("string"), F.lit(None).cast("string")
    for condition, name, words in reversed(rules):
        code, problem = (
            F.when(condition, name).otherwise(code),
            F.when(condition, words).otherwise(problem),
        )
    return {"code": code, "problem": problem}
