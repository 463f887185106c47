"""The report of an experiment: one HTML file that needs nothing else, every string in it escaped."""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import yaml

from etl import durable
from etl.errors import NothingUsable
from etl.lake.storage import workplace
from training import environment
from training.experiments import figure, planning, publishing
from training.experiments.outcome import Outcome, effect_line, outcome
from training.experiments.points import points
from training.experiments.settings import ExperimentSettings, ReportSettings

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;color:#22303c;max-width:62rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;font-size:13px;margin:.6rem 0}td,th{padding:.15rem .6rem;text-align:right;"
    "border-bottom:1px solid #e3e7eb}td:first-child,th:first-child{text-align:left}img{max-width:100%}"
    "pre{background:#f5f7f9;padding:.8rem;overflow-x:auto;font-size:12px}.verdict{font-size:1.25rem;padding:.5rem "
    ".9rem;border-left:.4rem solid #9aa5b1;background:#f5f7f9}.shown{border-color:#3a7d44}.contrary{border-color:"
    "#d1495b}h2{margin-top:2rem;border-bottom:1px solid #e3e7eb}"
)


def write(settings: ReportSettings) -> Path:
    """Write the report and return where. Raises NothingUsable for an experiment that was never run."""
    known = publishing.recorded(settings.root, settings.name)
    if known is None:
        raise NothingUsable(
            f"experiment '{settings.name}' was never run in the lake at {settings.root}; run `forensics "
            "experiment` with its configuration first"
        )
    declared = ExperimentSettings(**{**known, "root": settings.root, "cell": None, "dry_run": False})
    plan = planning.plan(declared)
    page = html(outcome(plan), plan.versions, len(plan.hashes))
    path = Path(settings.out) if settings.out else workplace(settings.root) / "reports" / f"{settings.name}.html"
    durable.write(path, page.encode())
    return path


def html(came: Outcome, versions: dict[str, int], cells: int) -> str:
    """Return the page of an outcome; `cells` are those of the whole grid."""
    settings, design = came.settings, came.design
    title = escape(settings.question or settings.name)
    parts = [
        f"<h1>{title}</h1>",
        f"<p>Experiment <b>{escape(settings.name)}</b>: {came.cells.height} of {cells} cells are done.</p>",
        *([f"<p>The paper: {escape(settings.paper)}</p>"] if settings.paper else []),
        _verdict(came),
        "<h2>Figure</h2>",
        _image(figure.draw(design, came.points, settings.question or settings.name)),
        "<p>Points are means over units, draws and seeds; bars are one standard deviation over seeds and draws "
        "(subsets of generators) of the mean over units. Reals weigh as much as the fakes that they are judged "
        "with. Dotted lines are arms with a single point.</p>",
        "<h2>Effects</h2>",
        _table(_EFFECT, [_effect(row) for row in came.effects]),
        "<p>Differences are treatment less control, paired by unit and seed; intervals are a two-way bootstrap "
        "over units and seeds. An effect is shown where its interval lies above 0 and the difference reaches the "
        "minimum fixed in the configuration, contrary where it lies below 0, else not shown.</p>",
        *(_points_of(came, test) for test in design.tests),
        "<h2>By unit</h2>",
        _by_unit(came),
        "<h2>Configuration</h2>",
        f"<pre>{escape(yaml.safe_dump(_declared(settings), sort_keys=False, allow_unicode=True))}</pre>",
        "<h2>Versions</h2>",
        _table(("table", "Delta version"), sorted(versions.items())),
        _table(("library", "version"), [("code", environment.git_commit()), *environment.versions().items()]),
        "<h2>How to rerun</h2>",
        "<p>Save the configuration above as a file, then:</p>",
        "<pre>forensics experiment --config FILE --root LAKE"
        f"\nforensics report {escape(settings.name)} --root LAKE"
        f"\nforensics experiment --config FILE --root LAKE --cell {escape(_a_cell(came))}</pre>",
    ]
    head = f'<meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    return f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(parts)}</body></html>\n"


_EFFECT = (
    *(
        "effect",
        "detector",
        "test",
        "metric",
        "control",
        "treatment",
        "difference",
        "interval",
        "units up",
        "seeds",
    ),
    "verdict",
)


def _verdict(came: Outcome) -> str:
    headline = came.headline
    if headline is None:
        return "<p class=verdict>No effect is declared, so there is no verdict.</p>"
    kind = {"shown": "shown", "contrary": "contrary"}.get(headline["verdict"], "open")
    rule = (
        f"by {came.design.primary}: the {headline['level']:.0%} interval of the difference above 0, and the "
        f"difference at least {headline['minimum']:g} ({headline['metric']}, test '{headline['test']}')"
    )
    line = effect_line(headline)
    return (
        f"<p class='verdict {kind}'><b>{escape(headline['verdict'].capitalize())}</b> — "
        f"{escape(headline['effect'])}, {escape(rule)}</p><p>{escape(line)}</p>"
    )


def _effect(row: dict[str, Any]) -> tuple[object, ...]:
    low, high = row.get("ci_low"), row.get("ci_high")
    interval = "–" if low is None else f"[{low:+.4f}, {high:+.4f}]"
    up = f"{row['units_up']}/{row['units']}" if row.get("units_up") is not None else "–"
    named = [row[key] for key in ("effect", "detector", "test", "metric", "control", "treatment")]
    told = row["verdict"] if not row.get("reason") else f"{row['verdict']} ({row['reason']})"
    return (*named, row.get("difference"), interval, up, row["seeds"], told)


def _points_of(came: Outcome, test: str) -> str:
    found = points(came.design, came.cells, came.scores, came.metric, test)
    accuracy = points(came.design, came.cells, came.scores, "accuracy", test)
    beside = {(one.detector, one.arm, one.x): one.value for one in accuracy}
    rows = [
        (
            *(one.label, f"{one.x:g}", one.detector, one.value, one.spread),
            *(beside.get((one.detector, one.arm, one.x)), one.sets, one.units),
        )
        for one in found
    ]
    columns = ("arm", "x", "detector", came.metric, "sd over sets", "balanced accuracy", "sets", "units")
    return f"<h2>Points in the test '{escape(test)}'</h2>{_table(columns, rows)}"


def _by_unit(came: Outcome) -> str:
    """Return the primary detector's headline metric of every unit, arms side by side."""
    design = came.design
    at = came.scores.filter(came.scores["detector"] == design.primary)
    at = at.filter(at["test"] == design.headline)
    if at.is_empty():
        return "<p>No cell of the primary detector is done.</p>"
    values: dict[str, dict[str, list[float]]] = {}
    for arm, x, unit, value in at.select("arm", "x", "unit", came.column).iter_rows():
        values.setdefault(unit, {}).setdefault(f"{arm}/{x:g}", []).append(value)
    names = [f"{name}/{x:g}" for name, arm in design.arms.items() for x in arm.x]
    shown = [name for name in names if any(name in row for row in values.values())]

    def mean(numbers: Sequence[float] | None) -> float | None:
        known = [number for number in numbers or () if number is not None]
        return sum(known) / len(known) if known else None

    rows = [(unit, *(mean(row.get(name)) for name in shown)) for unit, row in sorted(values.items())]
    return _table(("unit", *shown), rows)


def _declared(settings: ExperimentSettings) -> dict[str, Any]:
    left_out = ("root", "cell", "dry_run", "newest", "processes", "device")
    return {key: value for key, value in vars(settings).items() if key not in (*left_out, "design")}


def _a_cell(came: Outcome) -> str:
    return str(came.cells["cell"].min()) if came.cells.height else "ARM/x8/s1/f0/d0/DETECTOR"


def _image(svg: bytes) -> str:
    return f'<img alt="figure" src="data:image/svg+xml;base64,{base64.b64encode(svg).decode()}">'


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{_shown(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _shown(value: object) -> str:
    if value is None:
        return "–"
    return escape(f"{value:.4f}" if isinstance(value, float) else str(value))
