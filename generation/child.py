"""What a model's own process does: enter the cell, load, sample, and send each image to its parent.

Messages go over a pipe as bytes, never as pickles: the parent must not unpickle what an untrusted process says.
Each is a JSON object; of kind "image" it is followed by the image's file.
"""

import gc
import json
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from generation import sandbox
from generation.batches import Batch
from generation.failures import Code, GenerationFailure, device_failed, out_of_memory
from generation.plan import Request

GIVE_UP_AFTER = 3
"""Refused images from a model's first on, after which the rest is not tried."""

FACTS = ("width", "height", "scheduler", "dtype", "batch_size", "library_versions", "nsfw")
"""What a process says about an image that goes into its record; all else the plan knows."""


@dataclass(frozen=True)
class Job:
    """One model's work: where its files are, what to sample, within which limits."""

    folder: Path
    requests: tuple[Request, ...]
    """The images to send."""
    limits: sandbox.Limits
    device: str = "cpu"
    dtype: str = "float32"
    variant: str | None = None
    adapter: Path | None = None
    """The adapter's weights file, laid over the pipeline in `folder`."""
    planned: tuple[Request, ...] = ()
    """All of the model's requests, by which batches are cut; by default those to send."""
    landed: int = 0
    """Images of the model that are there already."""
    batch_size: int = 1
    image_seconds: float | None = None
    """Longest that a loaded model may take for an image."""
    scorer: Path | None = None
    """Folder of the classifier for what is not for all audiences."""
    threshold: float = 0.5
    withhold: bool = False


class Sender:
    """The child's end of the pipe."""

    def __init__(self, connection: Connection, isolated: bool):
        self._connection, self._isolated = connection, isolated
        self.load_seconds: float | None = None
        self.sampling_seconds = 0.0
        self.peak_gpu_memory_mb: float | None = None

    def loaded(self, seconds: float) -> None:
        """Say that the model is loaded: from now on images come. And whether the kernel keeps the network away."""
        self.load_seconds = seconds
        self._send("loaded", {"isolated": self._isolated})

    def image(self, content: bytes, **facts: Any) -> None:
        """Send one image with what is known of it."""
        self._send("image", facts)
        self._connection.send_bytes(content)

    def refused(self, request_id: str, failure: GenerationFailure) -> None:
        """Say that one request gave no usable image."""
        self._send("refused", {"request_id": request_id, "code": failure.code, "message": failure.message})

    def end(self, failure: GenerationFailure | None) -> None:
        """Say that the model is finished, whole or with a failure."""
        said = {"code": failure.code, "message": failure.message} if failure else {"code": None}
        self._send("end", said)

    def _send(self, kind: str, facts: dict[str, Any]) -> None:
        used = {
            "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "peak_gpu_memory_mb": self.peak_gpu_memory_mb,
            "load_seconds": self.load_seconds,
            "sampling_seconds": self.sampling_seconds,
        }
        message = {"kind": kind, **used, **facts}
        self._connection.send_bytes(json.dumps(message).encode())


Body = Callable[[Job, Sender], None]


def main(connection: Connection, job: Job, body: Body, variables: dict[str, str]) -> None:
    """Run `body` in the cell; whatever it raises becomes the model's code. The one broad `except` of a model."""
    sender = Sender(connection, sandbox.enter(job.limits, variables))
    try:
        body(job, sender)
    except GenerationFailure as failure:
        sender.end(failure)
    except Exception as error:
        sender.end(GenerationFailure(_code(error), f"{type(error).__name__}: {error}"))
    else:
        sender.end(None)


def _code(error: Exception) -> Code:
    if out_of_memory(error):
        return Code.OOM
    return Code.CRASH if device_failed(error) else Code.FAILED


def sample_model(job: Job, sender: Sender) -> None:
    """Load the model and sample every request; a bad image is refused alone, unless all of the first ones are."""
    import torch

    from generation.batches import batches
    from generation.loading import load
    from generation.sampling import library_versions

    torch.set_num_threads(1)
    started = time.monotonic()
    pipeline = load(job.folder, job.adapter, job.variant, job.device, job.dtype)
    judge = _judge(job)
    sender.loaded(time.monotonic() - started)
    versions = library_versions(job.device)
    wanted = {request.request_id for request in job.requests}
    ladder = Ladder(pipeline, judge, job.batch_size)
    # What has landed before counts: a model that gave images does not lose the rest for the first bad ones.
    good, bad = job.landed, 0
    for batch in batches(job.planned or job.requests, job.batch_size):
        if wanted.isdisjoint(request.request_id for request in batch):
            continue
        for request, image in ladder.sample(batch, sender):
            if request.request_id not in wanted:
                continue
            if isinstance(image, GenerationFailure):
                bad += 1
                sender.refused(request.request_id, image)
                if not good and bad == GIVE_UP_AFTER:
                    raise image
            else:
                good += 1
                content, facts = image
                sender.image(content, request_id=request.request_id, library_versions=versions, **facts)


def _judge(job: Job) -> Any:
    """Return who looks at the images, if anybody is to; that a scorer does not load is no fault of the model."""
    from generation.nsfw import Judge, Scorer

    if job.scorer is None:
        return None
    try:
        return Judge(Scorer(job.scorer, job.device), job.threshold, job.withhold)
    except Exception as error:
        raise GenerationFailure(Code.CRASH, f"the NSFW scorer: {type(error).__name__}: {error}") from error


class Ladder:
    """Samples batches, in parts half as large each time that memory runs out; it does not climb again."""

    def __init__(self, pipeline: Any, judge: Any, size: int):
        self._pipeline, self._judge, self._size = pipeline, judge, size

    def sample(self, batch: Batch, sender: Sender) -> Iterator[tuple[Request, Any]]:
        """Yield each request with its image or its refusal. Raises GenerationFailure(OOM) below a batch of one."""
        left = batch
        while left:
            part = left[: self._size]
            started = time.monotonic()
            images = self._tried(part)
            sender.sampling_seconds += time.monotonic() - started
            sender.peak_gpu_memory_mb = _peak_gpu_memory_mb()
            if images is not None:
                yield from zip(part, images, strict=True)
                left = left[len(part) :]

    def _tried(self, part: Batch) -> list[Any] | None:
        """The images of a part, or None after a step down."""
        from generation.sampling import sample

        try:
            return sample(self._pipeline, part, self._judge)
        except GenerationFailure as failure:
            if failure.code is not Code.OOM or len(part) == 1:
                raise
        # Out of the `except`, whose error held what filled the memory.
        self._size = max(1, len(part) // 2)
        _free_memory()
        return None


def _free_memory() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _peak_gpu_memory_mb() -> float | None:
    import torch

    return torch.cuda.max_memory_reserved() / 2**20 if torch.cuda.is_available() else None
