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
import pyarrow as pa
from duckdb_catalogue_sql import BRONZE, DETAIL, GENERATORS, GOLD, MACROS, PARSED, RECORD

from etl.models import names
from etl.models.families import COMPONENT_LIBRARIES, PIPELINES, SAMPLED
from etl.models.landing import Landing
from etl.models.lineage import resolve
from etl.models.records import WEIGHTS
from etl.models.settings import Policy

THREADS, MEMORY = 2, "8GB"
_RELATED = r"^base_model:(adapter|finetune|merge|quantized):(.+)$"
_UNRELATED = r"^base_model:([^:]+)$"


def catalogue(root: str, crawl_id: str, out: Path, policy: Policy) -> dict[str, dict[str, int]]:
    """Make the tables of a landed crawl under `out`; return the counts that a comparison is by."""
    out.mkdir(parents=True, exist_ok=True)
    landing = Landing(root)
    [state] = [crawl for crawl in landing.crawls() if crawl.crawl_id == crawl_id]
    db = duckdb.connect(config={"threads": THREADS, "memory_limit": MEMORY, "temp_directory": str(out / "spill")})
    filled = {
        "out": str(out),
        "crawl_id": crawl_id,
        "pages": landing.files(state, [page["file"] for page in state.pages]),
        "record": json.dumps(RECORD),
        "detail": json.dumps(DETAIL),
        "related": _RELATED,
        "unrelated": _UNRELATED,
        "weights": WEIGHTS,
        "safe_id": names.SAFE_ID,
        "unsafe_id": names.UNSAFE_ID,
        "unsafe_path": re.sub(r"\\u([0-9a-f]{4})", r"\\x{\1}", names.UNSAFE_PATH),
        "libraries": tuple(sorted(COMPONENT_LIBRARIES)),
        "sampled": tuple(sorted(SAMPLED)),
        "barred": "|".join(f"(?:{pattern})" for pattern in policy.forbidden_licences) or "[^\\x00-\\x{10FFFF}]",
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
    lineage(db, out)
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


def lineage(db: duckdb.DuckDBPyConnection, out: Path) -> None:
    """Make the tables `roots` of every model, and `pipelines` of what a class says."""
    sql = (
        f"SELECT model_id, list_transform(base_models, lambda b: b.model_id) AS bases FROM '{out}/models.parquet'"
    )
    edges = db.sql(sql).to_arrow_table()
    ids = edges.column("model_id").to_pylist()
    found = resolve(dict(zip(ids, edges.column("bases").to_pylist(), strict=True))).roots
    roots = pa.table(  # noqa: F841 (DuckDB reads it by its name)
        {
            "model_id": ids,
            "root_model_id": pa.array([found[model].root_model_id for model in ids], pa.string()),
            "root_basis": pa.nulls(len(ids), pa.string()),
            "root_certain": pa.nulls(len(ids), pa.bool_()),
            "lineage_depth": pa.array([found[model].depth for model in ids], pa.int32()),
        }
    )
    db.execute("CREATE TABLE roots AS FROM roots")
    db.execute("CREATE TABLE pipelines (name VARCHAR, family VARCHAR, architecture VARCHAR)")
    db.executemany(
        "INSERT INTO pipelines VALUES (?, ?, ?)",
        [(name, found.family, found.architecture) for name, found in PIPELINES.items()],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--root", required=True, help="the lake under which the crawl is landed")
    parser.add_argument("--crawl-id", default="20260101T000000Z")
    parser.add_argument("--out", required=True, help="a folder for the Parquet files")
    asked = parser.parse_args()
    print(json.dumps(catalogue(asked.root, asked.crawl_id, Path(asked.out), Policy())))
