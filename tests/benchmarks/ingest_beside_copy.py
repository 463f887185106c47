"""`forensics ingest` of a folder beside a plain copy of its files, and beside a bare loop that checks them.

    python tests/benchmarks/ingest_beside_copy.py --work FOLDER --images 3000 --rounds 3

The files are those of describe_beside_loop.py, each distinct. The copy writes them to another folder of the same
disk and asks for them to be on it. The loop reads, hashes and decodes each in this process; its rate times the
cores is what ingest could reach. Ingest is timed in a session that has ingested others before. All take turns.
"""

import argparse
import hashlib
import os
import shutil
import statistics
import time
from functools import partial
from pathlib import Path

from describe_beside_loop import encoded, some
from measured import load_average

from etl.images.decoding import inspect
from etl.jobs import ingest
from etl.lake.session import session

WARM_UP = 256
JPEG = b"\xff\xd8"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", required=True, help="a folder for files and lake")
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    work, pictures = Path(asked.work).resolve(), encoded()
    shutil.rmtree(work, ignore_errors=True)
    root = str(work / "lake")
    ratios: dict[str, list[float]] = {"copy": [], "loop x cores": []}
    with session("ingest_beside_copy", f"local[{asked.cores}]"):
        take_in(root, written(work / "warm", some(pictures, WARM_UP, "warm")))
        for number in range(asked.rounds):
            files = written(work / f"files-{number}", some(pictures, asked.images, str(number)))
            turns = {
                "ingest": partial(take_in, root, files),
                "copy": partial(copy, files, work / "copy"),
                "loop": partial(loop, files),
            }
            names = list(turns)[number % 3 :] + list(turns)[: number % 3]
            seconds = {name: turns[name]() for name in names}
            megabytes = sum(file.stat().st_size for file in files.iterdir()) / 1e6
            rates = {name: megabytes / value for name, value in seconds.items()}
            ratios["copy"].append(rates["ingest"] / rates["copy"])
            ratios["loop x cores"].append(rates["ingest"] / (rates["loop"] * asked.cores))
            shown = ", ".join(f"{name} {rate:.0f} MB/s" for name, rate in sorted(rates.items()))
            print(f"round {number + 1}: {megabytes:.0f} MB: {shown}; {load_average()}", flush=True)
            shutil.rmtree(files)
    for name, found in ratios.items():
        low, middle, high = min(found), statistics.median(found), max(found)
        print(f"ingest / {name} = {low:.2f} / {middle:.2f} / {high:.2f} (min / median / max)")


def written(folder: Path, images: list[bytes]) -> Path:
    """Write the images as files and return their folder."""
    folder.mkdir(parents=True)
    for number, data in enumerate(images):
        suffix = ".jpg" if data[:2] == JPEG else ".png"
        (folder / f"{number:06}{suffix}").write_bytes(data)
    return folder


def take_in(root: str, files: Path) -> float:
    start = time.monotonic()
    if ingest.main(["--root", root, "--path", str(files), "--collection", files.name]):
        raise SystemExit("ingest ended with rejects")
    return time.monotonic() - start


def copy(files: Path, folder: Path) -> float:
    shutil.rmtree(folder, ignore_errors=True)
    os.sync()
    start = time.monotonic()
    shutil.copytree(files, folder)
    os.sync()
    return time.monotonic() - start


def loop(files: Path) -> float:
    start = time.monotonic()
    for file in files.iterdir():
        data = file.read_bytes()
        hashlib.sha256(data).hexdigest()
        inspect(data)
    return time.monotonic() - start


if __name__ == "__main__":
    main()
