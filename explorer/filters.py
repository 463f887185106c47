"""Filters that live in the address: a view can be shared, and what is not there is refused.

Each filter reads its parameter of the address, shows a widget with that value, and writes back what the widget
says. A parameter that cannot be followed is left out, and a notice says so; its text is shown as text, cut.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, TypeVar

import streamlit as st

from explorer import page

LONGEST = 300
"""Characters of a value in an address, and of the words of a filter."""

T = TypeVar("T")


class Refused(ValueError):
    """An address asks for what is not there."""


def choice(
    label: str, options: Sequence[str], key: str, counts: Mapping[str, int] | None = None, place: Any = st
) -> str | None:
    """Choose one of the options or none; `counts` stand beside their names."""

    def name(option: str) -> str:
        return f"{option} ({counts[option]:,})" if counts and option in counts else option

    _seed(key, None, lambda text: _one_of(text, options))
    _forget(key, options)
    chosen: str | None = place.selectbox(
        label, options, index=None, placeholder="any", key=_widget(key), format_func=name
    )
    _write(key, chosen)
    return chosen


def several(
    label: str,
    options: Sequence[str],
    key: str,
    place: Any = st,
    otherwise: str = "any",
    name: Callable[[str], str] = str,
) -> list[str]:
    """Choose any number of the options, in the address one after the other with `|` between.

    `otherwise` is what is taken where none is chosen, in words; `name` is what an option is called.
    """
    _seed(key, [], lambda text: [_one_of(one, options) for one in text.split("|")])
    kept = [one for one in st.session_state.get(_widget(key), []) if one in options]
    st.session_state[_widget(key)] = kept
    chosen: list[str] = place.multiselect(
        label, options, key=_widget(key), placeholder=otherwise, format_func=name
    )
    _write(key, "|".join(chosen) or None)
    return chosen


def one_of(label: str, options: Mapping[str, T], key: str, place: Any = st) -> T:
    """Choose exactly one of a few options, shown beside each other; the first is the default."""
    default = next(iter(options))
    _seed(key, default, lambda text: _one_of(text, list(options)))
    chosen = place.segmented_control(label, list(options), required=True, key=_widget(key)) or default
    _write(key, None if chosen == default else chosen)
    return options[chosen]


def always(label: str, options: Sequence[str], key: str, place: Any = st, name: Callable[[str], str] = str) -> str:
    """Choose exactly one of many options; the first where the address names none. The address then names it."""
    _seed(key, options[0], lambda text: _one_of(text, options))
    if st.session_state[_widget(key)] not in options:
        st.session_state[_widget(key)] = options[0]
    chosen: str = place.selectbox(label, options, key=_widget(key), format_func=name)
    _write(key, chosen)
    return chosen


def words(label: str, key: str, placeholder: str = "", place: Any = st) -> str:
    """Ask for words to look for, taken literally."""
    _seed(key, "", _short)
    text: str = place.text_input(label, placeholder=placeholder, key=_widget(key), max_chars=LONGEST) or ""
    _write(key, text or None)
    return text


def switch(label: str, key: str, help: str | None = None, place: Any = st) -> bool:
    """Ask yes or no; no by default."""
    _seed(key, False, lambda text: _one_of(text, ["true", "false"]) == "true")
    on = bool(place.toggle(label, key=_widget(key), help=help))
    _write(key, "true" if on else None)
    return on


def number(label: str, low: int, high: int, key: str, place: Any = st) -> int | None:
    """Ask for a whole number within bounds, or none."""
    _seed(key, None, lambda text: _whole(text, low, high))
    chosen: int | None = place.number_input(label, low, high, value=None, key=_widget(key), placeholder="any")
    _write(key, None if chosen is None else str(chosen))
    return chosen


def day(label: str, key: str, place: Any = st) -> date | None:
    """Ask for a day (UTC), or none."""
    _seed(key, None, _day)
    chosen: date | None = place.date_input(label, value=None, key=_widget(key), format="YYYY-MM-DD")
    _write(key, None if chosen is None else chosen.isoformat())
    return chosen


def turn(total: int, size: int, key: str = "page", of: object = None) -> int:
    """Show the pages that `total` rows fill at `size` a page; return the chosen one, from 0.

    When `of`, what the pages are of, is another than before, the first page is shown again.
    """
    pages = max(1, -(-total // size))
    state: Any = st.session_state
    text, begun = st.query_params.get(key), f"begun-{key}"
    kept, round_, last = state.get(begun, (None, 0, of))
    start = kept or 1
    if kept is None or state.get(f"address-{key}") != text:
        start, round_ = 1, round_ + 1
        if text is not None:
            try:
                start = _whole(text, 1, pages)
            except Refused as refused:
                _say(key, refused)
    elif last != of or start > pages:
        start, round_ = 1, round_ + 1
    state[begun] = (start, round_, of)
    chosen = int(st.pagination(pages, default=start, key=f"{_widget(key)}-{round_}")) if pages > 1 else 1
    _write(key, None if chosen == 1 else str(chosen))
    return chosen - 1


def statement(key: str, example: str) -> str:
    """Ask for a query; it goes into the address when it is sent off, so that it can be shared."""
    _seed(key, example, lambda text: text)
    text: str = st.text_area("Query", key=_widget(key), height=180, max_chars=20_000)
    _write(key, None if text == example else text)
    return text


def named(key: str) -> str | None:
    """Return the id that the address names, to be looked up as it is; None where it names none or a monster."""
    text = st.query_params.get(key)
    if text is None:
        return None
    try:
        return _short(text)
    except Refused as refused:
        _say(key, refused)
        return None


def _one_of(text: str, options: Sequence[str]) -> str:
    if text not in options:
        raise Refused(f"there is no “{_cut(text)}”")
    return text


def _short(text: str) -> str:
    if len(text) > LONGEST:
        raise Refused(f"“{_cut(text)}” is longer than {LONGEST} characters")
    return text


def _whole(text: str, low: int, high: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
        raise Refused(f"“{_cut(text)}” is no number from {low} to {high}")
    return int(text)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Refused(f"“{_cut(text)}” is no day, as in 2026-03-01") from None


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"


def _widget(key: str) -> str:
    return f"filter-{key}"


def _seed(key: str, default: Any, read: Callable[[str], Any]) -> None:
    """Give the widget the address's value where that has changed since this session last read or wrote it."""
    text = st.query_params.get(key)
    if _widget(key) in st.session_state and st.session_state.get(f"address-{key}") == text:
        return
    value = default
    if text is not None:
        try:
            value = read(text)
        except Refused as refused:
            _say(key, refused)
    st.session_state[_widget(key)] = value


def _forget(key: str, options: Sequence[str]) -> None:
    """Take away a choice that is no longer among the options: they follow the other filters and the versions."""
    if st.session_state.get(_widget(key)) not in options:
        st.session_state[_widget(key)] = None


def _say(key: str, refused: Refused) -> None:
    st.warning(f"The address was not followed in {key}: {page.plain(str(refused))}.", icon=":material/link_off:")


def _write(key: str, text: str | None) -> None:
    """Bring the address in line with the widget, touching it only where it differs."""
    if text is None:
        if key in st.query_params:
            del st.query_params[key]
    elif st.query_params.get(key) != text:
        st.query_params[key] = text
    st.session_state[f"address-{key}"] = text
