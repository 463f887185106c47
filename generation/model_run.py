"""One model from its listing to its landed images: vet, download, sample, clean up. The unit that may fail."""

import errno
import math
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from etl.lake.storage import workplace
from generation.attempts import Outcome
from generation.batches import LARGEST
from generation.child import FACTS, Job
from generation.conversation import Ending, Used
from generation.download import fetch
from generation.failures import Code, GenerationFailure, plain
from generation.families import DEFAULTS, WITHOUT_BFLOAT16
from generation.landing import Landing, slug
from generation.plan import Generator, ModelTask, Request
from generation.repository import RepoFile, Repository, Selection, parse_index, select, select_adapter
from generation.sandbox import Limits
from generation.settings import GenerateSettings
from generation.workers import Workers

_ADAPTER = "adapter"
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_TAKEN = tuple(fact for fact in FACTS if fact != "nsfw")


@dataclass
class _Landed:
    images: int = 0
    bytes: int = 0
    waited_seconds: float = 0.0
    download_bytes: int | None = None
    download_seconds: float | None = None
    used: Used = field(default_factory=Used)
    refused: dict[str, tuple[Code, str]] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)
    """SHA-256 of images that were here once, by the ids of their requests."""
    others: int = 0
    """Images made in the place of lost ones that are not the same bytes."""


def run_model(
    task: ModelTask, wanted: Sequence[Request], landing: Landing, settings: GenerateSettings, workers: Workers
) -> Outcome:
    """Sample the `wanted` requests of a generator and land them; return how it went, whatever happened.

    The model's files lie in a folder of their own under <root>/landing/downloads and are deleted at the end.
    """
    started, clock, landed = datetime.now(UTC), time.monotonic(), _Landed()
    folder = workplace(settings.root) / "landing" / "downloads" / slug(task.generator.generator_id)
    code: Code | None
    try:
        code, message = _run(task, wanted, landing, settings, workers, folder, landed)
    except GenerationFailure as failure:
        code, message = failure.code, failure.message
    except OSError as error:  # of this machine: what the network raises has become a GenerationFailure
        code = Code.NO_SPACE if error.errno in _DISK_FULL else Code.CRASH
        message = plain(f"{error.strerror or error} ({error.filename or 'no file'})")
    return Outcome(
        generator_id=task.generator.generator_id,
        code=code,
        message=message,
        seconds=round(time.monotonic() - clock - landed.waited_seconds, 3),
        images=landed.images,
        bytes=landed.bytes,
        started_at=started,
        download_bytes=landed.download_bytes,
        download_seconds=landed.download_seconds,
        refused=landed.refused,
        **asdict(landed.used),
    )


@dataclass(frozen=True)
class Download:
    """What a generator is made of: a pipeline's files, and its own weights file where it is an adapter."""

    pipeline: Repository
    selection: Selection
    adapter: RepoFile | None = None

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(file.size for file in self.selection.files) + (self.adapter.size if self.adapter else 0)


def _run(
    task: ModelTask,
    wanted: Sequence[Request],
    landing: Landing,
    settings: GenerateSettings,
    workers: Workers,
    folder: Path,
    landed: _Landed,
) -> tuple[Code | None, str]:
    landed.lost = landing.open()
    download = vetted(task.generator, settings)
    with workers.disk.reserve(download.size):
        try:
            clock = time.monotonic()
            _fetch(task.generator, download, settings, folder, workers.stopping)
            landed.download_bytes, landed.download_seconds = download.size, round(time.monotonic() - clock, 3)
            there = len(landing.there(request.request_id for request in task.requests))
            job = _job(task, wanted, download, settings, workers.device, folder, there)
            ending = _sampled(job, task.generator, landing, settings, workers, landed)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    landed.used, landed.waited_seconds, landed.refused = ending.used, ending.waited_seconds, ending.refused
    code, message = _verdict(ending, len(wanted) - landed.images)
    if landed.others:
        changed = f"{landed.others} images made in the place of lost ones are not the same"
        message = f"{changed}: other precision, device, batch or libraries{message and f'; {message}'}"
    return code, message


def _sampled(
    job: Job, generator: Generator, landing: Landing, settings: GenerateSettings, workers: Workers, landed: _Landed
) -> Ending:
    """Run the model's process and land each image that it sends."""
    requests = {request.request_id: request for request in job.requests}

    def land(said: dict[str, Any], content: bytes) -> None:
        request = requests[said["request_id"]]
        sha256 = landing.add(content, _record(generator, request, workers.device, said))
        landed.others += landed.lost.get(request.request_id, sha256) != sha256
        landed.images += 1
        landed.bytes += len(content)

    return workers.run(job, settings.deadline_seconds, land)


def vetted(generator: Generator, settings: GenerateSettings) -> Download:
    """Return what is to be downloaded. Raises GenerationFailure for what must not be."""
    if generator.is_adapter and generator.base is None:
        raise GenerationFailure(Code.BASE_MISSING, "the adapter's base model is not in the lake")
    max_bytes = int(settings.max_model_gb * 1e9)
    pipeline = generator.base or generator.repository
    adapter = select_adapter(generator.repository, max_bytes) if generator.base else None
    return Download(pipeline, select(pipeline, max_bytes), adapter)


def _fetch(
    generator: Generator, download: Download, settings: GenerateSettings, folder: Path, stop: threading.Event
) -> None:
    """Download a generator's files, an adapter's beside its base's. Raises GenerationFailure."""
    shutil.rmtree(folder, ignore_errors=True)  # of an interrupted run
    where, seconds = settings.endpoint, settings.deadline_seconds
    if download.adapter is not None:
        fetch(generator.repository, [download.adapter], folder / _ADAPTER, where, seconds, stop=stop)
    fetch(download.pipeline, download.selection.files, folder / "pipeline", where, seconds, stop=stop)
    # The index is not among the files with a known SHA-256: what was vetted must be what is loaded.
    downloaded = (folder / "pipeline" / "model_index.json").read_text(encoding="utf-8", errors="replace")
    try:
        same = parse_index(downloaded) == parse_index(download.pipeline.index)
    except GenerationFailure:
        same = False
    if not same:
        raise GenerationFailure(Code.BAD_DOWNLOAD, "model_index.json is not the one that the crawl recorded")


def _job(
    task: ModelTask,
    wanted: Sequence[Request],
    download: Download,
    settings: GenerateSettings,
    device: str,
    folder: Path,
    there: int,
) -> Job:
    on_cpu = device == "cpu"
    batched = DEFAULTS[task.generator.pipeline_class].batched
    return Job(
        folder=folder / "pipeline",
        requests=tuple(wanted),
        planned=task.requests,
        landed=there,
        batch_size=(settings.batch_size or (1 if on_cpu else LARGEST)) if batched else 1,
        limits=Limits(
            cpu_seconds=math.ceil(settings.deadline_seconds) + 60,
            memory_bytes=int(settings.memory_gb * 2**30) if on_cpu else None,
        ),
        device=device,
        dtype=_dtype(task.generator.pipeline_class, settings.dtype, on_cpu),
        variant=download.selection.variant,
        adapter=folder / _ADAPTER / download.adapter.path if download.adapter else None,
        image_seconds=settings.image_seconds,
        scorer=Path(settings.nsfw_scorer).resolve() if settings.nsfw_scorer else None,
        threshold=settings.nsfw_threshold,
        withhold=settings.nsfw_policy == "withhold",
    )


def _dtype(pipeline_class: str, asked: str, on_cpu: bool) -> str:
    """Return the precision: as asked, else the class's own on a GPU; on a CPU half of it is slow."""
    if asked == "bfloat16" and pipeline_class in WITHOUT_BFLOAT16:
        return "float32"
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
        "nsfw": generator.nsfw if said["nsfw"] is None else said["nsfw"],
        "format": request.format or "PNG",
        "quality": request.quality,
        "subsampling": request.subsampling,
        **{key: said[key] for key in _TAKEN},
    }


def _verdict(ending: Ending, missing: int) -> tuple[Code | None, str]:
    """Return the code of a try: the child's own, else that of the images it refused."""
    if ending.code is not None:
        return ending.code, ending.message
    if not missing:
        return None, ""
    if not ending.refused:
        return Code.CRASH, f"{missing} images never came"
    code, message = next(iter(ending.refused.values()))
    return code, f"{len(ending.refused)} images refused, the first: {message}"
