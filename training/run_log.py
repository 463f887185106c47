"""A run's log: MLflow where it answers, and what it did not take kept until it does.

Training does not wait for MLflow. What is measured stands in the checkpoint; each time that something is logged,
all that MLflow has not taken yet goes along, and the end of a run asks for it to be complete.
"""

import contextlib
import hashlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from etl.addresses import in_explorer
from etl.config import as_dict
from training import environment
from training.artifacts import DETECTOR
from training.checkpoint import Measurement
from training.errors import TrackingUnavailable
from training.sets import TrainingSet
from training.settings import TrainSettings
from training.tracking import Run, Tracker, tags_of

_RETRY_SECONDS = 60.0
"""After MLflow did not answer: each try on a locked database takes 20 seconds."""


class RunLog:
    """The run of one key, found again or started as soon as MLflow answers."""

    def __init__(self, settings: TrainSettings, training_set: TrainingSet, key: str):
        self._settings, self._training_set, self._key = settings, training_set, key
        self._tracker: Tracker | None = None
        self._run: Run | None = None
        self._logged = 0
        self._silent = False
        self._next_try = 0.0
        self.finished: str | None = None
        """Id of the run, where it is finished already"""
        with self._tolerant():
            found = self._tracked().find(key)
            if found is not None and found.finished:
                self.finished = found.run_id

    @property
    def run_id(self) -> str:
        return self._run.run_id if self._run else ""

    def add(self, history: list[Measurement]) -> None:
        """Log what of the history is not logged yet, or leave it for the next time, and say so once."""
        if time.monotonic() >= self._next_try:
            with self._tolerant():
                self._log(history)

    def finish(self, history: list[Measurement], artifacts: Path) -> None:
        """Log the rest and the artifacts, register the detector, and mark the run FINISHED.

        Raises TrackingUnavailable where MLflow does not take it.
        """
        try:
            self._log(history)
            assert self._run is not None
            name = self._settings.register or f"{self._training_set.name}-{self._settings.detector}"
            self._tracked().finish(self._run, artifacts, DETECTOR, name)
        except TrackingUnavailable as error:
            raise TrackingUnavailable(
                f"the detector is trained, but MLflow does not take it ({error}); run the same command again: "
                "what was measured is kept and is logged then, nothing is trained again"
            ) from None

    @contextlib.contextmanager
    def marked_when_broken(self) -> Iterator[None]:
        """Mark the run FAILED, or KILLED after an interrupt, where the block ends with an error."""
        try:
            yield
        except TrackingUnavailable:
            raise  # not the run's fault
        except BaseException as error:
            with self._tolerant():
                if self._run:
                    self._tracked().end(self._run, "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
            raise

    def _log(self, history: list[Measurement]) -> None:
        tracker = self._tracked()
        if self._run is None:
            self._run = self._opened(tracker)
        tracker.log(self._run, history[self._logged :])
        self._logged = len(history)

    def _tracked(self) -> Tracker:
        if self._tracker is None:
            self._tracker = Tracker(self._settings.root, create=True)
        return self._tracker

    def _opened(self, tracker: Tracker) -> Run:
        """Resume the interrupted run of this key, or start one with all that makes it repeatable."""
        surroundings = tags_of({"git_commit": environment.git_commit(), "versions": environment.versions()})
        found = tracker.find(self._key)
        if found is not None:
            tracker.resume(found, surroundings)
            return found
        config, training_set = as_dict(self._settings), self._training_set
        tags = {
            "run_key": self._key,
            "training_set": training_set.name,
            "training_set_version": str(training_set.version),
            "training_set_id_checksum": training_set.id_checksum,
            "training_set_config_hash": training_set.config_hash,
            "rows_version": str(training_set.rows_version),
            "table_versions": training_set.table_versions,
            "config_hash": hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest(),
            **surroundings,
        }
        name = f"{self._settings.detector} {training_set.label}"
        started = tracker.start(self._settings.experiment, name, tags, config)
        tracker.link(started, in_explorer("evaluation", run=started.run_id))
        return started

    @contextlib.contextmanager
    def _tolerant(self) -> Iterator[None]:
        try:
            yield
        except TrackingUnavailable as error:
            if not self._silent:
                print(
                    f"train: MLflow does not answer ({error}); training goes on, and is logged later",
                    file=sys.stderr,
                )
            self._silent, self._next_try = True, time.monotonic() + _RETRY_SECONDS
