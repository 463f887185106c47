"""The demo's stages in their order, each a verb with its arguments, and the table of results at the end."""

from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import polars as pl

from etl import durable
from etl.demo.settings import DemoSettings
from etl.lake import snapshot
from etl.lake.schemas import EVALUATIONS, IMAGES, MODELS, PREDICTIONS, Table, training_rows

TRAINING_SET = "demo"
COUNTED: tuple[Table, ...] = (MODELS, IMAGES, training_rows(TRAINING_SET), PREDICTIONS)
"""Tables to which a second demo must add nothing."""


def photos_folder(spare: Path) -> Path:
    """Return the photographs' folder; where the project is a zip, as for spark-submit, unpack them to `spare`."""
    shipped = resources.files("etl.demo") / "photos"
    if isinstance(shipped, Path):
        return shipped
    for file in shipped.iterdir():
        durable.write(spare / file.name, file.read_bytes())
    return spare


def stages(settings: DemoSettings, endpoint: str, photos: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield (verb, arguments) of each stage, once the demo Hub is up at `endpoint`."""

    def arguments(**keys: object) -> list[str]:
        return [word for key, value in keys.items() for word in (f"--{key}", str(value))]

    root = arguments(root=settings.root)
    yield "crawl", root + arguments(endpoint=endpoint)
    yield "catalogue", root
    taken = arguments(path=photos, table=photos / "photos.csv", collection="photos", limit=settings.photos)
    yield "ingest", root + taken
    # The demo Hub's models are tiny: two steps at 64 pixels show every code path in a fraction of a second.
    sampling = arguments(plan="demo", images_per_generator=settings.images_per_generator, steps=2, size=64)
    sampling += arguments(driver=settings.driver)
    yield "generate", root + arguments(endpoint=endpoint) + sampling
    yield "ingest", root + arguments(source="generated")
    yield "describe", root
    # Photographs are large JPEG files and the tiny models' images small PNG: the audit would refuse that. Those
    # images are hardly more than noise, so that the bytes of a file go on telling.
    alike = arguments(reencode="JPEG", reencode_size=64, accept="[bytes]")
    yield "build-training-set", root + arguments(name=TRAINING_SET) + alike
    # Two detectors, so that there is something to compare; each is judged as the newest, the last stays so.
    for detector in ("linear_srm", "resnet10t"):
        taught = arguments(training_set=TRAINING_SET, detector=detector, epochs=settings.epochs)
        yield "train", root + taught
        yield "evaluate", root + arguments(training_set=TRAINING_SET)
    yield "summarise", root


def row_counts(root: str) -> dict[str, int]:
    """Return the number of rows of the counted tables, 0 for those that are missing."""
    return {
        table.name: snapshot.scan(root, table).select(pl.len()).collect().item()
        if snapshot.exists(root, table)
        else 0
        for table in COUNTED
    }


def results(root: str) -> list[str]:
    """Return the lines of the table of results: average precision and accuracy by generator.

    Of the detector that was judged last; of the others, and of what looks at no pixel, the means alone.
    """
    is_baseline = pl.col("run_id").str.starts_with("baseline:")
    judged = snapshot.read(root, EVALUATIONS)
    latest = judged.filter(~is_baseline, slice_kind="mean").sort("evaluated_at")["run_id"].last()
    is_other = pl.col("run_id") != latest
    rows = judged.filter(
        (pl.col("slice_kind") == "mean") | ((pl.col("slice_kind") == "generator") & ~is_other),
        pl.col("metric").is_in(["average_precision", "accuracy"]),
        pl.col("pool") == "all",
        pl.col("transform") == "none",
    )
    index = ["slice_kind", "slice", "n_fake", "n_real", "run_id", "collection"]
    wide = rows.pivot(on="metric", index=index, values="value").with_columns(baseline=is_baseline, other=is_other)
    lines = [f"{'generator':<44} {'fakes':>5} {'reals':>5} {'AP':>6} {'acc':>6}"]
    for row in wide.sort("slice_kind", "baseline", "other", "slice", "run_id").iter_rows(named=True):
        whose = f"mean of run {row['run_id'][:8]}" if row["other"] else "mean over generators"
        mean = row["run_id"] if row["baseline"] else whose
        name = row["slice"] if row["slice_kind"] == "generator" else mean
        ap, accuracy = _figure(row.get("average_precision")), _figure(row.get("accuracy"))
        lines.append(f"{name:<44} {row['n_fake']:>5} {row['n_real']:>5} {ap:>6} {accuracy:>6}")
    return lines


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
