"""Where a Spark job's time goes: its stages by task time, from an event log.

    spark-submit … --conf spark.eventLog.enabled=true --conf spark.eventLog.dir=file:///tmp/events \\
      --conf spark.eventLog.compress=false etl/jobs/catalogue.py --root LAKE
    python tests/benchmarks/spark_profile.py /tmp/events/local-…
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

SHOWN = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("log", type=Path, help="event log of one application; a folder of a rolled log")
    asked = parser.parse_args()
    files = sorted(asked.log.glob("events_*")) if asked.log.is_dir() else [asked.log]
    tasks: dict[int, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    stages: dict[int, dict[str, Any]] = {}
    ends: list[int] = []
    for event in (json.loads(line) for file in files for line in file.open()):
        match event["Event"]:
            case "SparkListenerApplicationStart" | "SparkListenerApplicationEnd":
                ends.append(event["Timestamp"])
            case "SparkListenerStageCompleted":
                stages[event["Stage Info"]["Stage ID"]] = event["Stage Info"]
            case "SparkListenerTaskEnd":
                add(tasks[event["Stage ID"]], event)
    total = sum(task["run"] for task in tasks.values())
    print(f"application {(ends[-1] - ends[0]) / 1e3:.1f} s, tasks {total:.1f} s of two cores")
    print("| share | run s | CPU s | GC s | tasks | MB read | MB shuffled | operators |")
    print("|--:|--:|--:|--:|--:|--:|--:|---|")
    for number, task in sorted(tasks.items(), key=lambda item: -item[1]["run"])[:SHOWN]:
        figures = " | ".join(f"{task[name]:.1f}" for name in ("run", "cpu", "gc"))
        sizes = f"{task['read'] / 1e6:.0f} | {task['shuffled'] / 1e6:.0f}"
        print(
            f"| {task['run'] / total:.0%} | {figures} | {task['n']:.0f} | {sizes} | {operators(stages[number])} |"
        )


def add(task: dict[str, float], event: dict[str, Any]) -> None:
    """Add the figures of one task, in seconds and bytes."""
    told = event.get("Task Metrics") or {}
    task["n"] += 1
    task["run"] += told.get("Executor Run Time", 0) / 1e3
    task["cpu"] += told.get("Executor CPU Time", 0) / 1e9
    task["gc"] += told.get("JVM GC Time", 0) / 1e3
    task["read"] += (told.get("Input Metrics") or {}).get("Bytes Read", 0)
    task["shuffled"] += (told.get("Shuffle Write Metrics") or {}).get("Shuffle Bytes Written", 0)


def operators(stage: dict[str, Any]) -> str:
    """Return the kinds of operators of a stage, in the order of its data."""
    names = [json.loads(rdd["Scope"])["name"] for rdd in stage["RDD Info"] if rdd.get("Scope")]
    plain = [name.split(" (")[0].split(" file:")[0] for name in reversed(names)]
    return ", ".join(dict.fromkeys(plain))[:120]


if __name__ == "__main__":
    main()
