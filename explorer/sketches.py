"""Small figures as SVG, for the page that opens first: a browser takes seconds to load Plotly for one chart.

They are shown as pictures, so that their texts have the colours of the light or the dark theme from here.
"""

from collections.abc import Sequence
from html import escape

import polars as pl

from explorer.charts import CATEGORIES, INK

_NAMESPACE = "http://www.w3.org/2000/svg"
WIDTH, HEIGHT = 440, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 8, 34, 42
_MOST = 40
"""Crawls of one figure, the latest."""
_LISTED, _NEW, _GONE = CATEGORIES[0], CATEGORIES[2], CATEGORIES[5]


def crawls(rows: pl.DataFrame, dark: bool = False) -> str:
    """Draw the models that each crawl listed as a line, with those that were new and gone as bars.

    `rows` have started_at, records, new, gone, the earliest first.
    """
    drawn = rows.tail(_MOST)
    listed, new, gone = (drawn[name].fill_null(0).to_list() for name in ("records", "new", "gone"))
    begun = [f"{at:%Y-%m-%d}" if at else "unknown" for at in drawn["started_at"]]
    high, low = max([*listed, *new, 1]), -max([*gone, 0])
    step = (WIDTH - _LEFT - _RIGHT) / max(len(begun), 1)

    def x(place: float) -> float:
        return _LEFT + step * (place + 0.5)

    def y(value: float) -> float:
        return _TOP + (high - value) / (high - low) * (HEIGHT - _TOP - _BOTTOM)

    parts = [_legend(), *(_level(value, y(value)) for value in _levels(low, high))]
    wide = min(0.6 * step, 48)
    for place, at in enumerate(begun):
        told = f"Crawl of {at}: {listed[place]:,} listed, {new[place]:,} new, {gone[place]:,} gone"
        bars = _bar(x(place), wide, y(new[place]), y(0), _NEW) + _bar(x(place), wide, y(0), y(-gone[place]), _GONE)
        parts.append(f"<g><title>{escape(told)}</title>{bars}</g>")
    points = [(x(place), y(value)) for place, value in enumerate(listed)]
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
    parts.append(f'<polyline points="{line}" fill="none" stroke="{_LISTED}" stroke-width="2"/>')
    parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.5" fill="{_LISTED}"/>' for a, b in points]
    every = max(1, -(-len(begun) // 4))
    parts += [_text(x(at), HEIGHT - 22, begun[at], "middle") for at in range(0, len(begun), every)]
    parts.append(_text((WIDTH + _LEFT) / 2, HEIGHT - 4, "crawl begun (UTC)", "middle"))
    return _svg(INK["dark" if dark else "light"], parts)


def _levels(low: float, high: float) -> list[float]:
    """Return round numbers between the ends, 0 among them."""
    size = 10 ** (len(str(int(high))) - 1)
    step = next(s for s in (size / 5, size / 2, size, 2 * size, 5 * size) if high / s <= 5)
    step = max(1, step)
    return [step * n for n in range(int(low // step) + (1 if low % step else 0), int(high // step) + 1)]


def _level(value: float, at: float) -> str:
    ends = f'x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"'
    faint = 0.4 if value == 0 else 0.12
    line = f'<line {ends} stroke="currentColor" stroke-opacity="{faint}"/>'
    return line + _text(_LEFT - 6, at + 4, f"{value:,.0f}", "end")


def _bar(middle: float, wide: float, top: float, bottom: float, colour: str) -> str:
    size = f'width="{wide:.1f}" height="{max(0.0, bottom - top):.1f}"'
    return f'<rect x="{middle - wide / 2:.1f}" y="{top:.1f}" {size} fill="{colour}"/>'


def _legend() -> str:
    kinds = ((0, _LISTED, "models listed"), (125, _NEW, "new"), (190, _GONE, "gone"))
    return "".join(
        f'<rect x="{_LEFT + at}" y="8" width="12" height="12" fill="{colour}"/>'
        + _text(_LEFT + at + 18, 18, name, "start")
        for at, colour, name in kinds
    )


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="currentColor">{escape(words)}</text>'


def _svg(ink: str, parts: Sequence[str]) -> str:
    seen = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" color="{ink}"'
    font = 'font-family="Source Sans 3, Source Sans Pro, Helvetica, Arial, sans-serif" font-size="13"'
    return "".join([f'<svg xmlns="{_NAMESPACE}" {seen} {font}>', *parts, "</svg>"])
