"""Tries at generators: what was tried before, whether to try again, and the row that a try leaves. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from generation.failures import Code

LONGEST_WAIT_SECONDS = 600.0
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

    @property
    def status(self) -> str:
        if self.code is None:
            return "ok"
        return "partial" if self.images else "failed"


def decide(missing: int, history: Sequence[Mapping[str, Any]], max_attempts: int) -> Decision:
    """Return what to do with a generator of which `missing` images are wanted still.

    A failure that lies in the model is final. Failures that may pass are tried again up to `max_attempts`; a last
    try that succeeded counts for nothing when images have since been lost.
    """
    if not missing:
        return "whole"
    if not history or (last := history[-1])["status"] == "ok":
        return "try"
    if Code(last["code"]).permanent:
        return "given-up"
    failed = sum(1 for attempt in history if attempt["status"] != "ok")
    return "try" if failed < max_attempts else "given-up"


def wait_before(attempt: int, seconds: float) -> float:
    """Return how long to wait before a try, which is the second or later: twice as long each time, capped."""
    return min(seconds * 2.0 ** (attempt - 2), LONGEST_WAIT_SECONDS)


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
