"""The catalogue at growing sizes: cost a record, and whether a second crawl yields exactly what changed.

    python tests/benchmarks/catalogue_at_scale.py --work FOLDER --sizes 100000 300000 1000000

At each size a made-up crawl goes from landed files to gold by one spark-submit, in a fresh lake. The same command
again must commit nothing, and a second crawl must yield exactly the numbers that its maker tells. Exit code 1
where one of these does not hold.
"""

import argparse
import shutil
import sys
from pathlib import Path

from measured import Cost, load_average, measured, submitted
from synthetic_crawl import Told, land

from etl.lake import snapshot
from etl.lake.schemas import CRAWLS, GOLD_CRAWL_HISTORY, MODELS, REJECTS, TABLES

FIRST, SECOND = "20260101T000000Z", "20260201T000000Z"
CHANGED, GONE, NEW = 0.01, 0.005, 0.02


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", required=True, help="a folder for the lake, which is made anew for each size")
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 300_000, 1_000_000])
    parser.add_argument("--driver-memory", default="8g")
    asked = parser.parse_args()
    root, failures = Path(asked.work).resolve() / "lake", 0
    costs: dict[str, list[tuple[int, Cost]]] = {"first crawl": [], "the same again": [], "second crawl": []}
    for size in asked.sizes:
        shutil.rmtree(root, ignore_errors=True)
        told = land(str(root), FIRST, size)
        for name in costs:
            if name == "second crawl":
                told = land(str(root), SECOND, size, changed=CHANGED, gone=GONE, new=NEW)
            before = versions(root)
            cost = measured(submitted(root, asked.driver_memory))
            costs[name].append((told.records, cost))
            print(f"\n{size:,} models, {name}: {load_average()}\n{cost.output.strip()}", flush=True)
            if name == "the same again":
                failures += report("table versions", before, versions(root))
            else:
                failures += checked(root, told)
    for name, measurements in costs.items():
        print(f"\n{name}\n\n{markdown(measurements)}")
    return int(bool(failures))


def versions(root: Path) -> dict[str, int]:
    """Return the Delta version of every table that is there."""
    there = [table for table in TABLES if snapshot.exists(str(root), table)]
    return {table.name: snapshot.current_version(str(root), table) for table in there}


def checked(root: Path, told: Told) -> int:
    """Compare what the lake says of a crawl with what its maker told; return how many comparisons failed."""
    lake, names = str(root), ("new", "changed", "gone")
    expected = {name: getattr(told, name) for name in names}
    crawl = snapshot.read(lake, CRAWLS).filter(crawl_id=told.crawl_id).to_dicts()[0]
    history = snapshot.read(lake, GOLD_CRAWL_HISTORY).filter(crawl_id=told.crawl_id)
    models = snapshot.read(lake, MODELS, columns=["is_current", "withdrawn_at"])
    there = models.filter(models["is_current"] & models["withdrawn_at"].is_null()).height
    refused = snapshot.read(lake, REJECTS).filter(run_id=told.crawl_id).group_by("code").len()
    return sum(
        (
            report("crawls", expected, {name: crawl[name] for name in names}),
            report("history", expected, {name: int(history[name].sum()) for name in names}),
            report("there", {"models": told.there}, {"models": there}),
            report("rejects", told.rejects, dict(refused.rows())),
        )
    )


def report(what: str, expected: dict[str, int], found: dict[str, int]) -> int:
    """Print one comparison; return 1 if it failed."""
    same = expected == found
    print(f"{what}: {found}" + ("" if same else f", EXPECTED {expected}"), flush=True)
    return int(not same)


def markdown(measurements: list[tuple[int, Cost]]) -> str:
    """Return the costs as a table; the last columns are the cost a record relative to the smallest size's."""
    lines = [
        "| records | wall s | CPU s | records/s | peak MB | wall a record | CPU a record |",
        "|--:|--:|--:|--:|--:|--:|--:|",
    ]
    least, first = measurements[0]
    for records, cost in measurements:
        wall, cpu = (cost.wall / records) / (first.wall / least), (cost.cpu / records) / (first.cpu / least)
        rate = f"{records / cost.wall:,.0f} | {cost.peak_mb:,.0f}"
        lines.append(f"| {records:,} | {cost.wall:.1f} | {cost.cpu:.1f} | {rate} | {wall:.2f}x | {cpu:.2f}x |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
