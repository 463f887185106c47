"""Take a picture of every page of the explorer, at the width of a desk and of a telephone.

    python tests/benchmarks/explorer_screenshots.py --root lake --to pictures [--pages images,models --widths 1280]

Needs Chromium, as the browser tests do. `--whole` shows each page down to its end, `--readme` writes the README's
picture, .github/explorer.png.
"""

import argparse
import contextlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import polars as pl
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from etl.lake import schemas, snapshot
from explorer.pages import places

SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
LENGTH = "document.querySelector('[data-testid=stMain]').scrollHeight"
IDLE = '[data-testid="stApp"][data-test-script-state="notRunning"]'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True)
    parser.add_argument("--to", type=Path, default=Path("pictures"))
    parser.add_argument("--pages", default="")
    parser.add_argument("--widths", default="1280,390")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--readme", action="store_true")
    settings = parser.parse_args()
    settings.to.mkdir(parents=True, exist_ok=True)
    wanted = set(filter(None, settings.pages.split(",")))
    addresses = {name: path for name, path in paths(settings.root).items() if not wanted or name in wanted}
    with serving(settings.root) as url, browser() as chromium:
        for width in map(int, settings.widths.split(",")):
            height = 900 if width > 600 else 844
            tab = chromium.new_page(
                viewport={"width": width, "height": height}, color_scheme="dark" if settings.dark else "light"
            )
            for name, path in addresses.items():
                tab.set_viewport_size({"width": width, "height": height})
                open_page(tab, f"{url}/{path}")
                if settings.whole:
                    tab.set_viewport_size({"width": width, "height": min(tab.evaluate(LENGTH), 12_000)})
                    tab.wait_for_timeout(1500)
                theme = "-dark" if settings.dark else ""
                target = settings.to / f"{name}-{width}{theme}.png"
                tab.screenshot(path=target)
                if settings.readme and name == "images" and width > 600:
                    upper = Image.open(target).crop((0, 0, width, 760))
                    upper.save(Path(__file__).parents[2] / ".github" / "explorer.png", optimize=True)
                print(target, flush=True)


def paths(root: str) -> dict[str, str]:
    """Return the addresses of all pages, and of one image, one generator and one model that are there."""
    found = {place.name: "" if place.name == "overview" else place.name for place in places()}
    if snapshot.exists(root, schemas.THUMBNAILS):
        shown = snapshot.scan(root, schemas.THUMBNAILS).filter(pl.col("label") == 1)
        row = shown.select("image_id", "generator_id").head(1).collect()
        if row.height:
            found["image"] = f"image?{urlencode({'id': row['image_id'][0]})}"
            found["generator"] = f"generators?{urlencode({'generator': row['generator_id'][0]})}"
            found["model"] = f"models?{urlencode({'model': row['generator_id'][0]})}"
    return found


def open_page(tab: Page, url: str, seconds: float = 120) -> None:
    """Open a page and wait until it is drawn."""
    tab.goto(url, timeout=1000 * seconds)
    tab.wait_for_selector('[data-testid="stHeading"]', timeout=1000 * seconds)
    tab.wait_for_selector(IDLE, timeout=1000 * seconds)
    tab.wait_for_timeout(1500)  # figures and pictures fade in


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=SWITCHES)
        yield chromium
        chromium.close()


@contextlib.contextmanager
def serving(root: str, process: list[subprocess.Popen[bytes]] | None = None) -> Iterator[str]:
    """Run the explorer on a free port until the block ends; the process goes into the list where one is given."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "etl.cli", "explore", "--root", root, "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    if process is not None:
        process.append(server)
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2).close()
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=20)


if __name__ == "__main__":
    main()
