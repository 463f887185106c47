"""What a model's own process does: enter the cell, load, sample, and send each image to its parent.

Messages go over a pipe as bytes, never as pickles: the parent must not unpickle what an untrusted process says.
Each is a JSON object; of kind "image" it is followed by the PNG itself.
"""

import json
import resource
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from generation import sandbox
from generation.failures import Code, GenerationFailure
from generation.plan import Request

GIVE_UP_AFTER = 3
"""Refused images from a model's first on, after which the rest is not tried."""


@dataclass(frozen=True)
class Job:
    """One model's work: where its files are, what to sample, within which limits."""

    folder: Path
    requests: tuple[Request, ...]
    limits: sandbox.Limits
    device: str = "cpu"
    dtype: str = "float32"
    variant: str | None = None
    adapter: Path | None = None
    """The adapter's weights file, laid over the pipeline in `folder`."""


class Sender:
    """The child's end of the pipe."""

    def __init__(self, connection: Connection):
        self._connection = connection

    def image(self, png: bytes, **facts: Any) -> None:
        """Send one image with what is known of it."""
        self._send("image", facts)
        self._connection.send_bytes(png)

    def refused(self, request_id: str, failure: GenerationFailure) -> None:
        """Say that one request gave no usable image."""
        self._send("refused", {"request_id": request_id, "code": failure.code, "message": failure.message})

    def end(self, failure: GenerationFailure | None) -> None:
        """Say that the model is finished, whole or with a failure."""
        said = {"code": failure.code, "message": failure.message} if failure else {"code": None}
        self._send("end", said)

    def _send(self, kind: str, facts: dict[str, Any]) -> None:
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        message = {"kind": kind, "peak_memory_mb": peak_mb, **facts}
        self._connection.send_bytes(json.dumps(message).encode())


Body = Callable[[Job, Sender], None]


def main(connection: Connection, job: Job, body: Body) -> None:
    """Run `body` in the cell; whatever it raises becomes the model's code. The one broad `except` of a model."""
    sandbox.enter(job.limits)
    sender = Sender(connection)
    try:
        body(job, sender)
    except GenerationFailure as failure:
        sender.end(failure)
    except MemoryError as error:
        sender.end(GenerationFailure(Code.OOM, str(error)))
    except Exception as error:
        sender.end(GenerationFailure(Code.FAILED, f"{type(error).__name__}: {error}"))
    else:
        sender.end(None)


def sample_model(job: Job, sender: Sender) -> None:
    """Load the model and sample every request; a bad image is refused alone, unless all of the first ones are."""
    import torch

    from generation.loading import load
    from generation.sampling import library_versions, sample

    torch.set_num_threads(1)
    pipeline = load(job.folder, job.adapter, job.variant, job.device, job.dtype)
    versions = library_versions()
    good = bad = 0
    for request in job.requests:
        try:
            png, facts = sample(pipeline, request)
        except GenerationFailure as failure:
            bad += 1
            sender.refused(request.request_id, failure)
            if failure.code is Code.OOM or (not good and bad == GIVE_UP_AFTER):
                raise
        else:
            good += 1
            sender.image(png, request_id=request.request_id, library_versions=versions, **facts)
