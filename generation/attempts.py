"""Tries at generators: what was tried before, whether to try again, and the rows that a try leaves. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import takewhile
from typing import Any, Literal

from etl.errors import EnvironmentAtFault
from generation.failures import OF_IMAGE, Code

LONGEST_WAIT_SECONDS = 600.0
STOP_AFTER = 8
"""Generators in a row that fail alike before the run ends."""
_AROUND = {Code.FAILED, Code.CRASH, Code.HUB_ERROR, Code.NO_SPACE}
STAGE = "generate"
"""What `rejects` calls images that were refused here."""
Decision = Literal["try", "whole", "given-up"]


@dataclass(frozen=True)
class Outcome:
    """What one try gave. `code` None: every image that was asked for."""

    generator_id: str
    code: Code | None
    message: str
    seconds: float
    """Download and sampling, without the wait for a free place."""
    images: int
    """Images landed by this try."""
    bytes: int
    peak_memory_mb: float | None
    started_at: datetime
    download_bytes: int | None = None
    download_seconds: float | None = None
    load_seconds: float | None = None
    sampling_seconds: float | None = None
    peak_gpu_memory_mb: float | None = None
    refused: Mapping[str, tuple[Code, str]] = field(default_factory=dict)
    """Code and message by the id of each request that was tried and gave no usable image."""

    @property
    def status(self) -> str:
        if self.code is None:
            return "ok"
        return "partial" if self.images else "failed"

    def told(self, wanted: int) -> str:
        """Return the outcome in a line, of `wanted` images."""
        counts = f"{self.images} images, {wanted - self.images} refused, {self.seconds:.1f} s"
        ended = f"{self.code or 'ok'}{self.message and f': {self.message}'}"
        return f"{self.generator_id}: {counts}, {ended}"


def decide(
    missing: int, history: Sequence[Mapping[str, Any]], max_attempts: int, retry: Collection[str] = ()
) -> Decision:
    """Return what to do with a generator of which `missing` images are wanted still.

    A failure that lies in the model is final, unless its code is in `retry`. Failures that may pass are tried
    again up to `max_attempts`; a last try that succeeded counts for nothing when images have since been lost.
    """
    if not missing:
        return "whole"
    if not history or (last := history[-1])["status"] == "ok" or last["code"] in retry:
        return "try"
    if last["status"] == "partial" and last["code"] in OF_IMAGE:  # the refused ones are not among the missing
        return "try"
    if Code(last["code"]).permanent:
        return "given-up"
    failed = sum(1 for _ in takewhile(lambda attempt: attempt["status"] != "ok", reversed(history)))
    return "try" if failed < max_attempts else "given-up"


class Breaker:
    """Ends a run in which one generator after another fails alike: the cause lies around them.

    Without it a night without the Hub, or a library that does not load, would use up the tries of every
    generator. Errors of the pipeline, and crashes, count from the second pipeline class on: thousands of models
    of one class may share what is wrong with them.
    """

    def __init__(self) -> None:
        self._alike: tuple[Code | None, str] = (None, "")
        self._classes: list[str] = []

    def heed(self, outcome: Outcome, pipeline_class: str) -> None:
        """Take note of how a generator ended. Raises EnvironmentAtFault."""
        # What stands in brackets is about the one generator, and the Hub's failures name a file.
        said = "" if outcome.code is Code.HUB_ERROR else outcome.message.split(" (")[0]
        if (outcome.code, said) != self._alike or outcome.images:
            self._alike, self._classes = (outcome.code, said), []
        self._classes.append(pipeline_class)
        around = outcome.code in (Code.HUB_ERROR, Code.NO_SPACE) or len(set(self._classes)) > 1
        if outcome.code in _AROUND and around and len(self._classes) >= STOP_AFTER and not outcome.images:
            raise EnvironmentAtFault(
                f"the last {STOP_AFTER} generators all failed with {outcome.code}: {outcome.message}; the cause "
                "is likely to lie around them. Mend it and run the same command again, with "
                f"--retry '[{outcome.code}]' for those of them that had their last try"
            )


def progress(number: int, models: int, seconds: float) -> str:
    """Return how far a round is in words, with what is left where the rest takes as long as those that ended."""
    if number == models:
        return f"{number} of {models}"
    left = seconds / number * (models - number)
    return f"{number} of {models}, about {f'{left / 60:.0f} min' if left >= 120 else f'{left:.0f} s'} left"


def wait_before(attempt: int, seconds: float) -> float:
    """Return how long to wait before a try, which is the second or later: twice as long each time, capped."""
    return min(seconds * 2.0 ** (attempt - 2), LONGEST_WAIT_SECONDS)


def rejects(plan_id: str, attempt: int, outcome: Outcome, now: datetime) -> list[dict[str, Any]]:
    """Return the rows of `rejects` for the images that a try refused one by one; their key is the request's id."""
    about = {"stage": STAGE, "run_id": plan_id, "attempt": attempt, "ts": now}
    return [
        {**about, "key": request_id, "code": str(code), "detail": f"{outcome.generator_id}: {message}"}
        for request_id, (code, message) in outcome.refused.items()
        if code.permanent
    ]


def row(plan_id: str, attempt: int, outcome: Outcome) -> dict[str, Any]:
    """Return the row of `generation_attempts`; attempts count from 1."""
    return {
        "plan_id": plan_id,
        "generator_id": outcome.generator_id,
        "attempt": attempt,
        "status": outcome.status,
        "code": str(outcome.code or "OK"),
        "message": outcome.message,
        "seconds": outcome.seconds,
        "images": outcome.images,
        "bytes": outcome.bytes,
        "peak_memory_mb": outcome.peak_memory_mb,
        "peak_gpu_memory_mb": outcome.peak_gpu_memory_mb,
        "download_bytes": outcome.download_bytes,
        "download_seconds": outcome.download_seconds,
        "load_seconds": outcome.load_seconds,
        "sampling_seconds": outcome.sampling_seconds,
        "started_at": outcome.started_at,
    }
