"""An experiment outside its tables: a run in MLflow with a child a point and seed, and the figure's file."""

import json
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from etl.addresses import in_explorer
from etl.config import as_dict
from etl.durable import write
from etl.lake.folder import folder
from etl.lake.storage import workplace
from training import environment
from training.checkpoint import Measurement
from training.errors import TrackingUnavailable
from training.experiments import cells, figure
from training.experiments.outcome import Outcome
from training.experiments.planning import Plan
from training.experiments.settings import ExperimentSettings

if TYPE_CHECKING:
    from training.tracking import Run, Tracker

FOLDER = ".experiments"
RECORD = "config.json"
"""What an experiment leaves of its configuration, for the report."""


def record(settings: ExperimentSettings) -> None:
    """Keep the configuration beside the figure, for the report."""
    kept = json.dumps(as_dict(settings), sort_keys=True, indent=1)
    folder(settings.root, FOLDER, settings.name).write(RECORD, kept.encode())


def recorded(root: str, name: str) -> dict[str, Any] | None:
    """Return the configuration that `record` kept, None where the experiment was never run."""
    kept = folder(root, FOLDER, name).read(RECORD)
    return None if kept is None else json.loads(kept)


def figure_path(settings: ExperimentSettings) -> Path:
    """Return where its figure lies."""
    return workplace(settings.root) / FOLDER / settings.name / "figure.svg"


def _tag(effect: str, detector: str) -> str:
    """Return an effect's name as MLflow takes it: letters, digits, and few signs."""
    return re.sub(r"[^\w\-. :/]", "", f"{effect} {detector}")


def parent(plan: Plan) -> str | None:
    """Return the id of the experiment's run in MLflow, begun where there is none; None where MLflow is away."""
    if not plan.to_do:
        return None
    from training.tracking import Tracker  # MLflow takes seconds to load: not to draw again

    try:
        tracker = Tracker(plan.settings.root, create=True)
        return _parent(tracker, plan).run_id
    except TrackingUnavailable as error:
        print(
            f"experiment: MLflow does not answer ({error}); the lake has all that it would hold", file=sys.stderr
        )
        return None


def publish(plan: Plan, outcome: Outcome, ran_anything: bool) -> None:
    """Draw the figure; log points as child runs, effects and figure at the parent, where anything is new."""
    drawn = figure.draw(outcome.design, outcome.points, plan.settings.question or plan.settings.name)
    if not figure_path(plan.settings).exists() or figure_path(plan.settings).read_bytes() != drawn:
        write(figure_path(plan.settings), drawn)
        ran_anything = True
    if not ran_anything:
        return
    from training.tracking import Tracker

    try:
        tracker = Tracker(plan.settings.root, create=True)
        run = _parent(tracker, plan)
        known = tracker.children(run)
        for key, name, params, history in _children(plan, outcome):
            if key not in known:
                child = tracker.start_child(run, name, {"run_key": key}, params)
                tracker.link(child, _address(plan))
                tracker.log(child, history)
                tracker.end(child, "FINISHED")
        tracker.tag(run, {_tag(row["effect"], row["detector"]): row["verdict"] for row in outcome.effects})
        with tempfile.TemporaryDirectory() as held:
            write(Path(held) / "figure.svg", drawn)
            effects = json.dumps(outcome.effects, indent=1, default=str)
            write(Path(held) / "effects.json", effects.encode())
            tracker.add(run, Path(held))
        tracker.end(run, "FINISHED")
    except TrackingUnavailable as error:
        print(f"experiment: MLflow does not take the points ({error}); the lake has them", file=sys.stderr)


def _parent(tracker: "Tracker", plan: Plan) -> "Run":
    from training.tracking import tags_of

    design = plan.settings.design
    key = f"experiment/{plan.settings.name}/{cells.config_hash(design)}"
    found = tracker.find(key)
    if found is not None:
        return found
    tags = {
        "run_key": key,
        "table_versions": json.dumps(plan.versions, sort_keys=True),
        "config": json.dumps(as_dict(plan.settings), sort_keys=True),
        **tags_of({"git_commit": environment.git_commit(), "versions": environment.versions()}),
    }
    params: dict[str, object] = {
        "experiment": plan.settings.name,
        "primary": design.primary,
        "seeds": design.seeds,
    }
    started = tracker.start("experiments", plan.settings.name, tags, params)
    tracker.link(started, _address(plan))
    return started


def _address(plan: Plan) -> str:
    return in_explorer("experiments", experiment=plan.settings.name)


def _children(plan: Plan, outcome: Outcome) -> Iterator[tuple[str, str, dict[str, object], list[Measurement]]]:
    """Yield key, name, parameters and metrics of each (arm, x, seed) all of whose cells are done."""
    whole: dict[tuple[str, float, int], int] = {}
    for one in plan.chosen:
        cell = one.cells[0]
        point = (cell.arm, cell.x, cell.seed)
        whole[point] = whole.get(point, 0) + len(one.cells)
    for (arm, x, seed), rows in outcome.cells.group_by("arm", "x", "seed", maintain_order=True):
        if rows.height < whole.get((arm, x, seed), 0):
            continue
        hashes = cells.digest(sorted(rows["cell_hash"].to_list()))
        name = f"{arm} x={x:g} seed={seed}"
        sizes = {column: rows[column].max() for column in ("n_fake", "n_real", "n_generators", "n_groups")}
        yield (
            f"{plan.settings.name}/{name}/{hashes}",
            name,
            {"arm": arm, "x": x, "seed": seed, **sizes},
            _history(rows),
        )


def _history(rows: pl.DataFrame) -> list[Measurement]:
    """Return each metric of each detector and test, a step a fold and draw."""
    found = []
    ordered = rows.sort("detector", "fold", "draw")
    steps: dict[str, int] = {}
    for detector, metrics, at in ordered.select("detector", "metrics", "finished_at").iter_rows():
        step = steps[detector] = steps.get(detector, -1) + 1
        for test, values in json.loads(metrics).items():
            for metric, value in values.items():
                key = f"{detector}.{test}.{metric}"
                found.append(Measurement(key, value, step, int(at.timestamp() * 1000)))
    return found
