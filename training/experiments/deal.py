"""Who is held out and who is kept for tests: dealt by the seed alone, for all arms alike."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from etl.errors import NothingUsable
from training.experiments.candidates import Candidates, Ints, Mask


@dataclass(frozen=True)
class Deal:
    """One fold of one seed, as masks over the generators' numbers."""

    seed: int
    fold: int
    held_out: Mask
    """Generators of the values that no arm but an oracle learns in this fold"""
    kept: Mask
    """Generators that are only tested on"""
    values: tuple[str, ...]
    """The values that are held out"""


def rank(seed: int, *words: object) -> int:
    """Return a number of 63 bits that follows from the seed and the words, and is as good as random."""
    text = "\x1f".join(map(str, (seed, *words)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def shuffled(names: Iterable[str], seed: int, *words: object) -> list[str]:
    """Return names in an order that the seed and the words decide, whatever other names are there."""
    return sorted(names, key=lambda name: (rank(seed, *words, name), name))


def draw(positions: Ints, count: int, seed: int, *words: object) -> Ints:
    """Return `count` of the positions at random; fewer are the first of more."""
    if count >= len(positions):
        count = len(positions)
    order = np.random.default_rng(rank(seed, *words)).permutation(len(positions))
    chosen: Ints = positions[order[:count]]
    return chosen


def deals(candidates: Candidates, seed: int) -> list[Deal]:
    """Return the folds of a seed. Raises NothingUsable where there are fewer values than folds."""
    how, n = candidates.design.hold_out, candidates.generators.height
    kept = _kept(candidates, seed)
    if how.by is None:
        return [Deal(seed, 0, np.zeros(n, bool), kept, ())]
    column = np.array(candidates.column(how.by))
    values = shuffled(_testable(candidates, column.tolist()), seed, "fold")
    folds = how.folds or len(values)
    if len(values) < max(2, folds):
        raise NothingUsable(
            f"hold_out: {len(values)} values of {how.by} have images to be tested on, too few for "
            f"{max(2, folds)} folds"
        )
    parts = [tuple(sorted(values[fold::folds])) for fold in range(folds)]
    return [Deal(seed, fold, np.isin(column, part), kept, part) for fold, part in enumerate(parts)]


def _kept(candidates: Candidates, seed: int) -> Mask:
    """Return the generators of every group that are kept for tests; without a hold-out all that a test judges."""
    design = candidates.design
    kept = np.zeros(candidates.generators.height, bool)
    for test in design.tests.values():
        if test.fakes.whose == "any":
            kept |= candidates.index(tuple(test.fakes.where)).counts > 0
    if design.hold_out.generators:
        names, groups = candidates.column("generator_id"), candidates.column(design.group_by)
        number = {name: at for at, name in enumerate(names)}
        members: dict[str, list[str]] = {}
        for at in np.flatnonzero(_judged(candidates)):
            members.setdefault(groups[at], []).append(names[at])
        for own in members.values():
            for name in shuffled(own, seed, "kept")[: design.hold_out.generators]:
                kept[number[name]] = True
    return kept


def _judged(candidates: Candidates) -> Mask:
    """Return the generators that have an image in some test of held-out or own groups."""
    found = np.zeros(candidates.generators.height, bool)
    for test in candidates.design.tests.values():
        if test.fakes.whose != "any":
            found |= candidates.index(tuple(test.fakes.where)).counts > 0
    return found


def _testable(candidates: Candidates, column: Sequence[str]) -> list[str]:
    judged = _judged(candidates)
    if not judged.any():  # tests are collections: whatever is learnt can be left out
        judged = np.ones_like(judged)
    return sorted({str(column[at]) for at in np.flatnonzero(judged)})
