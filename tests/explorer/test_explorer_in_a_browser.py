"""The explorer in a real headless Chromium: no error box, and thumbnails that are truly painted."""

import io
import shutil
import time
from collections.abc import Iterator

import pytest
from PIL import Image, ImageStat
from playwright.sync_api import Browser, Page, sync_playwright

from explorer.pages import places

pytestmark = pytest.mark.browser

SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
IDLE = '[data-testid="stApp"][data-test-script-state="notRunning"]'
TILES = ".tile img"
"""Thumbnails, in the shadow tree of the component that draws them."""
BOXES = ", ".join(
    f'[data-testid="{name}"]' for name in ("stException", "stAlertContentError", "stAlertContentWarning")
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.fail("there is no Chromium; `make test` installs it, or on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    tab = browser.new_page(viewport={"width": 1440, "height": 1600})
    tab.set_default_timeout(45_000)
    yield tab
    tab.close()


def visit(tab: Page, url: str) -> None:
    tab.goto(url)
    tab.wait_for_selector('[data-testid="stHeading"]')
    tab.wait_for_selector(IDLE)


def spreads(tab: Page, most: int) -> list[float]:
    """Return the standard deviation of the pixels inside each of the first images, as a screenshot shows them."""
    screen = Image.open(io.BytesIO(tab.screenshot())).convert("L")
    found = []
    for picture in tab.locator(TILES).all()[:most]:
        box = picture.bounding_box()
        assert box is not None
        left, top, width, height = box["x"], box["y"], box["width"], box["height"]
        assert top + height <= screen.height, "the first images must lie on the screen"
        # Inside the frame: rounded corners and the coloured line would make a blank tile look painted.
        edges = (left + width / 8, top + height / 8, left + 7 * width / 8, top + 7 * height / 8)
        found.append(ImageStat.Stat(screen.crop(tuple(map(round, edges)))).stddev[0])
    return found


@pytest.mark.parametrize(
    ("path", "title"),
    [("", "Forensics Lake"), *[(place.name, place.title) for place in places() if place.name != "overview"]],
)
def test_a_page_opens_without_an_error_box_and_asks_no_other_host(explorer, tab, path, title):
    foreign: list[str] = []
    tab.on("request", lambda request: foreign.append(request.url) if explorer.url not in request.url else None)
    visit(tab, f"{explorer.url}/{path}")
    assert tab.get_by_role("heading", name=title, exact=True).is_visible()
    assert tab.locator(BOXES).count() == 0
    assert [url for url in foreign if not url.startswith(("data:", "blob:", "ws://127.0.0.1"))] == []


def test_the_gallery_paints_at_least_twelve_thumbnails(explorer, tab):
    visit(tab, f"{explorer.url}/images")
    tab.wait_for_function(
        "() => { const roots = [...document.querySelectorAll('*')].map(e => e.shadowRoot).filter(Boolean);"
        "return [document, ...roots].flatMap(r => [...r.querySelectorAll('.tile img')])"
        ".filter(i => i.complete && i.naturalWidth > 0).length >= 12; }"
    )
    # A loaded image may still be fading in, or its place still moving, when the screen is taken.
    deadline = time.monotonic() + 45
    while min(spreads(tab, 12)) <= 8:
        assert time.monotonic() < deadline, "a thumbnail is painted in one colour"
        tab.wait_for_timeout(500)


def test_the_charts_are_drawn(explorer, tab):
    visit(tab, f"{explorer.url}/evaluation")
    tab.wait_for_selector(".js-plotly-plot .scatterlayer .point")
    assert tab.locator(".js-plotly-plot .scatterlayer .point").count() >= 20
    assert "evil/<img src=x onerror=alert(1)>" in tab.locator(".ytick").all_text_contents()


def test_a_hostile_name_and_prompt_run_nothing_and_load_nothing(explorer, tab):
    dialogs: list[str] = []
    tab.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    requests: list[str] = []
    tab.on("request", lambda request: requests.append(request.url))
    visit(tab, f"{explorer.url}/images?maker=evil")
    tab.locator(".tile").first.click()
    tab.wait_for_url(lambda url: "/image?id=" in url)
    tab.get_by_text("![dot](http://192.0.2.1/dot.png) <script>").first.wait_for()  # as the prompt, or in the JSON
    assert dialogs == []
    assert not [url for url in requests if "192.0.2.1" in url or url.endswith("/x")]


def test_a_picked_image_is_in_the_address_and_the_way_back_keeps_the_filters(explorer, tab):
    visit(tab, f"{explorer.url}/images?show=Fake")
    tab.locator(".tile").first.click()
    tab.wait_for_url(lambda url: "/image?id=" in url)
    tab.wait_for_selector('[data-testid="stImage"] img')
    tab.go_back()
    tab.wait_for_url(lambda url: url.endswith("/images?show=Fake"))
    tab.get_by_text("40 images").wait_for()


def test_from_an_image_to_its_generator_and_its_root_in_two_more_clicks(explorer, tab):
    visit(tab, f"{explorer.url}/images?maker=ink-watercolour")
    tab.locator(".tile").first.click()
    tab.get_by_role("link", name="Its generator").click()
    tab.wait_for_url(lambda url: "/generators?generator=" in url)
    tab.get_by_role("link", name="lab/tiny-sd").click()
    tab.wait_for_url(lambda url: "/models?model=" in url)
    tab.get_by_role("heading", name="lab/tiny-sd").wait_for()
