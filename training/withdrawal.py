"""Which detectors have seen a withdrawn generator: runs trained on sets that held it, and runs that scored it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from etl.images.withdrawal import Held, Scored
from training.mlflow_server import has_store


@dataclass
class Touched:
    """A run that has seen the images."""

    run_id: str
    trained_on: list[str] = field(default_factory=list)
    """Training sets, as NAME@VERSION"""
    scored: list[Scored] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [f"trained on {label}" for label in self.trained_on]
        parts += [f"scored {found.rows} of its images in {found.collection}" for found in self.scored]
        return f"run {self.run_id}: {'; '.join(parts)}"


def touched(root: str, sets: Sequence[Held], scores: Sequence[Scored]) -> list[Touched]:
    """Return every run that was trained on one of the sets, whatever became of it, or has one of the scores."""
    found: dict[str, Touched] = {}
    for run_id, label in _trained(root, sets):
        found.setdefault(run_id, Touched(run_id)).trained_on.append(label)
    for score in scores:
        found.setdefault(score.run_id, Touched(score.run_id)).scored.append(score)
    return list(found.values())


def report(sets: Sequence[Held], runs: Sequence[Touched]) -> Iterator[str]:
    """Yield lines for people: the training sets that hold images of the generators, then the runs."""
    for what, lines in (("training sets that hold their images", sets), ("runs that have seen them", runs)):
        yield f"{what}: {len(lines)}"
        yield from (f"  {line}" for line in lines)


def _trained(root: str, sets: Sequence[Held]) -> Iterator[tuple[str, str]]:
    """Yield each run that was trained on one of the sets, with the set; none where MLflow has no database."""
    if not sets or not has_store(root):
        return
    from training.tracking import Tracker  # MLflow takes seconds to load: not where there is no run

    tracker = Tracker(root)
    for one in sets:
        for run in tracker.trained_on(one.name, one.version):
            yield run.run_id, one.label
