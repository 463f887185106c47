"""What an evaluation says to people: lines of text, the weakest generators first, the baselines beside the run."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from training.evaluation import FLIP_RATE
from training.operating_points import Point

MOST = 40
"""Generators that are listed; the table `evaluations` holds all."""
_COLUMNS = {
    "average_precision": "AP", "roc_auc": "AUC", "accuracy": "accuracy", "accuracy_at_threshold": "at val",
    "tpr_at_fpr_0.05": "TPR@5%", "equal_error_rate": "EER", "calibration_error": "ECE",
}  # fmt: skip
Row = Mapping[str, Any]


def table(rows: Sequence[Row], baselines: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    """Yield a line a slice: generators, the weakest first, then larger slices, means, and the baselines' means."""
    by_slice = _by_slice(rows)
    generators = sorted(
        (key for key in by_slice if key[0] == "generator"),
        key=lambda key: (_value(by_slice[key], "average_precision", 2.0), key),
    )
    others = [key for key in by_slice if key[0] not in ("generator", "mean", "mean_of_architecture")]
    means = [key for key in by_slice if key[0] in ("mean", "mean_of_architecture")]
    lines = [(_name(*key), by_slice[key]) for key in (*generators[:MOST], *others, *means)]
    for run_id, found in baselines.items():
        lines += [(run_id, told) for key, told in _by_slice(found).items() if key == ("mean", "mean")]
    width = max(len(name) for name, _ in lines)
    heads = "  ".join(f"{head:>8}" for head in _COLUMNS.values())
    yield f"{'':<{width}}  {heads}  {'real':>6}  {'fake':>6}  95 % of AP"
    for at, (name, told) in enumerate(lines):
        if at == len(generators[:MOST]) and len(generators) > MOST:
            yield f"… and {len(generators) - MOST} generators with higher average precision"
        cells = "  ".join(f"{_cell(told.get(metric)):>8}" for metric in _COLUMNS)
        first = told["average_precision"]
        known = first["ci_low"] is not None
        interval = f"{first['ci_low']:.3f} to {first['ci_high']:.3f}" if known else "-"
        yield f"{name:<{width}}  {cells}  {first['n_real']:>6}  {first['n_fake']:>6}  {interval}"
    reasons = sorted({row["reason"] for row in rows if row["reason"]})
    if reasons:
        yield f"- stands where a metric is not defined: {', '.join(reasons)}"


def matrix(by_transform: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    """Yield a line a degradation: the means over generators, and the share of verdicts that changed."""
    width = max(len("transform"), *(len(name) for name in by_transform))
    yield f"{'transform':<{width}}  {'AP':>8}  {'AUC':>8}  {'accuracy':>8}  {'flips':>8}"
    for name, rows in by_transform.items():
        found = _by_slice(rows)
        means, every = found[("mean", "mean")], found[("all", "all")]
        cells = [_cell(means.get(metric)) for metric in ("average_precision", "roc_auc", "accuracy")]
        cells.append(_cell(every[FLIP_RATE]) if FLIP_RATE in every else "-")
        yield "  ".join([f"{name:<{width}}", *(f"{cell:>8}" for cell in cells)])


def points(found: Sequence[Point]) -> Iterator[str]:
    """Yield a line an operating point."""
    for point in found:
        yield (
            f"operating point {point.name}: logit {point.threshold:.3f}; on {point.n_real} real and "
            f"{point.n_fake} fake validation images false positives {point.fpr:.3f} [{point.fpr_low:.3f}, "
            f"{point.fpr_high:.3f}], caught {point.tpr:.3f}"
        )


def _by_slice(rows: Sequence[Row]) -> dict[tuple[str, str], dict[str, Row]]:
    found: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        found.setdefault((row["slice_kind"], row["slice"]), {})[row["metric"]] = row
    return found


def _name(kind: str, name: str) -> str:
    special = {"all": "all images", "mean": "mean over generators", "mean_of_architecture": f"mean over {name}"}
    shown = special.get(kind, name if kind == "generator" else f"{kind.replace('_', ' ')} {name}")
    return "".join(letter if letter.isprintable() else "?" for letter in shown)[:60]


def _value(told: Mapping[str, Row], metric: str, otherwise: float) -> float:
    value = told[metric]["value"]
    return otherwise if value is None else float(value)


def _cell(row: Row | None) -> str:
    return "-" if row is None or row["value"] is None else f"{row['value']:.3f}"
