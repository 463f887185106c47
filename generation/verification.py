"""Making images of the lake again from their rows, and comparing them. Nothing is written into the lake."""

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from etl.errors import ConfigError, NothingUsable
from etl.images.sources import complete_lines
from etl.lake import snapshot
from etl.lake.folder import folder
from etl.lake.schemas import IMAGES
from generation.comparison import Result, Row, Verdict, compared, result
from generation.failures import OF_IMAGE, Code
from generation.inputs import planned_generators
from generation.landing import RECORDS, Landing, slug
from generation.model_run import run_model
from generation.pinned import read
from generation.plan import Generator, ModelTask, Request
from generation.rebuilding import rebuilt, why_not
from generation.settings import GenerateSettings
from generation.verify_settings import VerifySettings
from generation.workers import Workers


@dataclass(frozen=True)
class Group:
    """Drawn images that one run of a model can make again, each with its request."""

    generator: Generator
    dtype: str
    batch_size: int
    images: tuple[tuple[Row, Request], ...]


def draw(root: str, sample: int, seed: int, image: str = "") -> list[Row]:
    """Return the rows of up to `sample` images that were made here, of many generators, or that of `image`.

    Raises NothingUsable where there is none.
    """
    nothing = (
        f"no image in the lake at {root} was generated here; run `forensics generate`, then "
        "`forensics ingest --source generated`"
    )
    if not snapshot.exists(root, IMAGES):
        raise NothingUsable(nothing)
    images = snapshot.scan(root, IMAGES)
    made = images.drop_nulls(["request_id", "generator_id", "model_revision"])
    if image:
        made = made.filter(pl.col("image_id") == image)
        nothing = f"the lake at {root} has no image {image} that was generated here"
    chosen = spread(made.select("image_id", "generator_id").collect(), sample, seed)
    if not chosen:
        raise NothingUsable(nothing)
    # Bytes are read of these alone: those of the whole table would not fit into memory.
    rows = images.filter(pl.col("image_id").is_in(chosen)).collect().sort("generator_id", "image_id").to_dicts()
    return [dict.fromkeys(IMAGES.columns) | row for row in rows]


def spread(images: pl.DataFrame, sample: int, seed: int) -> list[str]:
    """Return up to `sample` image ids: one of each generator, then a second one, and so on.

    The order follows from seed and ids alone, so that an image added to the lake moves no other.
    """
    draws = [hashlib.sha256(f"{seed}/{key}".encode()).hexdigest() for key in images["image_id"]]
    ordered = images.with_columns(pl.Series("draw", draws, dtype=pl.String)).sort("draw")
    placed = ordered.with_columns(place=pl.int_range(pl.len()).over("generator_id"))
    return placed.sort("place", "draw").head(sample)["image_id"].to_list()


def grouped(root: str, rows: Sequence[Row]) -> tuple[list[Group], list[Result]]:
    """Return what can be made again, by run of a model, and the results of images that cannot.

    Raises LakeMissing where the lake has no catalogue.
    """
    groups: dict[tuple[Generator, str, int], list[tuple[Row, Request]]] = {}
    generators, results = _generators(root, rows), []
    for row in rows:
        generator = generators[_key(row)]
        record = _record(root, row)
        if lacking := _lacking(generator):
            results.append(result(row, Verdict.UNAVAILABLE, lacking))
        elif request := rebuilt(row, record, generator):
            key = (generator, row["dtype"] or "auto", row["batch_size"] or 1)
            groups.setdefault(key, []).append((row, request))
        else:
            results.append(result(row, Verdict.NOT_REPRODUCIBLE, why_not(record, generator)))
    return [Group(*how, tuple(images)) for how, images in groups.items()], results


def make_again(
    groups: Sequence[Group], settings: VerifySettings, scratch: Path, workers: Workers
) -> Iterator[list[Result]]:
    """Make the images of all groups again, several models at a time; yield each group's results as it ends."""
    with ThreadPoolExecutor(workers.places + 1, "verify") as threads:
        running = [
            # A folder each: the same model may come in two precisions.
            threads.submit(_verified, group, settings, scratch / str(number), workers)
            for number, group in enumerate(groups)
        ]
        try:
            for future in as_completed(running):
                yield future.result()
        finally:
            if not all(future.done() for future in running):  # interrupted: do not wait for models to finish
                for future in running:
                    future.cancel()
                workers.stop()


def sampling_settings(settings: VerifySettings, scratch: Path) -> GenerateSettings:
    """Return the settings with which models run; precision and batch size are each group's own."""
    return GenerateSettings(
        root=str(scratch),
        endpoint=settings.endpoint,
        device=settings.device,
        workers=settings.workers,
        deadline_seconds=settings.deadline_seconds,
        memory_gb=settings.memory_gb,
        max_model_gb=settings.max_model_gb,
    )


def _verified(group: Group, settings: VerifySettings, folder: Path, workers: Workers) -> list[Result]:
    # The one place where precision and batch size of the images become those of the run.
    run = sampling_settings(settings, folder)
    size = settings.batch_size or group.batch_size
    run = replace(run, dtype=group.dtype, batch_size=size)
    wanted = list({request.request_id: request for _, request in group.images}.values())
    planned = tuple(company for request in wanted for company in _batch(request, size))
    landing = Landing(run.root, "verify", group.generator.generator_id)
    outcome = run_model(ModelTask(group.generator, planned), wanted, landing, run, workers)
    manifest = landing.folder / RECORDS
    lines = complete_lines(manifest.read_bytes() if manifest.exists() else b"")
    records = {line.get("request_id"): line for line in lines}
    results = []
    for row, request in group.images:
        if record := records.get(request.request_id):
            made = (landing.folder / record["file"]).read_bytes()
            results.append(compared(row, record, made, settings.tolerance))
        else:
            verdict = Verdict.DIFFERENT if outcome.code in OF_IMAGE else Verdict.UNAVAILABLE
            results.append(result(row, verdict, f"{outcome.code}: {outcome.message}"))
    shutil.rmtree(folder, ignore_errors=True)
    return results


def _batch(request: Request, size: int) -> list[Request]:
    """Return a batch of that size with the request in it: results depend on the size, hardly on the company."""
    copies = (replace(request, request_id=f"{request.request_id}-{number}") for number in range(1, size))
    return [request, *copies]


def _key(row: Row) -> tuple[str, str, str]:
    return row["generator_id"], row["model_revision"], row["source"]


def _generators(root: str, rows: Sequence[Row]) -> dict[tuple[str, str, str], Generator]:
    """Return the generator of each row, at the revision that made it; an adapter's base as its plan pinned it."""
    keys = sorted({_key(row)[:2] for row in rows})
    asked = pl.DataFrame([{"generator_id": key, "revision": revision, "images": None} for key, revision in keys])
    today = dict(zip(keys, planned_generators(root, asked), strict=True))
    plans = {plan: _begun_with(root, plan) for plan in {row["source"] for row in rows}}
    found = {}
    for generator_id, revision, plan in map(_key, rows):
        generator, then = today[generator_id, revision], plans[plan].get(generator_id)
        if then and generator.base and then.base and then.repository.revision == revision:
            generator = replace(generator, base=then.base)
        found[generator_id, revision, plan] = generator
    return found


def _begun_with(root: str, plan: str) -> dict[str, Generator]:
    """Return the generators that a plan was begun with; none where that is not known any more."""
    try:
        pinned = read(root, plan)
    except ConfigError:
        return {}
    return pinned.generators if pinned else {}


def _lacking(generator: Generator) -> str:
    """Return with its code why a generator cannot be sampled any more; empty where it may be."""
    if generator.refused:
        return generator.refused
    if not generator.repository.files:
        return f"{Code.GONE}: the lake has no record of its model at revision {generator.repository.revision}"
    if generator.is_adapter and generator.base is None:
        return f"{Code.BASE_MISSING}: the adapter's base model is not in the lake"
    return ""


def _record(root: str, row: Row) -> Row:
    """Return the image's line in the records of its landing; empty where they are gone."""
    place = folder(root, "landing", "images", row["source"], slug(row["generator_id"]))
    lines = complete_lines(place.read(RECORDS) or b"")
    return next((line for line in lines if line.get("request_id") == row["request_id"]), {})
