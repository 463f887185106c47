"""From landed JSON to rows of `models`: Spark functions over declared schemas, no Python a row.

Everything in a record is an uploader's word. Scalars are declared as strings and cast without complaint, so that a
wrong type costs that field and not the record; a record without a usable id or revision is refused.
"""

from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from etl.lake.schemas import FILE, HUB_RECORDS, MODELS
from etl.models.lineage import base_models
from etl.models.names import SAFE_ID, UNSAFE_ID, UNSAFE_PATH

PAGE_LINE = "page int, position int, fetched_at timestamp, record string"
"""A line of a landed page; the record stays JSON text."""
DETAIL_LINE = "model_id string, outcome string, message string, detail string"
"""A line of a landed batch of details."""

_RECORD = (
    "_id string, id string, author string, sha string, createdAt string, lastModified string, gated string, "
    "disabled string, downloads string, likes string, library_name string, pipeline_tag string, "
    "tags array<string>, siblings array<struct<rfilename: string, size: string, lfs: struct<sha256: string>>>, "
    "cardData struct<license: string, license_name: string, base_model: string, base_model_relation: string>, "
    "config struct<diffusers: struct<_class_name: string>>"
)
_DETAIL = f"outcome string, info struct<{_RECORD}>, model_index string"

WEIGHTS = r"(?i)\.(safetensors|bin|ckpt|pt|pth|msgpack|onnx|gguf)$"
_REVISION = r"\A[0-9a-f]{40}\z"
_CLASS_NAME = r"\A[A-Za-z_][A-Za-z0-9_]{0,99}\z"
_LONGEST_TAG = 500
"""Longer tags are left out of `models`; the record has them."""


def hub_records(pages: DataFrame, details: DataFrame, crawl_id: str) -> DataFrame:
    """Return the rows of `hub_records` of one crawl: the first record of each id, with its detail.

    Records without an id have a null model_id here; `unreadable` makes rejects of them.
    """
    named = pages.withColumn("model_id", F.get_json_object("record", "$.id"))
    place = F.struct("page", "position")
    first = named.groupBy("model_id").agg(
        F.min_by(F.struct("page", "position", "record", "fetched_at"), place).alias("first")
    )
    asked = details.select("model_id", "detail").dropDuplicates(["model_id"])
    rows = first.select("model_id", "first.*").join(asked, on="model_id", how="left")
    return rows.withColumn("crawl_id", F.lit(crawl_id)).select(*HUB_RECORDS.columns)


def unreadable(pages: DataFrame, crawl_id: str) -> DataFrame:
    """Return the rejects (key, sha256, code, detail) of landed records that name no model."""
    nameless = pages.where(F.get_json_object("record", "$.id").isNull())
    return nameless.select(
        F.format_string(f"{crawl_id}/page-%05d/%d", "page", "position").alias("key"),
        F.sha2(F.coalesce("record", F.lit("")), 256).alias("sha256"),
        F.lit("BAD_RECORD").alias("code"),
        F.concat(F.lit("no id: "), F.coalesce(F.substring("record", 1, 200), F.lit("null"))).alias("detail"),
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
    record, detail = F.from_json("record", _RECORD), F.from_json("detail", _DETAIL)
    parsed = records.select(
        F.col("model_id").alias("listed_id"),
        F.col("fetched_at").alias("seen_at"),
        detail["outcome"].alias("outcome"),
        detail["model_index"].alias("model_index"),
        F.coalesce(detail["info"], record).alias("said"),
        F.coalesce(detail["outcome"].isin("OK", "RENAMED"), F.lit(False)).alias("detailed"),
        F.coalesce(detail["outcome"] == "GONE", F.lit(False)).alias("gone"),
    )
    parsed = parsed.select("*", *_columns()).drop("said", "outcome")
    parsed = _one_a_model(parsed)
    return parsed.select("*", *_judgement()).drop("rank")


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


def _columns() -> list[Column]:
    """The columns of `models` that a record alone decides."""
    said, outcome = F.col("said"), F.col("outcome")
    tags = F.filter(said["tags"], lambda tag: F.length(tag) <= _LONGEST_TAG)
    files = F.array_sort(F.transform(_whole(said["siblings"]), _file))
    weights = F.filter(files, lambda file: file["path"].rlike(WEIGHTS))
    asked = outcome.isin("OK", "RENAMED")
    card = said["cardData"]
    bases = base_models(said["id"], tags, card["base_model"], card["base_model_relation"])
    columns = {
        "model_id": F.coalesce(said["id"], F.col("listed_id")),
        "revision": said["sha"],
        "hub_id": said["_id"],
        "author": F.coalesce(said["author"], F.regexp_extract(said["id"], r"^([^/]+)/", 1)),
        "licence": _licence(tags, card),
        "gated": F.when(outcome == "GATED", _gate(said["gated"], "manual")).otherwise(_gate(said["gated"], "no")),
        "disabled": F.coalesce(said["disabled"].try_cast("boolean"), F.lit(False))
        | F.coalesce(outcome == "DISABLED", F.lit(False)),
        "nsfw": F.coalesce(F.array_contains(tags, "not-for-all-audiences"), F.lit(False)),
        "library": said["library_name"],
        "pipeline_tag": said["pipeline_tag"],
        "pipeline_class": _pipeline_class(F.col("model_index"), said["config"], tags),
        "base_models": bases,
        "files": files,
        "weight_files": weights,
        "weight_bytes": F.when(asked, _total_size(weights)),
        "tags": tags,
        "downloads": said["downloads"].try_cast("bigint"),
        "likes": said["likes"].try_cast("bigint"),
        "created_at": _date(said["createdAt"]),
        "last_modified": _date(said["lastModified"]),
    }
    return [column.cast(MODELS.schema[name].dataType).alias(name) for name, column in columns.items()]


def _file(sibling: Column) -> Column:
    size, sha256 = sibling["size"].try_cast("bigint"), sibling["lfs"]["sha256"]
    return F.struct(sibling["rfilename"].alias("path"), size.alias("size"), sha256.alias("sha256")).cast(FILE)


def _whole(siblings: Column) -> Column:
    return F.filter(siblings, lambda sibling: sibling["rfilename"].isNotNull())


def _total_size(files: Column) -> Column:
    sizes = F.transform(files, lambda file: F.coalesce(file["size"], F.lit(0)))
    return F.coalesce(F.aggregate(sizes, F.lit(0).cast("bigint"), lambda total, size: total + size), F.lit(0))


def _gate(gated: Column, otherwise: str) -> Column:
    """`gated` is false, "auto" or "manual" on the Hub."""
    return F.when(gated.isin("auto", "manual"), gated).when(gated == "true", "manual").otherwise(otherwise)


def _licence(tags: Column, card: Column) -> Column:
    """The licence's name in lower case; several joined by commas; the card's own name where it says "other"."""
    tagged = F.transform(
        F.filter(tags, lambda tag: tag.startswith("license:")), lambda tag: F.substr(tag, F.lit(9))
    )
    in_card = F.when(card["license"].startswith("["), F.from_json(card["license"], "array<string>")).otherwise(
        F.array(card["license"])
    )
    names = F.array_join(F.when(F.size(tagged) > 0, tagged).otherwise(in_card), ",")
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


def _one_a_model(parsed: DataFrame) -> DataFrame:
    """Rank the records that stand for one model: its own first, then those of its former names."""
    same = Window.partitionBy("model_id").orderBy(F.col("listed_id") != F.col("model_id"), "listed_id")
    return parsed.withColumn("rank", F.row_number().over(same))


def _judgement() -> list[Column]:
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
        (F.col("rank") > 1, "RENAMED", F.concat(F.lit("now "), F.col("model_id"))),
    ]
    code, problem = F.lit(None).cast("string"), F.lit(None).cast("string")
    for condition, name, words in reversed(rules):
        code, problem = (
            F.when(condition, name).otherwise(code),
            F.when(condition, words).otherwise(problem),
        )
    return [code.alias("code"), problem.alias("problem")]
