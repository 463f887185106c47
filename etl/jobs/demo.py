"""Run every stage once, end to end: a local demo Hub, its tiny models, the photos that ship with the project."""

import sys
import time
from collections.abc import Sequence

from etl.cli import job
from etl.command import run
from etl.config import parse
from etl.demo.chain import photos_folder, results, row_counts, stages
from etl.demo.hub import DemoHub
from etl.demo.settings import DemoSettings
from etl.errors import FINISHED_WITH_REJECTS, OK
from etl.lake.session import session
from etl.lake.storage import workplace


def main(argv: Sequence[str] | None = None) -> int:
    settings = parse(DemoSettings, argv, "forensics demo", __doc__)
    started = time.monotonic()
    hubs = workplace(settings.root)
    if code := job("demo-hub")(["--root", str(hubs), "--build_only", "true"]):
        return code
    before = row_counts(settings.root)
    with (
        DemoHub(hubs / "demo-hub") as hub,
        session("demo", settings.master, settings.root),
    ):
        for verb, arguments in stages(settings, hub.endpoint, photos_folder(hubs / "demo-photos")):
            # The demo Hub holds hostile models on purpose: stages that finish with rejects are as they should be.
            code = job(verb)(arguments)
            if code not in (OK, FINISHED_WITH_REJECTS):
                return code
    after = row_counts(settings.root)
    print("\n".join(["", *results(settings.root), ""]))
    for table, rows in after.items():
        print(f"{table}: {rows} rows, {rows - before[table]} added by this run")
    print(f"\nThe whole flow took {time.monotonic() - started:.0f} s. Look at what it made:")
    print(f"  forensics explore --root {settings.root}    (or: make explore)")
    print(f"  forensics mlflow --root {settings.root}     (or: make mlflow)", flush=True)
    return OK


if __name__ == "__main__":
    sys.exit(run(main))
