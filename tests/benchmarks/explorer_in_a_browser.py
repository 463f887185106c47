"""How fast the explorer is on a large lake, as a person sees it: through a real browser.

    python tests/benchmarks/explorer_lake.py --root F
    PYTHONPATH=tests/benchmarks python tests/benchmarks/explorer_in_a_browser.py --root F --rounds 5

First the page that opens once the server is up, in a fresh tab each with nothing cached; then, after a pause,
pages and filters, changed as links and widgets change them, in one session. A step ends when its page is drawn:
the script has run, and what the step waits for (thumbnails, rows, a figure) is on the screen. Memory is the
server's peak resident size.
"""

import argparse
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from explorer_screenshots import IDLE, browser, serving
from playwright.sync_api import Page

TILES = ".tile img"
TABLE = '[data-testid="stDataFrame"]'
FLOW = '[data-testid="stMarkdown"] table'
PLOT = ".js-plotly-plot"
PAINTED = (
    "n => [document, ...[...document.querySelectorAll('*')].map(e => e.shadowRoot).filter(Boolean)]"
    ".flatMap(r => [...r.querySelectorAll('.tile')]).length >= n"
)


class Clock:
    """Times steps by name, in seconds."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {}

    def step(self, name: str, act: Callable[[], object], ends: Callable[[], object]) -> None:
        begun = time.perf_counter()
        act()
        ends()
        self.times.setdefault(name, []).append(time.perf_counter() - begun)
        print(f"{name:44} {self.times[name][-1]:6.2f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pause", type=float, default=3.0, help="seconds between the first page and the next")
    settings = parser.parse_args()
    clock = Clock()
    process: list[subprocess.Popen[bytes]] = []
    with serving(settings.root, process) as url, browser() as chromium:
        for _ in range(settings.rounds):
            tab = chromium.new_page(viewport={"width": 1280, "height": 900})
            tab.set_default_timeout(120_000)
            session(tab, url, clock, settings.pause)
            tab.close()
        peak = peak_mb(process[0].pid)
    report(clock, peak)


def session(tab: Page, url: str, clock: Clock, pause: float) -> None:
    """One visit: the first page, then every page and the common changes of filters."""

    def drawn(selector: str = "") -> Callable[[], object]:
        def wait() -> None:
            if selector:
                tab.wait_for_selector(selector)
            tab.wait_for_selector(IDLE)

        return wait

    def visit(title: str) -> Callable[[], object]:
        return lambda: tab.get_by_test_id("stSidebarNav").get_by_role("link", name=title, exact=True).click()

    def heading(title: str, then: str) -> Callable[[], object]:
        def wait() -> None:
            tab.get_by_role("heading", name=title, exact=True).wait_for()
            drawn(then)()

        return wait

    def painted(least: int) -> Callable[[], object]:
        def wait() -> None:
            tab.wait_for_function(PAINTED, arg=least)
            tab.wait_for_selector(IDLE)

        return wait

    def type_in(label: str, words: str) -> Callable[[], object]:
        def act() -> None:
            field = tab.get_by_label(label, exact=True)
            field.fill(words)
            field.press("Enter")

        return act

    def named(words: str) -> Callable[[], object]:
        def wait() -> None:
            tab.wait_for_url(f"**={words}*")
            tab.wait_for_selector(IDLE)

        return wait

    clock.step("first page", lambda: tab.goto(url), heading("Forensics Lake", FLOW))
    tab.wait_for_timeout(1000 * pause)  # a person looks at it; meanwhile the browser loads what later pages need
    clock.step("page: images", visit("Images"), heading("Images", TILES))
    clock.step(
        "gallery: the next 48 thumbnails",
        lambda: tab.get_by_role("button", name="Page 2", exact=True).click(),
        lambda: (tab.wait_for_url("**page=2*"), painted(48)()),
    )
    clock.step(
        "gallery: only fakes",
        lambda: tab.get_by_test_id("stButtonGroup").get_by_text("Fake", exact=True).click(),
        lambda: (tab.wait_for_url("**show=Fake*"), painted(48)()),
    )
    clock.step(
        "gallery: part of a generator's name",
        type_in("Generator or source", "anime"),
        lambda: (tab.wait_for_url("**maker=anime*"), painted(48)()),
    )
    clock.step(
        "gallery: words of the prompt",
        type_in("Words of the prompt", "number 77"),
        lambda: (tab.wait_for_url("**prompt=*"), painted(48)()),
    )
    clock.step(
        "one image", lambda: tab.locator(".tile").first.click(), heading("One image", '[data-testid="stTabs"]')
    )
    clock.step("page: models", visit("Models"), heading("Models", PLOT))
    clock.step("models: part of a name", type_in("Name", "anime-77"), named("anime-77"))
    clock.step("page: generators", visit("Generators"), heading("Generators", TABLE))
    clock.step("generators: part of a name", type_in("Name", "dream"), named("dream"))
    clock.step("page: health", visit("Health"), heading("Health", TABLE))
    clock.step("page: SQL", visit("SQL"), heading("SQL", '[data-testid="stTextArea"]'))
    clock.step("page: overview", visit("Overview"), heading("Forensics Lake", FLOW))


def peak_mb(pid: int) -> float:
    """Return the peak resident size of a process in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return float("nan")


def report(clock: Clock, peak: float) -> None:
    print("\n| step | p50 s | p95 s | max s |\n|---|--:|--:|--:|")
    for name, times in clock.times.items():
        low, high = np.percentile(times, [50, 95])
        print(f"| {name} | {low:.2f} | {high:.2f} | {max(times):.2f} |")
    rest = [t for name, times in clock.times.items() if name != "first page" for t in times]
    low, high = np.percentile(rest, [50, 95])
    print(f"| all but the first page ({len(rest)}) | {low:.2f} | {high:.2f} | {max(rest):.2f} |")
    print(f"\npeak memory of the server: {peak:,.0f} MB")


if __name__ == "__main__":
    main()
