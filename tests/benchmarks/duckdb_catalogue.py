"""The catalogue's work in DuckDB: a landed crawl to bronze, models, rejects, generators and gold, as zstd Parquet.

    python tests/benchmarks/duckdb_catalogue.py --root LAKE --crawl-id 20260101T000000Z --out FOLDER

What `forensics catalogue` makes of a first crawl, with the same columns, codes and reasons in the same precedence,
written as someone at home in DuckDB would; there is no merge into earlier tables and no history. The lineage is
etl.models.lineage's own, which needs no engine. Prints the counts by which both sides are compared, as JSON.
"""

import argparse
import json
import re
from pathlib import Path
from string import Template

import duckdb
from duckdb_generators_sql import GENERATORS, GOLD, JUDGED
from duckdb_models_sql import BRONZE, DETAIL, MACROS, PARSED, RECORD

from etl.models import names
from etl.models.families import ADAPTABLE, ARCHITECTURES, COMPONENT_LIBRARIES, PIPELINES, SAMPLED
from etl.models.landing import Landing
from etl.models.lineage import SCHEMA, resolve
from etl.models.records import WEIGHTS
from etl.models.settings import Policy

THREADS, MEMORY = 2, "8GB"
_AROUND = r"""^[\s\x{a0}\x{200b}"''\x60]+|[\s\x{a0}\x{200b}"''\x60]+$"""
_HOST = r"(?i)^(?:https?:)?(?://)?(?:www\.)?(?:huggingface\.co|hf\.co|hf-mirror\.com)/"
_PLACE = r"^([^/?#@]+(?:/[^/?#@]+)?)(?:/(?:tree|blob|resolve|raw|commits?|discussions)(?:/.*)?|/|[?#@].*)*$"
_NEVER = r"[^\x00-\x{10FFFF}]"


def catalogue(root: str, crawl_id: str, out: Path, policy: Policy) -> dict[str, dict[str, int]]:
    """Make the tables of a landed crawl under `out`; return the counts that a comparison is by."""
    out.mkdir(parents=True, exist_ok=True)
    landing = Landing(root)
    [state] = [crawl for crawl in landing.crawls() if crawl.crawl_id == crawl_id]
    db = duckdb.connect(config={"threads": THREADS, "memory_limit": MEMORY, "temp_directory": str(out / "spill")})
    filled = {
        "out": str(out),
        "crawl_id": crawl_id,
        "pages": landing.files(state, state.pages),
        "record": json.dumps(RECORD),
        "detail": json.dumps(DETAIL),
        "around": _AROUND,
        "host": _HOST,
        "place": _PLACE,
        "weights": WEIGHTS,
        "safe_id": names.SAFE_ID,
        "unsafe_id": names.UNSAFE_ID,
        "unsafe_path": re.sub(r"\\u([0-9a-f]{4})", r"\\x{\1}", names.UNSAFE_PATH),
        "libraries": tuple(sorted(COMPONENT_LIBRARIES)),
        "adaptable": tuple(sorted(ADAPTABLE)),
        "sampled": tuple(sorted(SAMPLED)),
        "barred": "|".join(f"(?:{pattern})" for pattern in policy.forbidden_licences) or _NEVER,
        "excluded": "|".join(f"(?:{pattern})" for pattern in policy.excluded) or _NEVER,
        "unknown_licence": policy.allow_unknown_licence,
        "nsfw": policy.allow_nsfw,
        "max_gb": policy.max_weight_gb,
    }

    def execute(sql: str) -> None:
        db.execute(Template(sql).substitute(filled))

    execute(MACROS)
    details(db, landing.files(state, state.details))
    execute(BRONZE)
    execute(PARSED)
    families(db)
    execute(JUDGED)
    lineage(db)
    execute(GENERATORS)
    execute(GOLD)
    return {
        "rows": dict(db.sql(f"SELECT 'models', count(*) FROM '{out}/models.parquet'").fetchall()),
        "rejects": dict(db.sql(f"SELECT code, count(*) FROM '{out}/rejects.parquet' GROUP BY 1").fetchall()),
        "reasons": dict(
            db.sql(f"""SELECT coalesce(reason, 'ELIGIBLE'), count(*)
                       FROM '{out}/generators.parquet' GROUP BY 1""").fetchall()
        ),
    }


def details(db: duckdb.DuckDBPyConnection, files: list[str]) -> None:
    """Make the table `details` of what was landed of them: none where a crawl only listed."""
    db.execute("CREATE TABLE details (model_id VARCHAR, detail VARCHAR)")
    if files:
        lines = "read_json(?, format = 'newline_delimited', columns = {model_id: 'VARCHAR', detail: 'JSON'})"
        db.execute(f"INSERT INTO details SELECT model_id, any_value(detail) FROM {lines} GROUP BY 1", [files])


def families(db: duckdb.DuckDBPyConnection) -> None:
    """Make the tables `pipelines` and `architectures` of what a class and a family say."""
    db.execute("CREATE TABLE pipelines (name VARCHAR, family VARCHAR)")
    db.executemany("INSERT INTO pipelines VALUES (?, ?)", [(name, f.family) for name, f in PIPELINES.items()])
    db.execute("CREATE TABLE architectures (family VARCHAR, architecture VARCHAR)")
    db.executemany("INSERT INTO architectures VALUES (?, ?)", list(ARCHITECTURES.items()))


def lineage(db: duckdb.DuckDBPyConnection) -> None:
    """Make the table `roots` of every model of `judged`."""
    sql = """SELECT model_id, bases, family, derived, unhex(weights_sha256) AS weights,
                    epoch_us(created_at) AS created_at FROM judged"""
    found = resolve(db.sql(sql).pl().cast(dict(SCHEMA))).rows  # noqa: F841 (DuckDB reads it by its name)
    db.execute("CREATE TABLE roots AS FROM found")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--root", required=True, help="the lake under which the crawl is landed")
    parser.add_argument("--crawl-id", default="20260101T000000Z")
    parser.add_argument("--out", required=True, help="a folder for the Parquet files")
    asked = parser.parse_args()
    print(json.dumps(catalogue(asked.root, asked.crawl_id, Path(asked.out), Policy())))
