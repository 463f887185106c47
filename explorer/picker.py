"""Which versions of the tables are shown: the newest, those at a time, or one table at a version of its own.

The choice stands in the address (`as_of`, `pin`), so that a view that is shared shows the same rows.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import streamlit as st

from etl.lake import schemas
from explorer import reading
from explorer.reading import Snapshot

_PIN = re.compile(r"([a-z_]{1,40})@(\d{1,9})")
_KEPT = "picker"
_SECONDS = "20s"
"""How often an open page looks whether its tables have moved on: one listing a table."""


@dataclass(frozen=True)
class Choice:
    """What the address asks for; both empty for the newest versions."""

    as_of: datetime | None = None
    pins: tuple[tuple[str, int], ...] = ()


def chosen() -> Choice:
    """Return the choice of this run of the page, which `show` has read."""
    kept: Choice = st.session_state.get(_KEPT, Choice())
    return kept


def parameters() -> dict[str, str]:
    """Return the choice as parameters of an address."""
    choice = chosen()
    found = {"as_of": choice.as_of.isoformat()} if choice.as_of else {}
    if choice.pins:
        found["pin"] = ",".join(f"{name}@{version}" for name, version in choice.pins)
    return found


def read(as_of: str | None, pin: str | None) -> tuple[Choice, list[str]]:
    """Return the choice that an address makes, and what of it was refused, in words."""
    refused = []
    time, pins = None, []
    if as_of:
        try:
            time = datetime.fromisoformat(as_of)
            time = time if time.tzinfo else time.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            refused.append("the time to look back to is no date")
    names = {table.name for table in schemas.TABLES}
    for one in (pin or "").split(",")[: len(names)]:
        match = _PIN.fullmatch(one.strip())
        if match and match[1] in names:
            pins.append((match[1], int(match[2])))
        elif one:
            refused.append("a version is written as table@number, with a table of the lake")
    return Choice(time, tuple(pins)), refused


def show(root: str) -> None:
    """Read the choice from the address and show it in the sidebar, where it can be changed."""
    asked = st.query_params.get("as_of"), st.query_params.get("pin")
    if any(asked):
        choice, refused = read(*asked)
        st.session_state[_KEPT] = choice
        for words in dict.fromkeys(refused):
            st.warning(f"The address was not followed in all: {words}.", icon=":material/link_off:")
    choice = chosen()
    _write(parameters())
    box = st.sidebar.expander(
        "Versions", icon=":material/history:", expanded=choice != Choice(), key="picker-box", on_change="rerun"
    )
    if box.open:  # an input of dates costs every page's first sight a good deal
        with box:
            _offer(root, choice)


def _offer(root: str, choice: Choice) -> None:
    st.caption("Look at the lake as it was." if choice == Choice() else "You look at the lake as it was.")
    time = st.datetime_input("As of (UTC)", value=None, key="picker-time")
    there = [t.name for t in schemas.TABLES if reading.newest_commit(root, t)[0] is not None]
    name = st.selectbox("or one table", there, index=None, placeholder="table", key="picker-table")
    newest = 0
    if name is not None:
        table = next(t for t in schemas.TABLES if t.name == name)
        newest = reading.newest_commit(root, table)[0] or 0
    number = st.number_input("at version", 0, newest, newest, key=f"picker-version-{name}", disabled=name is None)
    pins = ((name, int(number)),) if name else ()
    look, back = st.columns(2)
    moment = None if time is None else time.replace(tzinfo=UTC)
    look.button("Look", on_click=_choose, args=[Choice(moment, pins)], width="stretch")
    back.button("Newest", on_click=_choose, args=[Choice()], width="stretch", disabled=choice == Choice())


def banner(lake: Snapshot, choice: Choice) -> None:
    """Say which of the page's tables have newer versions, now and while the page stays open."""
    if choice == Choice():
        _watch(lake)
        return
    parts = [f"as of {choice.as_of:%Y-%m-%d %H:%M:%S} UTC"] if choice.as_of else []
    parts += [f"{name} at version {version}" for name, version in choice.pins]
    behind = moved(lake, reading.take(lake.root, *lake.tables))
    told = f" Since then have moved on: {', '.join(behind)}." if behind else " These are the newest versions."
    st.info(f"You look at the lake {', '.join(parts)}.{told}", icon=":material/history:")


def moved(shown: Snapshot, newest: Snapshot) -> list[str]:
    """Name the tables whose newest version is not the one that is shown."""
    return [
        f"{name} ({'not there' if old is None else old} → {'gone' if new is None else new})"
        for (name, old, stamp), (_, new, other) in zip(shown.versions, newest.versions, strict=True)
        if (old, stamp) != (new, other)
    ]


@st.fragment(run_every=_SECONDS)
def _watch(lake: Snapshot) -> None:
    behind = moved(lake, reading.take(lake.root, *lake.tables))
    if behind:
        said, button = st.columns([5, 1], vertical_alignment="center")
        said.info(f"The lake has moved on: {', '.join(behind)}.", icon=":material/update:")
        if button.button("Show it", key="picker-reload", width="stretch"):
            st.rerun(scope="app")


def _choose(choice: Choice) -> None:
    st.session_state[_KEPT] = choice
    _write(parameters())


def _write(wanted: Mapping[str, str]) -> None:
    """Bring the address in line, touching it only where it differs."""
    for name in ("as_of", "pin"):
        if name in wanted and st.query_params.get(name) != wanted[name]:
            st.query_params[name] = wanted[name]
        elif name not in wanted and name in st.query_params:
            del st.query_params[name]
