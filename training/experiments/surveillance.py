"""A run's predictions against what is known of their generators: trends and alarms, from the lake's tables."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import polars as pl

from etl.errors import NothingUsable
from etl.lake import snapshot
from etl.lake.schemas import GENERATORS, GOLD_ALARMS, GOLD_DETECTION_TRENDS, MODELS, PREDICTIONS
from training import sets, targets
from training.experiments import trends
from training.experiments.settings import TrendsSettings
from training.experiments.trends import Rate

NEW_DAYS = 90
Row = dict[str, Any]


class Surveyed(NamedTuple):
    """Rows of `gold_detection_trends` and `gold_alarms`."""

    trends: list[Row]
    alarms: list[Row]


def survey(settings: TrendsSettings, training_set: str, now: datetime) -> Surveyed:
    """Return the trends and alarms of a run on a collection. Raises NothingUsable where it has no scores there."""
    rows = snapshot.scan(settings.root, PREDICTIONS).filter(
        pl.col("run_id") == settings.run,
        pl.col("collection") == settings.collection,
        pl.col("transform") == "none",
    )
    found = rows.select("label", "generator_id", "logit").collect()
    if found["label"].n_unique() < 2:
        raise NothingUsable(
            f"run '{settings.run}' has scored no fakes and reals of {settings.collection}; run `forensics "
            "evaluate` with both first"
        )
    reals = found.filter(pl.col("label") == 0)["logit"].to_numpy()
    limit = trends.threshold(reals, settings.fpr)
    measured = trends.rates(found.filter(pl.col("label") == 1), limit)
    generators = snapshot.read(settings.root, GENERATORS)
    lines = trends.chains(generators, declared_bases(settings.root))
    released = dict(generators.select("generator_id", "released_at").iter_rows())
    learnt = learnt_generators(settings.root, training_set)
    subject = f"{settings.run}/{settings.collection}"
    rows_of_trends = trends.by_distance(measured, lines, learnt) + trends.by_release(measured, released)
    since = datetime.fromisoformat(settings.since).replace(tzinfo=UTC) if settings.since else None
    new = newest(measured, released, since or now - timedelta(days=NEW_DAYS))
    known = dict(generators.select("generator_id", "family").iter_rows())
    alarms = [
        {"subject": subject, "family": known.get(name), "released_at": released.get(name), **row}
        for row in trends.alarms(measured, new, limit, settings.fpr)
        if (name := row["generator_id"])
    ]
    return Surveyed([{"subject": subject, **row} for row in rows_of_trends], alarms)


def newest(measured: list[Rate], released: dict[str, datetime | None], since: datetime) -> set[str]:
    """Return the generators released at `since` or later."""
    return {
        rate.generator_id
        for rate in measured
        if (at := released.get(rate.generator_id)) is not None and at.astimezone(UTC) >= since
    }


def declared_bases(root: str) -> dict[str, str]:
    """Return the first base that each model of the Hub declares."""
    if not snapshot.exists(root, MODELS):
        return {}
    rows = snapshot.scan(root, MODELS).filter(pl.col("is_current")).select("model_id", "base_models").collect()
    return {
        model: bases[0]["model_id"] for model, bases in rows.iter_rows() if bases and bases[0]["model_id"] != model
    }


def learnt_generators(root: str, training_set: str) -> set[str]:
    """Return the generators of a training set's training split."""
    name, _, version = training_set.partition("@")
    found = sets.find(root, name, int(version) if version else None)
    examples = targets.of_split(root, found, "train").examples
    return set(examples["generator_id"].drop_nulls())


def write(root: str, surveyed: Surveyed) -> None:
    """Replace what the tables say of this subject."""
    for table, rows in ((GOLD_DETECTION_TRENDS, surveyed.trends), (GOLD_ALARMS, surveyed.alarms)):
        if rows:
            snapshot.replace(root, table, rows, {"subject": rows[0]["subject"]})


def lines(surveyed: Surveyed) -> Iterator[str]:
    """Yield the trends and the alarms for people."""
    yield f"{'trend':<18} {'bin':<12} {'generators':>10} {'detected':>9} {'95 % interval':>18}"
    for row in surveyed.trends:
        low, high = row["ci_low"], row["ci_high"]
        interval = "-" if low is None else f"[{low:.3f}, {high:.3f}]"
        yield f"{row['trend']:<18} {row['bin']:<12} {row['n_generators']:>10} {row['value']:>9.3f} {interval:>18}"
    fresh = [row for row in surveyed.alarms if row["is_new"]]
    for row in sorted(fresh, key=lambda row: row["tpr"]):
        told = "ALARM" if row["alarm"] else "as known ones"
        own, known = (
            "-" if row[f"{kind}_low"] is None else f"[{row[f'{kind}_low']:.3f}, {row[f'{kind}_high']:.3f}]"
            for kind in ("tpr", "known")
        )
        yield f"{told}: {row['generator_id']} detected {row['tpr']:.3f} {own}, known ones {known}"
    yield f"{len(fresh)} new generators, {sum(row['alarm'] for row in fresh)} alarms"
