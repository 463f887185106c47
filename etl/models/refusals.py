"""What is refused of a crawl, and why: records that name no model, models that must not be taken, single fields.

Spark functions over landed pages and over the rows of `records.parse`; each reject is (key, sha256, code, detail).
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from etl.models.names import SAFE_ID, UNSAFE_ID, UNSAFE_PATH

_REVISION = r"\A[0-9a-f]{40}\z"
_CONTAINERS = ("tags", "siblings", "cardData", "config")
_SCALARS = {
    **{"downloads": "bigint", "likes": "bigint", "disabled": "boolean"},
    **{"createdAt": "timestamp", "lastModified": "timestamp"},
}


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


def refused(parsed: DataFrame) -> DataFrame:
    """Return the rejects (key, sha256, code, detail) among parsed rows, and of fields alone (BAD_FIELD)."""
    left_out = F.concat(F.lit("of another type than the Hub's, left out: "), F.array_join("left_out", ", "))
    return parsed.where(F.col("code").isNotNull() | (F.size("left_out") > 0)).select(
        F.substring("listed_id", 1, 300).alias("key"),
        F.lit("").alias("sha256"),
        F.coalesce("code", F.lit("BAD_FIELD")).alias("code"),
        F.coalesce("problem", left_out).alias("detail"),
    )


def left_out(said: Column) -> Column:
    """The names of a record's fields that hold something, but nothing of their type.

    The containers are read again, as text, only where one of them came out null.
    """
    text = F.from_json("record", ", ".join(f"{name} string" for name in _CONTAINERS))
    nulls = [said[name].isNull() for name in _CONTAINERS]
    wrong = [F.when(said[name].isNull() & text[name].isNotNull(), name) for name in _CONTAINERS]
    containers = F.when(reduce(or_, nulls), F.array(*wrong)).otherwise(F.array())
    scalars = [
        F.when(said[name].isNotNull() & said[name].try_cast(kind).isNull(), name)
        for name, kind in _SCALARS.items()
    ]
    return F.array_compact(F.concat(containers, F.array(*scalars)))


def former_names(records: DataFrame) -> DataFrame:
    """Return the listed ids (`former`) whose model stands in the crawl under another id already.

    Of several names of one model its own is kept, else the first in the alphabet.
    """
    outcome, target = F.get_json_object("detail", "$.outcome"), F.get_json_object("detail", "$.info.id")
    renamed = records.where(outcome == "RENAMED").select(F.col("model_id").alias("former"), target.alias("own"))
    listed = records.select(F.col("model_id").alias("own"), F.lit(True).alias("is_listed"))
    first = renamed.groupBy("own").agg(F.min("former").alias("first"))
    known = renamed.join(listed, on="own", how="left").join(first, on="own")
    return known.where(F.col("is_listed") | (F.col("former") != F.col("first"))).select("former")


def judgement() -> dict[str, Column]:
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
