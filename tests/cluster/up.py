"""The test environment by hand: object store, Spark, PostgreSQL and MLflow on the loopback, until Ctrl-C.

    python -m tests.cluster.up FOLDER [PYTHON]

FOLDER/environment gets the lines that a shell sources to use them. PYTHON is the executors' (by default this one).
"""

import contextlib
import shlex
import signal
import sys
from pathlib import Path

from tests.cluster.servers import BUCKET, mlflow_server, object_store, postgresql, spark_cluster


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True)
    python = sys.argv[2] if len(sys.argv) > 2 else sys.executable
    with contextlib.ExitStack() as up:
        _, clients = up.enter_context(object_store(folder / "store"))
        database = up.enter_context(postgresql())
        cluster = up.enter_context(spark_cluster(folder / "spark", clients))
        root = f"s3a://{BUCKET}/main"
        mlflow = up.enter_context(
            mlflow_server(folder / "mlflow", root, clients | {"MLFLOW_BACKEND_STORE_URI": database})
        )
        values = clients | {
            "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{mlflow.port}",
            "PYSPARK_PYTHON": python,
            "PYSPARK_DRIVER_PYTHON": sys.executable,
            "MASTER": cluster.address,
            "ROOT": root,
        }
        lines = [f"export {key}={shlex.quote(value)}\n" for key, value in values.items()]
        (folder / "environment").touch(0o600)
        (folder / "environment").write_text("".join(lines))
        print(f"up; source {folder / 'environment'}", flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
