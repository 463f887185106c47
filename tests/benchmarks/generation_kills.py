"""kill -9, Ctrl-C and a full disk amid a plan: the same command again must yield the undisturbed images.

    python tests/benchmarks/generation_kills.py --work FOLDER --kills 5 --seed 1

Tiny genuine pipelines served by the demo Hub, sampled by the real command. Scenarios:

parent      SIGKILL of the command alone, at moments drawn uniformly over how long it takes undisturbed
interrupt   the same by SIGINT, as Ctrl-C sends it
child       SIGKILL of a model's process, as soon as one runs, so many times in one run
server      SIGKILL of the server that models' processes are forked from
full_disk   the lake on a tmpfs (which takes root) that is filled up amid the plan, finished once there is space

After each the same command runs to its end. Exit code 1 unless then every image is there once, its file has the
SHA-256 of its record and the bytes of the undisturbed run, every key of a table is unique, and neither a process
nor a download nor a model's home is left.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from generation_overhead import new_lake
from measured import PROJECT, load_average

from etl.demo.hub import DemoHub
from etl.lake import snapshot
from etl.lake.schemas import GENERATION_ATTEMPTS

sys.path.insert(0, str(PROJECT))
from tests.generation.tiny_pipelines import save

MODELS = ("StableDiffusionPipeline", "DDPMPipeline", "DiTPipeline", "PixArtSigmaPipeline", "FluxPipeline")
IMAGES, DISK_MB = 12, 64
MARKED = "CUDA_HOME"
"""One of the variables that models' processes keep, and that nothing reads here."""
SCENARIOS = ("parent", "interrupt", "child", "server", "full_disk")


class Trial:
    """One Hub, and a fresh lake for each scenario."""

    def __init__(self, work: Path, hub: DemoHub, kills: int, seed: int):
        self.work, self.hub, self.kills, self.rng = work, hub, kills, random.Random(seed)
        self.log, self.root = work / "said.log", new_lake(work, hub, list(MODELS))
        began = time.monotonic()
        self.finished()
        self.seconds = time.monotonic() - began
        self.undisturbed = images(self.root)
        assert len(self.undisturbed) == IMAGES * len(MODELS)
        print(f"undisturbed: {len(self.undisturbed)} images, {self.seconds:.1f} s; {load_average()}", flush=True)

    def start(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "generation.jobs.generate", "--root", str(self.root), "--plan", "p"]
        command += ["--endpoint", self.hub.endpoint, "--prompts", str(self.work / "prompts.txt"), "--size", "64"]
        command += ["--images_per_generator", str(IMAGES), "--steps", "4", "--max_attempts", "50"]
        command += ["--backoff_seconds", "0.1", "--device", "cpu"]
        environment = os.environ | {"PYTHONPATH": str(PROJECT), MARKED: str(self.work)}
        with self.log.open("a") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    def finished(self) -> None:
        """Run the command to its end."""
        if code := self.start().wait(600):
            raise AssertionError(f"the command ended with {code}: {self.said()}")

    def said(self) -> str:
        return self.log.read_text()[-1500:]

    def fresh(self) -> None:
        new_lake(self.work, self.hub, list(MODELS))

    def whole(self) -> None:
        """Raise AssertionError unless the lake is as if nothing had happened."""
        files = list(self.root.glob("landing/images/p/*/records.jsonl"))
        lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        there = images(self.root)
        assert sorted(line["file"] for line in lines) == sorted(there), "images and records differ"
        for line in lines:
            assert hashlib.sha256(there[line["file"]]).hexdigest() == line["sha256"], line["file"]
        assert there == self.undisturbed, "images differ from those of the undisturbed run"
        keys = snapshot.read(str(self.root), GENERATION_ATTEMPTS, columns=GENERATION_ATTEMPTS.key)
        assert keys.n_unique() == keys.height
        left = [path for folder in ("downloads/*", "home") for path in self.root.glob(f"landing/{folder}")]
        left += [path for path in self.root.rglob("*") if path.name.endswith((".tmp", ".partial"))]
        assert not left, f"left behind: {left}"
        self.alone()

    def alone(self) -> None:
        """Wait for processes that a signal ends; none may stay."""
        deadline = time.monotonic() + 10
        while running := processes(self.work):
            assert time.monotonic() < deadline, f"still running: {running}"
            time.sleep(0.1)

    def ended_early(self, with_: signal.Signals) -> None:
        self.fresh()
        process, after = self.start(), self.rng.uniform(0, self.seconds)
        try:
            code = process.wait(after)
        except subprocess.TimeoutExpired:
            sent = time.monotonic()
            process.send_signal(with_)
            code = process.wait(60)
            print(f"   {with_.name} after {after:.1f} s: exit {code} in {time.monotonic() - sent:.1f} s", end="")
        self.alone()
        print(f", {len(images(self.root))} images there", flush=True)
        self.finished()
        self.whole()

    def parent(self) -> None:
        for _ in range(self.kills):
            self.ended_early(signal.SIGKILL)

    def interrupt(self) -> None:
        for _ in range(self.kills):
            self.ended_early(signal.SIGINT)

    def child(self) -> None:
        self.killing(models=True, times=self.kills)
        codes = snapshot.read(str(self.root), GENERATION_ATTEMPTS)["code"].value_counts().rows()
        print(f"   codes {dict(codes)}")
        self.finished()
        self.whole()

    def server(self) -> None:
        self.killing(models=False, times=1)
        self.finished()
        self.whole()

    def killing(self, models: bool, times: int) -> None:
        """Run the command while processes that models run in, or their server, are killed."""
        self.fresh()
        process, killed = self.start(), set()
        while process.poll() is None:
            found = processes(self.work)
            servers = {pid for pid, parent in found.items() if parent == process.pid}
            inside = {pid for pid, parent in found.items() if parent in servers}
            wanted = inside if models else (servers if inside else set())
            for pid in [pid for pid in wanted - killed][: max(0, times - len(killed))]:
                time.sleep(self.rng.uniform(0, 1))
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
                killed.add(pid)
            time.sleep(0.05)
        print(f"   {len(killed)} killed, exit {process.returncode}", flush=True)

    def full_disk(self) -> None:
        self.fresh()
        small, before = self.work / "small", self.root
        small.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", small], check=True)
        try:
            self.root = Path(shutil.copytree(before, small / "lake"))
            process = self.start()
            while not images(self.root) and process.poll() is None:
                time.sleep(0.01)
            with open(small / "ballast", "wb", buffering=0) as ballast:
                while process.poll() is None:  # what the command deletes to make space is taken too
                    try:
                        ballast.write(bytes(4096))
                    except OSError:
                        time.sleep(0.01)
            code = process.returncode
            print(f"   exit {code}, {len(images(self.root))} images there; {self.said().splitlines()[-1][:250]}")
            assert code in (1, 3, 4), "the disk did not fill up"
            self.alone()
            (small / "ballast").unlink()
            self.finished()
            self.whole()
        finally:
            self.root = before
            subprocess.run(["umount", small], check=True)


def images(root: Path) -> dict[str, bytes]:
    """Return the landed images by the names of their files, which are the requests' ids."""
    return {file.name: file.read_bytes() for file in root.glob("landing/images/p/*/*.png")}


def processes(work: Path) -> dict[int, int]:
    """Return the processes of the command by their ids, with their parents'."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARKED}={work}\0".encode() in (process / "environ").read_bytes():
                found[int(process.name)] = int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:  # it ended meanwhile, or is another user's
            continue
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", required=True, help="a folder for the Hub and the lakes")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scenarios", nargs="+", choices=SCENARIOS, default=SCENARIOS)
    asked = parser.parse_args()
    work, failures = Path(asked.work).resolve(), 0
    for name in MODELS:
        if not (work / "hub" / "tiny" / name).exists():
            save(name, work / "hub" / "tiny" / name)
    (work / "prompts.txt").write_text("\n".join(f"a photo of {n} red apples" for n in range(IMAGES)))
    with DemoHub(work / "hub") as hub:
        trial = Trial(work, hub, asked.kills, asked.seed)
        for name in asked.scenarios:
            print(name, flush=True)
            try:
                getattr(trial, name)()
                print("   whole", flush=True)
            except AssertionError as error:
                failures += 1
                print(f"   FAILED: {error}", flush=True)
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
