"""kill -9 at random moments of crawl and catalogue: the same command again must yield the undisturbed tables.

    python tests/benchmarks/random_kills.py --work FOLDER --kills 10 --seed 1

Each trial, in a fresh lake, kills one crawl and one catalogue at moments drawn uniformly over how long they take
undisturbed, and runs each again to its end. Exit code 1 where a table differs from the undisturbed one, or more
than one page of the listing was asked for twice.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import polars as pl
from measured import PROJECT, load_average

from etl.demo.hub import DemoHub, Fault
from etl.lake import snapshot
from etl.lake.schemas import GENERATORS, GOLD_CATALOGUE, GOLD_GROWTH, HUB_RECORDS, MODELS, REJECTS
from etl.models.landing import DONE, Landing

sys.path.insert(0, str(PROJECT))
from tests.etl.tiny_hub import write_repository

MODELS_THERE, PAGE = 200, 10
SECONDS_A_PAGE = 0.4
"""How long the Hub takes for a page, so that half of the crawl's time is the network's."""
CLOCK = {
    *("crawl_id", "run_id", "ts", "fetched_at", "first_crawl", "first_seen", "last_seen", "updated_at"),
    *("catalogued_at", "at"),
}
"""Columns that tell when something ran."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", required=True, help="a folder for the Hub and the lakes")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    work, rng, failures = Path(asked.work).resolve(), random.Random(asked.seed), 0
    write_hub(work / "hub")
    with DemoHub(work / "hub") as hub:
        hub.faults.add(Fault(r"/api/models\?", "delay", times=None, seconds=SECONDS_A_PAGE))
        root = fresh(work)
        times = {verb: ended(start(verb, root, hub)) for verb in ("crawl", "catalogue")}
        undisturbed = tables(root)
        print(f"undisturbed: {times}; {load_average()}", flush=True)
        kills, trial = 0, 0
        while kills < asked.kills:
            trial, root = trial + 1, fresh(work)
            hub.requests.clear()
            moments = [killed(verb, root, hub, rng.uniform(0, times[verb])) for verb in times]
            kills += sum("killed" in moment for moment in moments)
            pages = Counter(path for _, path in hub.requests if path.startswith("/api/models?"))
            twice = pages.total() - len(pages)
            differing = [name for name, rows in tables(root).items() if not rows.equals(undisturbed[name])]
            failures += bool(differing) or twice > 1
            verdict = f"DIFFERENT {differing}" if differing else "the same tables"
            print(f"trial {trial}: {'; '.join(moments)}; {twice} pages asked for twice; {verdict}", flush=True)
    return int(bool(failures))


def write_hub(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for number in range(MODELS_THERE):
        odd = {"sha": "main"} if number == 7 else {}
        created = f"2024-01-01T{number // 60:02d}:{number % 60:02d}:00.000Z"
        write_repository(folder, f"lab/model-{number:03d}", createdAt=created, verbatim=odd)


def fresh(work: Path) -> Path:
    shutil.rmtree(work / "lake", ignore_errors=True)
    return work / "lake"


def start(verb: str, root: Path, hub: DemoHub) -> "subprocess.Popen[str]":
    """Start the command in a session of its own, with its output in a file beside the lake."""
    command = [sys.executable, "-m", f"etl.jobs.{verb}", "--root", str(root)]
    if verb == "crawl":
        command += ["--endpoint", hub.endpoint, "--listings", '["filter=diffusers"]', "--page_size", str(PAGE)]
    with open(root.parent / f"{verb}.log", "w") as log:
        return subprocess.Popen(
            command, cwd=PROJECT, env=os.environ | {"PYTHONPATH": str(PROJECT)}, stdout=log, stderr=log, text=True,
            start_new_session=True,
        )  # fmt: skip


def ended(process: "subprocess.Popen[str]") -> float:
    """Wait for a command; return its seconds. Raises SystemExit if it failed."""
    begin = time.monotonic()
    if process.wait() not in (0, 3):  # 3: one record is bad
        raise SystemExit(f"{process.args} ended with {process.returncode}")
    return round(time.monotonic() - begin, 1)


def killed(verb: str, root: Path, hub: DemoHub, after: float) -> str:
    """Kill a command after so many seconds and run it again to its end; return what happened, in words."""
    process = start(verb, root, hub)
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    state = Landing(str(root)).crawls()
    phase = state[0].phase if state else "nothing landed"
    if process.returncode != -signal.SIGKILL or (verb == "crawl" and phase == DONE):
        return f"{verb} had ended before {after:.1f} s"  # the crawl once more would be another one
    ended(start(verb, root, hub))
    return f"{verb} killed after {after:.1f} s" + (f" ({phase})" if verb == "crawl" else "")


def tables(root: Path) -> dict[str, pl.DataFrame]:
    """Return what the lake says, without the columns of the clock, in one order."""
    found = {}
    for table in (HUB_RECORDS, MODELS, GENERATORS, REJECTS, GOLD_CATALOGUE, GOLD_GROWTH):
        rows = snapshot.read(str(root), table)
        plain = rows.select(c for c in rows.columns if c not in CLOCK)
        found[table.name] = pl.DataFrame({"row": sorted(str(row) for row in plain.iter_rows(named=True))})
    return found


if __name__ == "__main__":
    sys.exit(main())
