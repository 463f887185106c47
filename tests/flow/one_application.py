"""A Spark application that runs job files one after another in its one session, each as `spark-submit` would.

    spark-submit … one_application.py '[["etl/jobs/describe.py", ["--root", "lake"]], …]'

After each job a line `ended: <code>` follows; the first that fails is the last.
"""

import json
import runpy
import sys

from etl.lake.session import session


def main() -> None:
    with session("one application"):
        for job, arguments in json.loads(sys.argv[1]):
            code = ended(job, arguments)
            print(f"ended: {code}", flush=True)
            if code not in (0, 3):
                return


def ended(job: str, arguments: list[str]) -> int:
    """Run a job file as the main program; return its exit code."""
    sys.argv = [job, *arguments]
    try:
        runpy.run_path(job, run_name="__main__")
    except SystemExit as end:
        return int(end.code or 0)
    return 0


if __name__ == "__main__":
    main()
