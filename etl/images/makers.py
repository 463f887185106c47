"""Who made a training set's fakes: how many generators, lineages and families, how evenly; who crosses splits."""

from collections import Counter
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.statistics.diversity import hill_number

KINDS = {"generators": "generator_id", "lineages": "root_model_id", "families": "family"}
"""What is counted, and the column that names it."""


@dataclass(frozen=True)
class Makers:
    """The generators of a training set's fakes, counted."""

    effective: dict[str, dict[str, list[float]]]
    """By split and kind: the Hill numbers of order 0, 1 and 2 of its fakes. Of order 0 it is how many there are;
    of what has no lineage or family the generator counts as one of its own"""
    crossing: int
    """Generators with fakes in several splits; only splits that are taken as given can have any"""


def makers(kept: DataFrame) -> Makers:
    """Return who made the fakes of `kept`, rows with `split`, `label` and the columns of KINDS."""
    fakes = kept.where(F.col("label") == 1)
    named = [F.first(F.coalesce(column, "generator_id")).alias(kind) for kind, column in KINDS.items()]
    rows = fakes.groupBy("split", "generator_id").agg(F.count("*").alias("images"), *named).collect()
    images: dict[str, dict[str, Counter[str]]] = {}
    splits: dict[str, set[str]] = {}
    for row in rows:
        splits.setdefault(row.generator_id, set()).add(row.split)
        for kind in KINDS:
            images.setdefault(row.split, {}).setdefault(kind, Counter())[row[kind]] += row.images
    effective = {
        split: {kind: _numbers(counts) for kind, counts in kinds.items()}
        for split, kinds in sorted(images.items())
    }
    return Makers(effective, sum(len(found) > 1 for found in splits.values()))


def _numbers(counts: Counter[str]) -> list[float]:
    return [round(hill_number(counts.values(), order), 3) for order in (0, 1, 2)]


def told(found: Makers) -> list[str]:
    """Return it in lines, as a build reports it."""
    lines = ["diversity of the fakes, effective number by images (Hill number of order 1) of how many there are:"]
    for split, kinds in found.effective.items():
        shown = ", ".join(f"{kind} {one:.1f} of {zero:.0f}" for kind, (zero, one, _) in kinds.items())
        lines.append(f"  {split}: {shown}")
    if found.crossing:
        lines.append(f"  {found.crossing} generators have images in several of the given splits")
    return lines
