"""Which images a cell learns and which it is judged by: pure functions of candidates, design, seed and draw.

All is decided by hashes of (seed, fold, draw, name), not by arm or x: training sets of an arm are nested, and arms
that choose alike choose the same.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest

import numpy as np

from etl.errors import NothingUsable
from training.experiments.arms import Arm, Fakes
from training.experiments.candidates import Candidates, Index, Ints, Mask
from training.experiments.deal import Deal, draw, shuffled
from training.experiments.design import Design, Test

Prefer = Callable[[Fakes, list[int], list[int], Index, Deal, int], list[int]]
"""From a base and further generators to the base and those that a strategy adds, in its order."""


@dataclass(frozen=True)
class Learnt:
    """A training set: positions of its fakes and reals (an image that had to be repeated comes again)."""

    fakes: Ints
    reals: Ints
    groups: tuple[str, ...]
    """Groups of the fakes' generators"""

    @property
    def positions(self) -> Ints:
        return np.concatenate([self.fakes, self.reals])


@dataclass(frozen=True)
class Judged:
    """A test of one fold: positions of fakes with their units, and of reals."""

    fakes: Ints
    units: tuple[str, ...]
    """One a fake"""
    reals: Ints

    @property
    def positions(self) -> Ints:
        return np.concatenate([self.fakes, self.reals])


def training_set(
    candidates: Candidates, arm: Arm, x: float, deal: Deal, number: int, prefer: Prefer | None = None
) -> Learnt:
    """Return what draw `number` of an arm learns at x, disjoint from all that tests of the fold judge.

    `prefer` orders generators for strategies that look at images; without it (a dry run) their order is random.
    Raises NothingUsable where there is too little.
    """
    design, fakes = candidates.design, arm.at(x)
    conditions = (*design.training.where, *fakes.where)
    index = candidates.index(conditions)
    allowed = _allowed(deal, fakes.whose) & (index.counts > 0)
    chosen = _generators(candidates, fakes, allowed, index.counts, deal, number, each=_draws(arm, x) == 0)
    if prefer and fakes.strategy in ("value", "spread"):
        every = replace(fakes, generators=0, groups=0)
        order = _generators(candidates, every, allowed, index.counts, deal, number, each=False)
        chosen = prefer(fakes, order[: fakes.base], order[fakes.base :], index, deal, number)
    quotas = shares(index.counts[chosen], fakes.images, fakes.shortage, "fakes")
    names = candidates.column("generator_id")
    parts = [
        _repeated(draw(index.of(g), quota, deal.seed, "images", number, names[g]), quota)
        for g, quota in zip(chosen, quotas, strict=True)
        if quota
    ]
    groups = candidates.column(design.group_by)
    wanted = arm.reals.images or int(sum(quotas))
    reals = _reals(candidates, arm, wanted, deal, number)
    return Learnt(
        np.concatenate(parts), reals, tuple(sorted({groups[g] for g, q in zip(chosen, quotas, strict=True) if q}))
    )


def tests(candidates: Candidates, deal: Deal, own: tuple[str, ...]) -> dict[str, Judged]:
    """Return the tests of a fold; `own` are the groups that the arm learnt, for tests of those."""
    return {name: _judged(candidates, test, deal, own) for name, test in candidates.design.tests.items()}


def without_relatives(candidates: Candidates, learnt: Learnt, judged: dict[str, Judged]) -> Learnt:
    """Return the training set less near duplicates of what is judged, balanced again by leaving out the last."""
    clusters = candidates.images["cluster_id"]
    if clusters.null_count() == len(clusters):
        return learnt
    barred = {
        value for test in judged.values() for value in clusters.gather(test.positions).drop_nulls().to_list()
    }
    if not barred:
        return learnt
    fakes, reals = (
        part[~clusters.gather(part).is_in(list(barred)).fill_null(False).to_numpy()]
        for part in (learnt.fakes, learnt.reals)
    )
    if len(learnt.fakes) == len(learnt.reals):
        most = min(len(fakes), len(reals))
        fakes, reals = fakes[:most], reals[:most]
    return Learnt(fakes, reals, learnt.groups)


def faults(candidates: Candidates, arm: Arm, learnt: Learnt, judged: dict[str, Judged], deal: Deal) -> list[str]:
    """Name what a training set must not have: what tests judge, in any form, or unequal numbers."""
    found = []
    images = candidates.images
    codes = candidates.codes[learnt.fakes]
    for name, test in judged.items():
        if len(np.intersect1d(learnt.positions, test.positions)):
            found.append(f"images of the test '{name}' are learnt")
        if len(np.intersect1d(codes, candidates.codes[test.fakes])):
            found.append(f"generators of the test '{name}' are learnt")
        for column in ("cluster_id", "content"):
            known = images[column]
            ours, theirs = (set(known.gather(part.positions).drop_nulls()) for part in (learnt, test))
            if shared := ours & theirs:
                found.append(f"{column} {min(shared)} is learnt and in the test '{name}'")
    if arm.fakes.whose == "others" and deal.held_out[codes].any():
        found.append(f"held-out {candidates.design.hold_out.by} are learnt")
    if deal.kept[codes].any():
        found.append("generators that are kept for tests are learnt")
    if not arm.reals.images and len(learnt.fakes) != len(learnt.reals):
        found.append(f"{len(learnt.fakes)} fakes and {len(learnt.reals)} reals")
    return found


def id_checksum(ids: list[str]) -> str:
    """Return SHA-256 over ids in their order."""
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()


def shares(available: Ints, images: int, shortage: str, noun: str) -> list[int]:
    """Return how many images each generator gives: as equal as can be, the first ones give the odd ones.

    With shortage `repeat` the same over what is missing, so that each quota may exceed what is available.
    """
    count = len(available)
    total = int(available.sum())
    if count == 0 or (total < images and shortage == "error"):
        raise NothingUsable(f"{total} {noun} of {count} generators or sources are there for {images}")
    quotas = np.zeros(count, np.int64)
    left = min(images, total)
    while left:
        open_ = np.flatnonzero(quotas < available)
        each = left // len(open_)
        given = np.minimum(available[open_] - quotas[open_], each) if each else np.arange(len(open_)) < left
        quotas[open_] += given.astype(np.int64)
        left = min(images, total) - int(quotas.sum())
    if total < images and shortage == "repeat":
        missing = images - total
        quotas += missing // count + (np.arange(count) < missing % count)
    return quotas.tolist()


def group_count(candidates: Candidates, arm: Arm, x: float, deal: Deal) -> int:
    """Return how many groups may be learnt at x, each of which a draw of its own can be."""
    fakes = arm.at(x)
    counts = candidates.index((*candidates.design.training.where, *fakes.where)).counts
    return len(_members(candidates, fakes, _allowed(deal, fakes.whose) & (counts > 0)))


def _draws(arm: Arm, x: float) -> int:
    return arm.draws_at.get(f"{x:g}", arm.draws)


def _allowed(deal: Deal, whose: str) -> Mask:
    side = {"others": ~deal.held_out, "held_out": deal.held_out, "any": np.ones_like(deal.held_out)}[whose]
    allowed: Mask = side & ~deal.kept
    return allowed


def _generators(
    candidates: Candidates, fakes: Fakes, allowed: Mask, counts: Ints, deal: Deal, number: int, each: bool
) -> list[int]:
    """Return the numbers of the generators to learn, in the order in which smaller sets would take them."""
    names, members = candidates.column("generator_id"), _members(candidates, fakes, allowed)
    if each:
        members = {name: members[name] for name in sorted(members)[number : number + 1]}
    elif fakes.groups:
        order = shuffled(members, deal.seed, "group", deal.fold, number)
        members = {name: members[name] for name in order[: fakes.groups]}
    if fakes.groups and len(members) < fakes.groups:
        raise NothingUsable(
            f"{len(members)} of {fakes.groups} groups by {candidates.design.group_by} have enough generators"
        )

    def ordered(own: list[int]) -> list[int]:
        if fakes.strategy == "most-images":
            return sorted(own, key=lambda at: (-counts[at], names[at]))
        by_name = {names[at]: at for at in own}
        return [by_name[name] for name in shuffled(by_name, deal.seed, "generator", deal.fold, number)]

    if fakes.groups:
        found = list(_in_turns([ordered(own) for own in members.values()]))
    else:
        found = ordered([at for own in members.values() for at in own])
    if len(found) < fakes.generators:
        raise NothingUsable(f"{len(found)} of {fakes.generators} generators may be learnt")
    return found[: fakes.generators] if fakes.generators else found


def _members(candidates: Candidates, fakes: Fakes, allowed: Mask) -> dict[str, list[int]]:
    """Return the generators that may be learnt by group; where groups are counted, of those large enough."""
    groups = candidates.column(candidates.design.group_by)
    members: dict[str, list[int]] = {}
    for at in np.flatnonzero(allowed):
        members.setdefault(groups[at], []).append(int(at))
    least = (
        max(1, -(-fakes.generators // fakes.groups)) if fakes.groups else 1
    )  # a group of three cannot give eight
    return {name: own for name, own in members.items() if len(own) >= least}


def _in_turns(lists: list[list[int]]) -> Iterator[int]:
    for turn in zip_longest(*lists):
        yield from (one for one in turn if one is not None)


def _reals(candidates: Candidates, arm: Arm, wanted: int, deal: Deal, number: int) -> Ints:
    conditions = (*candidates.design.training.where, *arm.reals.where)
    there = candidates.reals(conditions)
    if arm.reals.shares is None:
        quota = shares(np.array([len(there)]), wanted, arm.reals.shortage, "reals")[0]
        return _repeated(draw(there, quota, deal.seed, "reals", number), quota)
    sources = candidates.images["real_source"].gather(there).to_numpy()
    parts = []
    left = wanted
    for at, (source, share) in enumerate(arm.reals.shares.items()):
        own = there[sources == source]
        asked = left if at == len(arm.reals.shares) - 1 else round(wanted * share)
        quota = shares(np.array([len(own)]), asked, arm.reals.shortage, f"reals of {source}")[0]
        parts.append(_repeated(draw(own, quota, deal.seed, "reals", number, source), quota))
        left -= asked
    return np.concatenate(parts)


def _repeated(positions: Ints, count: int) -> Ints:
    return np.resize(positions, count) if count > len(positions) else positions


def _judged(candidates: Candidates, test: Test, deal: Deal, own: tuple[str, ...]) -> Judged:
    design: Design = candidates.design
    index = candidates.index(tuple(test.fakes.where))
    allowed = index.counts > 0
    if test.fakes.whose == "held_out":
        allowed = allowed & deal.held_out
    elif test.fakes.whose == "own":
        allowed = allowed & np.isin(np.array(candidates.column(design.group_by)), own)
    if test.fakes.whose == "kept" or (design.hold_out.generators and test.fakes.whose != "any"):
        allowed = allowed & deal.kept
    names, units = candidates.column("generator_id"), candidates.column(test.unit)
    by_name = {names[at]: int(at) for at in np.flatnonzero(allowed)}
    chosen: list[int] = []
    taken: dict[str, int] = {}
    for name in shuffled(by_name, deal.seed, "test"):
        unit = units[by_name[name]]
        taken[unit] = taken.get(unit, 0) + 1
        if not test.fakes.generators or taken[unit] <= test.fakes.generators:
            chosen.append(by_name[name])
    parts = [
        draw(index.of(g), test.fakes.images_per_generator, deal.seed, "test images", names[g])
        for g in sorted(chosen)
    ]
    reals = candidates.reals(tuple(test.reals.where))
    if not parts or not len(reals):
        raise NothingUsable(f"a test has {len(parts)} generators and {len(reals)} reals to be judged")
    return Judged(
        np.concatenate(parts),
        tuple(units[g] for g, part in zip(sorted(chosen), parts, strict=True) for _ in part),
        draw(reals, test.reals.images, deal.seed, "test reals"),
    )
