"""What a command costs: wall and CPU seconds, and the peak memory of its process tree."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
EVERY_SECONDS = 0.25


@dataclass(frozen=True)
class Cost:
    """Of one command: seconds, and the most memory (10^6 bytes) that it and its children held at a time."""

    wall: float
    cpu: float
    peak_mb: float
    output: str


def measured(command: Sequence[str]) -> Cost:
    """Run a command in a session of its own; raise SystemExit with its output if it fails.

    Memory is the sum of the proportional set sizes: pages that processes share count once. CPU includes every
    child that was waited for, thus all of `spark-submit`.
    """
    bin_ = str(Path(sys.executable).parent)
    path = f"{bin_}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(PROJECT), "PYSPARK_PYTHON": sys.executable}
    environment.pop("JAVA_TOOL_OPTIONS", None)
    start = time.monotonic()
    process = subprocess.Popen(
        command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    )  # fmt: skip
    peak, ended = [0], threading.Event()
    watch = threading.Thread(target=_watch, args=(process.pid, peak, ended), daemon=True)
    watch.start()
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    ended.set()
    wall = time.monotonic() - start
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, 3):  # 3: some records were rejected
        raise SystemExit(f"{' '.join(command)} ended with {code}:\n{output[:3000]}\n…\n{output[-3000:]}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, peak[0] / 1e6, output)


def submitted(root: Path, driver_memory: str) -> list[str]:
    """Return the command that takes up the landed crawls of a lake, by spark-submit on two cores."""
    command = ["spark-submit", "--master", "local[2]", "--driver-memory", driver_memory]
    command += ["--properties-file", str(PROJECT / "conf" / "spark-defaults.conf")]
    return [*command, str(PROJECT / "etl" / "jobs" / "catalogue.py"), "--root", str(root)]


def fresh_lake(landed: Path, root: Path) -> Path:
    """Make a lake at `root` that has the landed crawls of another and nothing else; the files are links."""
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(landed / "landing", root / "landing", copy_function=os.link)
    return root


def load_average() -> str:
    """Return the load average in words, since a figure from a busy machine is another."""
    return "load average " + ", ".join(f"{load:.1f}" for load in os.getloadavg())


def _watch(session: int, peak: list[int], ended: threading.Event) -> None:
    while not ended.wait(EVERY_SECONDS):
        peak[0] = max(peak[0], sum(map(_memory, _members(session))))


def _members(session: int) -> list[Path]:
    """Return the processes of a session: children of children too, whatever their group."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "stat").read_text()
        except OSError:
            continue
        if int(told.rpartition(")")[2].split()[3]) == session:
            found.append(process)
    return found


def _memory(process: Path) -> int:
    try:
        lines = (process / "smaps_rollup").read_text().splitlines()
    except OSError:  # it has just ended
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
