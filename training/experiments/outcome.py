"""What an experiment came to so far, read from the lake alone: points, effects, figure, and words for people."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from training.experiments import cells, effects, records
from training.experiments.design import Design
from training.experiments.judging import COLUMNS
from training.experiments.planning import Plan
from training.experiments.points import Measured, points
from training.experiments.settings import ExperimentSettings

Row = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """The done cells and what follows from them."""

    settings: ExperimentSettings
    cells: pl.DataFrame
    """Rows of `experiments`"""
    scores: pl.DataFrame
    """One row a cell, test and unit"""
    effects: list[Row]
    points: list[Measured]
    """Of the headline's test and metric"""

    @property
    def design(self) -> Design:
        return self.settings.design

    @property
    def headline(self) -> Row | None:
        return next((row for row in self.effects if row["is_headline"]), None)

    @property
    def column(self) -> str:
        """Of `experiment_units`, with the headline's metric"""
        return COLUMNS[self.metric]

    @property
    def metric(self) -> str:
        return next((effect.metric for effect in self.design.effects.values()), "average_precision")


def outcome(plan: Plan) -> Outcome:
    """Return what the done cells show."""
    settings, design = plan.settings, plan.settings.design
    done = records.done(settings.root, settings.name, plan.hashes)
    scores = effects.scored(done, records.units(settings.root, settings.name, plan.hashes))
    metric = next((effect.metric for effect in design.effects.values()), "average_precision")
    found = points(design, done, scores, metric, design.headline)
    return Outcome(settings, done, scores, effects.effects(design, scores, settings.bootstrap_draws), found)


def conclude(outcome: Outcome, now: datetime) -> None:
    """Write the effects to the lake; their time is that of the first conclusion that says the same."""
    settings = outcome.settings
    rows = [
        {
            **row,
            "experiment": settings.name,
            "config_hash": cells.config_hash(outcome.design),
            "decided_at": max(outcome.cells["finished_at"]) if outcome.cells.height else now,
        }
        for row in outcome.effects
    ]
    records.conclude(settings.root, settings.name, rows)


def lines(outcome: Outcome) -> Iterator[str]:
    """Yield the table of points by the primary detector, every effect, and the verdict."""
    design = outcome.design
    yield f"{'arm':<34} {'x':>6} {'detector':<20} {outcome.metric:>18} {'sd':>6} {'sets':>5} {'units':>5}"
    for point in outcome.points:
        yield (
            f"{point.label[:34]:<34} {point.x:>6g} {point.detector:<20} {point.value:>18.4f} {point.spread:>6.3f} "
            f"{point.sets:>5} {point.units:>5}"
        )
    for row in outcome.effects:
        yield effect_line(row)
    headline = outcome.headline
    if headline is not None:
        rule = f"{headline['level']:.0%} interval above 0 and a difference of {headline['minimum']:g} or more"
        yield f"verdict: {headline['verdict'].upper()} by {design.primary} ({rule})"


def effect_line(row: Row) -> str:
    """Return an effect in one line."""
    name = f"{row['effect']} [{row['detector']}, {row['test']}]: {row['treatment']} less {row['control']}"
    if row.get("difference") is None:
        return f"{name}: {row['verdict']} ({row['reason']})"
    interval = f" [{row['ci_low']:+.4f}, {row['ci_high']:+.4f}]" if row.get("ci_low") is not None else ""
    return (
        f"{name} = {row['difference']:+.4f}{interval} {row['metric']}, {row['units_up']}/{row['units']} units up, "
        f"{row['seeds']} seeds: {row['verdict']}"
    )
