"""What an experiment would do, and what one cell came to, in lines."""

from collections.abc import Iterator, Sequence

from training.experiments import cells
from training.experiments.planning import Plan
from training.experiments.work import Result


def lines(plan: Plan) -> Iterator[str]:
    """Yield a line an arm and x with the sizes of its training sets, then what cannot be chosen."""
    found: dict[tuple[str, float], list[dict[str, int]]] = {}
    for one in plan.chosen:
        found.setdefault((one.cells[0].arm, one.cells[0].x), []).append(cells.sizes(plan.candidates, one.learnt))
    yield f"{'arm':<28} {'x':>7} {'sets':>5} " + "     fakes     reals  distinct generators  groups"
    for (arm, x), sizes in found.items():
        shown = [_range([size[key] for size in sizes]) for key in _SHOWN]
        yield f"{arm:<28} {x:>7g} {len(sizes):>5} " + " ".join(
            f"{text:>{width}}" for text, width in zip(shown, (9, 9, 9, 10, 7), strict=True)
        )
    yield from (f"not to be chosen: {problem}" for problem in plan.problems[:20])
    if len(plan.problems) > 20:
        yield f"and {len(plan.problems) - 20} more"
    repeated = {key for key, sizes in found.items() if any(_repeats(size) for size in sizes)}
    for arm, x in sorted(repeated):
        yield f"{arm} at {x:g}: fewer different images than examples, so that some come more than once"
    yield (
        f"{len(plan.chosen)} training sets, each checked: disjoint from its tests by image, generator, near "
        f"duplicate and content; {plan.done.height} of {sum(len(one.cells) for one in plan.chosen)} cells are done"
    )


def cell_lines(results: Sequence[Result], plan: Plan) -> Iterator[str]:
    """Yield the metrics of cells to all digits, beside those on record."""
    recorded = dict(plan.done.select("cell", "metrics").iter_rows()) if plan.done.height else {}
    for result in results:
        if result.failure:
            yield f"{result.cell.id}: {result.failure}"
        for test, rows in result.units.items():
            for row in rows:
                shown = ", ".join(f"{key} {value!r}" for key, value in row.items() if key != "unit")
                yield f"{result.cell.id} {test} {row['unit']}: {shown}"
        if result.cell.id in recorded:
            yield f"{result.cell.id} on record: {recorded[result.cell.id]}"


_SHOWN = ("n_fake", "n_real", "n_distinct", "n_generators", "n_groups")


def _range(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low}" if low == high else f"{low}–{high}"


def _repeats(size: dict[str, int]) -> bool:
    return size["n_distinct"] < size["n_fake"] + size["n_real"]
