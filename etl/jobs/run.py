"""Run a pipeline: verbs one after the other, as a YAML file lists them. Repeated, it does what is left."""

import subprocess
import sys
from collections.abc import Sequence

from etl.command import run
from etl.config import parse
from etl.errors import FINISHED_WITH_REJECTS, OK
from etl.lake.lock import table_lock
from etl.pipeline import RunSettings, Step, read


def main(argv: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    if words and not words[0].startswith("--"):  # `forensics run FILE`
        words.insert(0, "--pipeline")
    settings = parse(RunSettings, words, "forensics run", __doc__)
    pipeline = read(settings.pipeline)
    # Two that are started together would wait at every table for each other, or refuse in the middle.
    with table_lock(settings.root, f"pipeline/{pipeline.name}"):
        codes = []
        for number, step in enumerate(pipeline.steps, 1):
            print(f"run: {pipeline.name}, step {number} of {len(pipeline.steps)}: {step.verb}", flush=True)
            codes.append(_ended(step, settings.root))
            if codes[-1] not in (OK, FINISHED_WITH_REJECTS):
                print(
                    f"run: {pipeline.name} stopped at {step.verb}, which ended with code {codes[-1]} and says "
                    "above why; the same command goes on from there",
                    file=sys.stderr,
                )
                return codes[-1]
    print(f"run: {pipeline.name}: {len(codes)} steps done", flush=True)
    return max(codes)


def _ended(step: Step, root: str) -> int:
    """Run a step in a process of its own, so that what one leaves in memory is not the next one's."""
    command = [sys.executable, "-m", "etl.cli", step.verb, "--root", root, *step.words]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(run(main))
