"""From a wrong verdict to its cause in a real browser: its source, and the training images like it."""

import re

import pytest

from tests.explorer.test_explorer_in_a_browser import BOXES, browser, tab, visit  # noqa: F401

pytestmark = pytest.mark.browser

TILE = "button.tile"


def test_a_false_positive_is_traced_to_its_source_and_its_nearest_training_images_in_three_clicks(
    explorer,
    tab,  # noqa: F811
):
    tab.set_default_timeout(180_000)  # several pages, each with its tables read for the first time
    visit(tab, f"{explorer.url}/evaluation")
    tab.locator(".st-key-tiles-behind").locator(TILE).first.click()
    tab.wait_for_url(re.compile(r"/image\?id=[0-9a-f]{64}"))
    tab.wait_for_selector("text=photos")
    wrong = tab.url
    tab.get_by_role("tab", name="What is like it").click()
    tab.locator(".st-key-tiles-taught-by").locator(TILE).first.click()
    tab.wait_for_url(lambda url: "/image?id=" in url and url != wrong)
    assert tab.locator(BOXES).count() == 0
