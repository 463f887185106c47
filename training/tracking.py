"""Runs in MLflow: SQLite at <root>/mlflow.db, files under <root>/mlartifacts, or a server that
MLFLOW_TRACKING_URI names. The only importer of MLflow.

A run is found by its tag `run_key`, a hash of what it computes, so that a rerun adds nothing and an interrupted
run goes on under its id.
"""

import contextlib
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from training.mlflow_server import ARTIFACTS, DATABASE, NEEDS_SERVER, NO_TELEMETRY, database_uri, server

os.environ.update(NO_TELEMETRY)  # before the import of MLflow
# Training does not wait for a server that is away: by default each call is tried for four minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

from mlflow import MlflowClient
from mlflow.entities import Experiment, Metric, Param, RunTag, ViewType
from mlflow.entities import Run as MlflowRun
from mlflow.exceptions import MlflowException, RestException
from mlflow.utils.file_utils import local_file_uri_to_path
from sqlalchemy.exc import SQLAlchemyError

from etl.errors import ConfigError, LakeMissing, NothingUsable
from etl.lake import storage
from etl.lake.lock import table_lock
from training.checkpoint import Measurement
from training.errors import TrackingUnavailable

# One line for each of the dozens of steps in which MLflow makes its tables.
for _name in ("mlflow.store.db.utils", "alembic"):
    logging.getLogger(_name).setLevel(logging.WARNING)

_TABLES = "mlflow.loggedArtifacts"
"""Tag by which MLflow's interface finds a run's tables."""
_NOTE = "mlflow.note.content"
"""Tag with a run's description, which MLflow's interface shows as Markdown."""
_LARGEST_BATCH = 1000
"""MLflow takes so many measurements in one call."""


@dataclass(frozen=True)
class Run:
    """A run as far as training and scoring use it."""

    run_id: str
    status: str
    """RUNNING, FINISHED, FAILED or KILLED"""
    tags: dict[str, str]
    artifact_uri: str

    @property
    def finished(self) -> bool:
        return self.status == "FINISHED"


class Tracker:
    """The MLflow store of one lake. Created where `create` allows it, else LakeMissing is raised."""

    def __init__(self, root: str, create: bool = False):
        self.root = storage.workplace(root)
        self._server = server()
        if self._server is None and not storage.is_local(root):
            raise ConfigError(NEEDS_SERVER)
        if self._server is None and not create and not (self.root / DATABASE).exists():
            raise LakeMissing(f"there is no {DATABASE} in the lake at {root}; run `forensics train` first")
        self._place = self._server or database_uri(self.root / DATABASE)
        with _answered():
            if self._server is None:
                self.root.mkdir(parents=True, exist_ok=True)
                self._make_database()
            self._client = MlflowClient(tracking_uri=self._place)

    def find(self, run_key: str) -> Run | None:
        """Return the run with this key, whatever its status."""
        found = self._search(f"tags.run_key = '{run_key}'")
        return found[0] if found else None

    def run(self, run_id: str) -> Run:
        """Return a run by its id. Raises NothingUsable."""
        with _answered():
            try:
                return _run(self._client.get_run(run_id))
            except RestException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
            except MlflowException:
                if self._server:
                    raise
            names = ", ".join(sorted(model.name for model in self._client.search_registered_models()))
        raise NothingUsable(
            f"there is no run '{run_id}' in {self._place} (registered detectors: {names or 'none'})"
        )

    def finished_run(self, name: str) -> Run:
        """Return a finished run by its id, or by the name of its registered detector. Raises NothingUsable."""
        run = self.run(self._run_of_registered(name) or name)
        if not run.finished:
            raise NothingUsable(f"run '{run.run_id}' is {run.status}; repeat its `forensics train` to finish it")
        return run

    def _run_of_registered(self, name: str) -> str | None:
        """Return the run that a registered detector, NAME or NAME@VERSION, came from; None where there is no NAME.

        Raises NothingUsable for a version that there is not.
        """
        bare, _, version = name.partition("@")
        if "'" in bare:
            return None  # it would end the condition below
        with _answered():
            versions = {int(v.version): v.run_id for v in self._client.search_model_versions(f"name = '{bare}'")}
        if not versions:
            return None
        if version and (not version.isdecimal() or int(version) not in versions):
            known = ", ".join(str(number) for number in sorted(versions))
            raise NothingUsable(f"the registered detector '{bare}' has no version '{version}' (known: {known})")
        return str(versions[int(version) if version else max(versions)])

    def registered_name(self, run: Run) -> str | None:
        """Return the NAME@VERSION under which a run's detector is registered."""
        with _answered():
            versions = self._client.search_model_versions(f"run_id = '{run.run_id}'")
        return f"{versions[0].name}@{versions[0].version}" if versions else None

    def newest_finished(self, training_set: str, version: int) -> Run:
        """Return the newest finished run on a training set. Raises NothingUsable."""
        found = [run for run in self.trained_on(training_set, version) if run.finished]
        if not found:
            raise NothingUsable(
                f"no detector was trained on {training_set}@{version}; run `forensics train` first"
            )
        return found[0]

    def trained_on(self, training_set: str, version: int) -> list[Run]:
        """Return the runs on a training set, whatever became of them, the newest first."""
        return self._search(f"tags.training_set = '{training_set}' AND tags.training_set_version = '{version}'")

    def start(self, experiment: str, name: str, tags: dict[str, str], params: dict[str, object]) -> Run:
        """Create a run with its tags and parameters and return it."""
        with _answered():
            run = self._client.create_run(self._experiment(experiment), tags=tags, run_name=name)
            words = [Param(key, str(value)) for key, value in params.items()]
            self._client.log_batch(run.info.run_id, params=words)
            return _run(run)

    def children(self, run: Run) -> dict[str, Run]:
        """Return the runs under a run, by their keys."""
        found = self._search(f"tags.`mlflow.parentRunId` = '{run.run_id}'")
        return {child.tags.get("run_key", child.run_id): child for child in found}

    def start_child(self, parent: Run, name: str, tags: dict[str, str], params: dict[str, object]) -> Run:
        """Create a run under another one, in its experiment."""
        with _answered():
            experiment = self._client.get_run(parent.run_id).info.experiment_id
            tags = {**tags, "mlflow.parentRunId": parent.run_id}
            run = self._client.create_run(experiment, tags=tags, run_name=name)
            self._client.log_batch(
                run.info.run_id, params=[Param(key, str(value)) for key, value in params.items()]
            )
            return _run(run)

    def tag(self, run: Run, tags: dict[str, str]) -> None:
        """Set tags of a run."""
        with _answered():
            self._client.log_batch(run.run_id, tags=[RunTag(key, value) for key, value in tags.items()])

    def link(self, run: Run, address: str) -> None:
        """Let a run lead to its page of the explorer, unless somebody has described it in words of their own."""
        if not run.tags.get(_NOTE, "").strip():
            self.tag(run, {"explorer": address, _NOTE: f"[Open this run in the explorer]({address})"})

    def resume(self, run: Run, tags: dict[str, str]) -> None:
        """Take up an interrupted run; `tags` say what it goes on in."""
        with _answered():
            self._client.update_run(run.run_id, status="RUNNING")
            self._client.log_batch(run.run_id, tags=[RunTag(key, value) for key, value in tags.items()])

    def log(self, run: Run, history: list[Measurement]) -> None:
        """Log measurements; those that were logged before, by an interrupted run, are the same points."""
        metrics = [Metric(point.key, point.value, point.timestamp, point.step) for point in history]
        with _answered():
            for start in range(0, len(metrics), _LARGEST_BATCH):
                self._client.log_batch(run.run_id, metrics=metrics[start : start + _LARGEST_BATCH])

    def finish(self, run: Run, folder: Path, model: str, name: str) -> None:
        """Store the files of `folder` as the run's artifacts, register its part `model` under `name` as the next
        version, and mark the run FINISHED."""
        _describe_model(folder / model)
        with _answered():
            self._client.log_artifacts(run.run_id, str(folder))
            if not self._client.search_registered_models(f"name = '{name}'"):
                self._client.create_registered_model(name)
            if not self._client.search_model_versions(f"run_id = '{run.run_id}'"):
                self._client.create_model_version(name, f"{run.artifact_uri}/{model}", run.run_id)
            self._client.set_terminated(run.run_id, "FINISHED")

    def add(self, run: Run, folder: Path) -> None:
        """Store further files as artifacts of a run."""
        with _answered():
            self._client.log_artifacts(run.run_id, str(folder))

    def add_table(self, run: Run, path: str, columns: dict[str, list[object]]) -> None:
        """Store a table as MLflow shows them, replacing one of that path."""
        with _answered():
            rows = [list(row) for row in zip(*columns.values(), strict=True)]
            self._client.log_dict(run.run_id, {"columns": list(columns), "data": rows}, path)
            tables = self._tables(run)
            if path not in tables:
                named = [{"path": table, "type": "table"} for table in (*tables, path)]
                self._client.set_tag(run.run_id, _TABLES, json.dumps(named))

    def has_table(self, run: Run, path: str) -> bool:
        """Whether a table was stored under this path, whole."""
        with _answered():
            return path in self._tables(run)

    def _tables(self, run: Run) -> list[str]:
        tags = self._client.get_run(run.run_id).data.tags  # as they are now: other evaluations add to them
        return [str(table["path"]) for table in json.loads(tags.get(_TABLES, "[]"))]

    def end(self, run: Run, status: str) -> None:
        """Mark a run FAILED or KILLED."""
        with _answered():
            self._client.set_terminated(run.run_id, status)

    def artifact(self, run: Run, path: str) -> Path:
        """Return where one of a run's files lies on this machine; a server's are fetched. Raises NothingUsable."""
        if not run.artifact_uri.startswith(("file:", "/")):
            return self._fetched(run, path)
        found = Path(local_file_uri_to_path(run.artifact_uri)) / path
        if not found.is_file():
            raise NothingUsable(f"run '{run.run_id}' has no file {found}; delete the run and train it again")
        return found

    def _fetched(self, run: Run, path: str) -> Path:
        wanted = self.root / "mlflow" / run.run_id / path
        if not wanted.is_file():
            wanted.parent.mkdir(parents=True, exist_ok=True)
            with _answered():
                self._client.download_artifacts(run.run_id, path, str(wanted.parent))
        return wanted

    def _make_database(self) -> None:
        """Let MLflow make its tables, by one process (several at once crash) and whole, however this one ends."""
        made, partial = self.root / DATABASE, self.root / f"{DATABASE}.partial"
        with table_lock(str(self.root), "mlflow", wait_seconds=120):
            if not made.exists():
                partial.unlink(missing_ok=True)
                MlflowClient(tracking_uri=database_uri(partial)).search_experiments(max_results=1)
                partial.replace(made)

    def _experiment(self, name: str) -> str:
        found: Experiment | None = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        if self._server:
            return str(self._client.create_experiment(name))
        location = f"file://{quote(str(self.root / ARTIFACTS))}/{quote(name, safe='')}"
        return str(self._client.create_experiment(name, artifact_location=location))

    def _search(self, condition: str) -> list[Run]:
        with _answered():
            experiments = [found.experiment_id for found in self._client.search_experiments()]
            runs: list[MlflowRun] = []
            token: str | None = None
            while True:  # a page of runs at a time
                page = self._client.search_runs(
                    *(experiments, condition, ViewType.ACTIVE_ONLY),
                    order_by=["attributes.start_time DESC"],
                    page_token=token,
                )
                runs += page
                token = page.token
                if not token:
                    return [_run(run) for run in runs]


def tags_of(values: dict[str, object]) -> dict[str, str]:
    """Return tags as strings: text as it is, the rest as JSON, without those that are None."""
    return {
        key: value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        for key, value in values.items()
        if value is not None
    }


@contextlib.contextmanager
def _answered() -> Iterator[None]:
    """Raise TrackingUnavailable where MLflow's database does not answer or is locked."""
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise TrackingUnavailable(" ".join(str(error).split())[:200]) from None


def _describe_model(folder: Path) -> None:
    """Write the file by which MLflow serves a detector: what loads it, and what it takes and gives."""
    from mlflow import pyfunc
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    images, logits = Schema([ColSpec(DataType.binary, "image")]), Schema([ColSpec(DataType.double)])
    model = Model(signature=ModelSignature(images, logits))
    pyfunc.add_to_model(model, loader_module="training.serving")
    model.save(str(folder / "MLmodel"))


def _run(run: MlflowRun) -> Run:
    return Run(run.info.run_id, run.info.status, dict(run.data.tags), run.info.artifact_uri)
