"""Which generators to add to a training set next, by the planner that conf/experiments/toy_planner.yaml backtests.

Of generators that have images, a few pilots of each are compared with those that the set has learnt. Of those that
were never sampled only the lineage is known: one of every family that neither the set nor the choice has.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from etl.errors import NothingUsable
from etl.images.withdrawal import withdrawn
from etl.lake import snapshot
from etl.lake.schemas import GENERATORS, GOLD_ADDITIONS, IMAGES
from training import sets, targets
from training.experiments import value
from training.experiments.deal import shuffled
from training.experiments.features import FeatureSet, load
from training.experiments.processing import Processing
from training.experiments.settings import AdditionsSettings

DETECTOR = "linear_srm"
UNSAMPLED = "unseen family"
_REGULARISATION = 0.01
Row = dict[str, Any]


class Known(NamedTuple):
    """A training set and the lake around it."""

    subject: str
    learnt: list[str]
    """Generators of its training split"""
    pilots: dict[str, list[str]]
    """Image ids of each generator that has images, the learnt ones first"""
    images: dict[str, int]
    """How many images the lake has of each generator"""
    reals: list[str]
    generators: pl.DataFrame
    version: int
    """Of `images`"""


def additions(settings: AdditionsSettings, now: datetime) -> list[Row]:
    """Return rows of `gold_additions`, the best first. Raises NothingUsable where the lake has nothing to add."""
    known = _known(settings)
    sampled = _sampled(settings, known)
    families = {row["family"] for row in known.generators.iter_rows(named=True)}
    held = {*known.learnt, *(row["generator_id"] for row in sampled)}
    covered = set(known.generators.filter(pl.col("generator_id").is_in(list(held)))["family"])
    fresh = _unsampled(known, families - covered - {None}, settings.generators)
    if not sampled and not fresh:
        raise NothingUsable(
            f"nothing to add to {known.subject}: it has every generator that has images, and every eligible one "
            "without is of a family that it has learnt; crawl and catalogue more first"
        )
    about = {row["generator_id"]: row for row in known.generators.iter_rows(named=True)}
    return [
        {
            "subject": known.subject,
            "rank": rank,
            "family": about.get(row["generator_id"], {}).get("family"),
            "root_model_id": about.get(row["generator_id"], {}).get("root_model_id"),
            "planned_at": now,
            **row,
        }
        for rank, row in enumerate([*sampled, *fresh], start=1)
    ]


def write(root: str, rows: list[Row]) -> None:
    """Replace what the table says of this training set."""
    snapshot.replace(root, GOLD_ADDITIONS, rows, {"subject": rows[0]["subject"]})


def lines(rows: list[Row]) -> Iterator[str]:
    """Yield the choice for people, and what to do with it."""
    yield f"{'rank':>4} {'generator':<44} {'family':<18} {'by':<14} {'novelty':>8} {'error':>7} {'images':>7}"
    for row in rows:
        novelty, error = ("-" if row[key] is None else f"{row[key]:.2f}" for key in ("novelty", "error"))
        yield (
            f"{row['rank']:>4} {row['generator_id']:<44} {row['family'] or '-':<18} {row['strategy']:<14} "
            f"{novelty:>8} {error:>7} {row['images']:>7,}"
        )
    if fresh := [row["generator_id"] for row in rows if row["strategy"] == UNSAMPLED]:
        yield f"sample pilots of the last {len(fresh)} first, then ask again:"
        yield f"  forensics plan --images_per_generator {value.PILOTS} --include '[{', '.join(fresh)}]'"


def _known(settings: AdditionsSettings) -> Known:
    name, _, number = settings.training_set.partition("@")
    found = sets.find(settings.root, name, int(number) if number else None)
    examples = targets.of_split(settings.root, found, "train").examples
    version = snapshot.current_version(settings.root, IMAGES)
    images = snapshot.scan(settings.root, IMAGES, version).select("image_id", "generator_id", "label").collect()
    fakes = images.filter(pl.col("label") == 1).drop_nulls("generator_id")
    barred = list(withdrawn(settings.root))
    learnt = sorted(set(examples["generator_id"].drop_nulls()) - set(barred))
    of_set = fakes.filter(pl.col("image_id").is_in(examples["image_id"].implode()))
    # What the set is validated or tested on stays what no detector of it has seen.
    held = [targets.of_split(settings.root, found, split).examples["generator_id"] for split in ("val", "test")]
    not_to_add = {*learnt, *barred, *pl.concat(held).drop_nulls()}
    others = fakes.filter(~pl.col("generator_id").is_in(list(not_to_add)))
    pilots = _pilots(of_set.filter(pl.col("generator_id").is_in(learnt)), settings.seed)
    there = images.filter(pl.col("label") == 0).filter(pl.col("image_id").is_in(examples["image_id"].implode()))
    count = max(64, value.PILOTS * len(learnt))
    reals = shuffled(there["image_id"].to_list(), settings.seed, "reals")[:count]
    columns = ["generator_id", "family", "root_model_id", "eligible", "downloads"]
    generators = snapshot.read(settings.root, GENERATORS, columns=columns)
    generators = generators.filter(~pl.col("generator_id").is_in(barred))
    every = pilots | _pilots(others, settings.seed)
    counts = dict(fakes.group_by("generator_id").len().iter_rows())
    return Known(found.label, sorted(pilots), every, counts, reals, generators, version)


def _pilots(fakes: pl.DataFrame, seed: int) -> dict[str, list[str]]:
    grouped = fakes.group_by("generator_id").agg(pl.col("image_id").sort()).sort("generator_id")
    return {name: shuffled(ids, seed, "pilots", name)[: value.PILOTS] for name, ids in grouped.iter_rows()}


def _sampled(settings: AdditionsSettings, known: Known) -> list[Row]:
    """Choose among the generators that have images; by `value` each weighs as much as the detector errs on it."""
    others = [name for name in known.pilots if name not in set(known.learnt)]
    if not others:
        return []
    every = [*known.learnt, *others]
    ids = [image for name in every for image in known.pilots[name]] + known.reals
    one = FeatureSet(settings.root, DETECTOR, None, Processing(size=settings.size, augmentation="none"), 0)
    value.computed(one, known.version, set(ids))
    rows = load(one.folder).of(np.array(ids, "S64"))
    ends = np.cumsum([len(known.pilots[name]) for name in every])
    *groups, reals = np.split(rows, ends)
    places = value.marks(groups)
    errors = None
    if known.learnt and known.reals:
        learnt = np.concatenate(groups[: len(known.learnt)])
        errors = value.pilot_errors(learnt, reals, groups, _REGULARISATION)
    heavy = errors if settings.strategy == "value" else None
    chosen = value.greedy(places, len(known.learnt), settings.generators, heavy)
    novelty = _novelty(places, len(known.learnt))
    return [
        {
            "generator_id": every[at],
            "strategy": settings.strategy,
            "novelty": None if novelty is None else float(novelty[at]),
            "error": None if errors is None else float(errors[at]),
            "images": known.images[every[at]],
        }
        for at in chosen
    ]


def _novelty(places: NDArray[np.float64], learnt: int) -> NDArray[np.float64] | None:
    """Return each generator's distance to the nearest learnt one: root mean square, in spreads of images."""
    if not learnt:
        return None
    nearest: NDArray[np.float64] = cdist(places, places[:learnt]).min(1)
    return nearest / np.sqrt(places.shape[1])


def _unsampled(known: Known, families: set[str], count: int) -> list[Row]:
    """Return the most downloaded eligible generator without images of each of these families, the most first."""
    able = known.generators.filter(
        pl.col("eligible"),
        pl.col("family").is_in(list(families)),
        ~pl.col("generator_id").is_in(list(known.pilots)),
    )
    ordered = able.with_columns(pl.col("downloads").fill_null(0)).sort(
        "downloads", "generator_id", descending=[True, False]
    )
    names = ordered.unique("family", keep="first", maintain_order=True)["generator_id"].head(count)
    return [
        {"generator_id": name, "strategy": UNSAMPLED, "novelty": None, "error": None, "images": 0}
        for name in names
    ]
