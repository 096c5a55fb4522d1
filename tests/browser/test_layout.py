"""How pages use their room, from a phone to a desk."""

import pytest
from playwright.sync_api import FloatRect, Locator, Page, expect

from tests.browser.conftest import OpenPage
from tests.process import Client, running
from tests.targets.http import HttpTarget

ONE_LINE = 30
"""Pixels."""


def box(node: Locator) -> FloatRect:
    found = node.bounding_box()
    assert found
    return found


@pytest.fixture
def overview(page: Page, api: Client, target: HttpTarget) -> Page:
    """An overview with a service that is down and one that is not."""
    target.status = 503
    down = api.add_service("Shop front", target.url, retries=0)["id"]
    api.add_service("Wiki", target.url, enabled=False)
    api.first_verdict(down)
    page.reload()
    expect(page.get_by_role("heading", name="Shop front is down")).to_be_visible()
    return page


def test_the_head_reaches_both_edges(overview: Page) -> None:
    head = box(overview.locator(".top"))

    assert head["x"] == 0
    assert head["width"] == overview.evaluate("document.documentElement.clientWidth") == 1280


def test_a_tablet_shows_a_table(overview: Page) -> None:
    overview.set_viewport_size({"width": 768, "height": 900})
    row = overview.get_by_role("listitem").filter(has_text="Shop front")

    assert box(overview.get_by_role("link", name="Add service"))["width"] < 200
    assert box(row)["height"] < 80
    expect(overview.locator(".columns").get_by_text("Last 24 hours")).to_be_visible()
    assert box(row.locator(".status"))["x"] < box(row.locator(".name"))["x"]


def test_a_phone_says_how_long_and_what_the_bars_are(overview: Page) -> None:
    overview.set_viewport_size({"width": 375, "height": 812})
    row = overview.get_by_role("listitem").filter(has_text="Shop front")

    expect(row.locator("small")).to_be_visible()
    expect(row.locator("small")).to_contain_text("for ")
    expect(overview.locator(".columns").get_by_text("Last 24 hours as bars")).to_be_visible()


def test_labels_take_one_line_at_first_run(
    open_page: OpenPage, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with running(tmp_path_factory.mktemp("first-run")) as program:
        for width in (1280, 375):
            page = open_page(program.url, viewport={"width": width, "height": 900})
            for name in ("First name", "Last name"):
                assert box(page.locator("label").filter(has_text=name))["height"] < ONE_LINE
            page.goto("about:blank")
