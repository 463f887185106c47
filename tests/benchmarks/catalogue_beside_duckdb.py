"""The catalogue beside the same work in DuckDB, over one landed crawl: cost as a ratio, results compared.

    python tests/benchmarks/catalogue_beside_duckdb.py --work FOLDER --models 300000 --rounds 3

The two take turns. Exit code 1 where their tables differ, since then the ratio compares different work.
"""

import argparse
import sys
from pathlib import Path

import polars as pl
from measured import PROJECT, Cost, fresh_lake, load_average, measured, submitted
from synthetic_crawl import land

from etl.lake import snapshot
from etl.lake.schemas import GENERATORS, GOLD_BASE_MODELS, GOLD_CATALOGUE, GOLD_GROWTH, MODELS, REJECTS

CRAWL = "20260101T000000Z"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", required=True, help="a folder for the crawl and both results")
    parser.add_argument("--models", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--driver-memory", default="8g")
    asked = parser.parse_args()
    work = Path(asked.work).resolve()
    landed, lake, out = work / "landed", work / "lake", work / "duckdb"
    if not (landed / "landing").exists():
        land(str(landed), CRAWL, asked.models)
    script = str(PROJECT / "tests" / "benchmarks" / "duckdb_catalogue.py")
    beside = [sys.executable, script, "--root", str(landed), "--crawl-id", CRAWL, "--out", str(out)]
    costs: dict[str, list[Cost]] = {"catalogue": [], "DuckDB": []}
    for number in range(asked.rounds):
        for name in sorted(costs, reverse=bool(number % 2)):
            command = beside if name == "DuckDB" else submitted(fresh_lake(landed, lake), asked.driver_memory)
            cost = measured(command)
            costs[name].append(cost)
            figures = f"wall {cost.wall:.1f} s, CPU {cost.cpu:.1f} s, peak {cost.peak_mb:,.0f} MB"
            print(f"round {number + 1}, {name}: {figures}; {load_average()}", flush=True)
    for what in ("wall", "cpu", "peak_mb"):
        pairs = zip(costs["catalogue"], costs["DuckDB"], strict=True)
        ratios = sorted(getattr(ours, what) / getattr(theirs, what) for ours, theirs in pairs)
        low, middle, high = ratios[0], ratios[len(ratios) // 2], ratios[-1]
        print(f"{what}: catalogue / DuckDB = {low:.2f} / {middle:.2f} / {high:.2f} (min / median / max)")
    return compared(lake, out)


def compared(lake: Path, out: Path) -> int:
    """Print how the tables of both sides differ; return 1 if they do."""
    root, differ = str(lake), 0
    for table, columns in ((MODELS, []), (REJECTS, ["code"]), (GENERATORS, ["reason"])):
        ours, theirs = snapshot.read(root, table), pl.read_parquet(out / f"{table.name}.parquet")
        if table is REJECTS:  # fields that are left out are named by the catalogue alone
            ours = ours.filter(pl.col("code") != "BAD_FIELD")
        counts = [tally(frame, columns) for frame in (ours, theirs)]
        differ += counts[0] != counts[1]
        print(f"{table.name}: {counts[0]}" + ("" if counts[0] == counts[1] else f", in DuckDB {counts[1]}"))
    for table in (GOLD_CATALOGUE, GOLD_GROWTH, GOLD_BASE_MODELS):
        columns = [column for column in table.columns if column != "share"]  # a float: its last digit may differ
        mine = set(snapshot.read(root, table).select(columns).rows())
        other = set(pl.read_parquet(out / f"{table.name}.parquet").select(columns).rows())
        differ += mine != other
        print(f"{table.name}: {len(mine)} rows, {len(mine - other)} of them not in DuckDB's {len(other)}")
        for row in sorted(mine ^ other, key=str)[:6]:
            print(f"  {'catalogue' if row in mine else 'DuckDB'}: {row}")
    return int(bool(differ))


def tally(frame: pl.DataFrame, columns: list[str]) -> dict[str, int]:
    """Count rows by a column's values."""
    if not columns:
        return {"rows": frame.height}
    counted = frame.group_by(columns).len().sort(columns, nulls_last=False)
    return {str(value): count for value, count in counted.rows()}


if __name__ == "__main__":
    sys.exit(main())
