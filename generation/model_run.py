"""One model from its listing to its landed images: vet, download, sample, clean up. The unit that may fail."""

import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from generation.attempts import Outcome
from generation.child import Job
from generation.download import fetch
from generation.failures import Code, GenerationFailure
from generation.families import DEFAULTS
from generation.landing import Landing, slug
from generation.plan import Generator, ModelTask, Request
from generation.repository import parse_index, select, select_adapter
from generation.sandbox import Limits
from generation.settings import GenerateSettings
from generation.workers import Ending, Workers

_ADAPTER = "adapter"
_TAKEN = ("width", "height", "scheduler", "dtype", "batch_size", "library_versions")
"""What the child says about an image that goes into its record; all else the plan knows."""


@dataclass
class _Landed:
    images: int = 0
    bytes: int = 0
    peak_memory_mb: float | None = None
    waited_seconds: float = 0.0


def run_model(
    task: ModelTask, wanted: Sequence[Request], landing: Landing, settings: GenerateSettings, workers: Workers
) -> Outcome:
    """Sample the `wanted` requests of a generator and land them; return how it went, whatever happened.

    The model's files lie in a folder of their own under <root>/landing/downloads and are deleted at the end.
    """
    started, clock, landed = datetime.now(UTC), time.monotonic(), _Landed()
    folder = Path(settings.root).resolve() / "landing" / "downloads" / slug(task.generator.generator_id)
    code: Code | None
    try:
        code, message = _run(task.generator, wanted, landing, settings, workers, folder, landed)
    except GenerationFailure as failure:
        code, message = failure.code, failure.message
    except OSError as error:  # of the disk: what the network raises has become a GenerationFailure
        code, message = Code.NO_SPACE, f"{error.strerror or error} ({error.filename or 'no file'})"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Outcome(
        generator_id=task.generator.generator_id,
        code=code,
        message=message,
        seconds=round(time.monotonic() - clock - landed.waited_seconds, 3),
        images=landed.images,
        bytes=landed.bytes,
        peak_memory_mb=landed.peak_memory_mb,
        started_at=started,
    )


def _run(
    generator: Generator,
    wanted: Sequence[Request],
    landing: Landing,
    settings: GenerateSettings,
    workers: Workers,
    folder: Path,
    landed: _Landed,
) -> tuple[Code | None, str]:
    landing.open()
    job = _fetched(generator, wanted, settings, workers.device, folder)
    requests = {request.request_id: request for request in wanted}

    def land(said: dict[str, Any], png: bytes) -> None:
        request = requests[said["request_id"]]
        landing.add(png, _record(generator, request, workers.device, said))
        landed.images += 1
        landed.bytes += len(png)

    ending = workers.run(job, settings.deadline_seconds, land)
    landed.peak_memory_mb, landed.waited_seconds = ending.peak_memory_mb, ending.waited_seconds
    return _verdict(ending, len(wanted) - landed.images)


def _fetched(
    generator: Generator, wanted: Sequence[Request], settings: GenerateSettings, device: str, folder: Path
) -> Job:
    """Vet and download a generator's files (an adapter's beside its base's). Raises GenerationFailure."""
    if generator.is_adapter and generator.base is None:
        raise GenerationFailure(Code.BASE_MISSING, "the adapter's base model is not in the lake")
    shutil.rmtree(folder, ignore_errors=True)  # of an interrupted run
    max_bytes = int(settings.max_model_gb * 1e9)
    pipeline = generator.base or generator.repository
    selection = select(pipeline, max_bytes)
    adapter = None
    if generator.base is not None:
        file = select_adapter(generator.repository, max_bytes)
        fetch(generator.repository, [file], folder / _ADAPTER, settings.endpoint, settings.deadline_seconds)
        adapter = folder / _ADAPTER / file.path
    fetch(pipeline, selection.files, folder / "pipeline", settings.endpoint, settings.deadline_seconds)
    # The index is not among the files with a known SHA-256: what was vetted must be what is loaded.
    downloaded = (folder / "pipeline" / "model_index.json").read_text(encoding="utf-8", errors="replace")
    if parse_index(downloaded) != parse_index(pipeline.index):
        raise GenerationFailure(Code.BAD_DOWNLOAD, "model_index.json is not the one that the crawl recorded")
    on_cpu = device == "cpu"
    return Job(
        folder=folder / "pipeline",
        requests=tuple(wanted),
        limits=Limits(
            cpu_seconds=math.ceil(settings.deadline_seconds) + 60,
            memory_bytes=int(settings.memory_gb * 2**30) if on_cpu else None,
        ),
        device=device,
        dtype=_dtype(generator.pipeline_class, settings.dtype, on_cpu),
        variant=selection.variant,
        adapter=adapter,
    )


def _dtype(pipeline_class: str, asked: str, on_cpu: bool) -> str:
    """Return the precision: as asked, else the class's own on a GPU; on a CPU half of it is slow."""
    if asked != "auto":
        return asked
    return "float32" if on_cpu else DEFAULTS[pipeline_class].dtype


def _record(generator: Generator, request: Request, device: str, said: dict[str, Any]) -> dict[str, Any]:
    """Return an image's line in records.jsonl, but for its file and hash, which landing adds."""
    return {
        "request_id": request.request_id,
        "generator_id": generator.generator_id,
        "model_revision": generator.repository.revision,
        "prompt": request.prompt,
        "prompt_id": request.prompt_id,
        "class_label": request.class_label,
        "negative_prompt": request.negative_prompt,
        "seed": request.seed,
        "steps": request.steps,
        "guidance": request.guidance,
        "device": device,
        "licence": generator.licence,
        "nsfw": generator.nsfw,
        **{key: said[key] for key in _TAKEN},
    }


def _verdict(ending: Ending, missing: int) -> tuple[Code | None, str]:
    """Return the code of a try: the child's own, else that of the images it refused."""
    if ending.code is not None:
        return ending.code, ending.message
    if not missing:
        return None, ""
    if not ending.refused:
        return Code.FAILED, f"{missing} images never came"
    code, message = next(iter(ending.refused.values()))
    return code, f"{len(ending.refused)} images refused, the first: {message}"
