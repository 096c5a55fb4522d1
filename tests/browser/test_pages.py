"""What holds for every page: text stays text, history, keyboard, phone, a lost connection."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import OpenPage, measure, refresh, sign_in
from tests.process import Client
from tests.targets.http import HttpTarget

WITHIN_A_REFRESH = 10_000
PHONE = {"width": 390, "height": 844}
POLYGLOTS = (
    '"><img src=x onerror=alert(1)>',
    "</script><script>alert(2)</script>",
    "javascript:/*--></title></style>'/\"/*/onmouseover=alert(3)//'><svg/onload=alert(4)>",
    "{{7*7}} ${7*7} <%= 7*7 %> &lt;b&gt;",
)


def heading(page: Page) -> Locator:
    return page.get_by_role("heading", level=1)


@pytest.mark.parametrize("text", POLYGLOTS)
def test_markup_in_names_stays_text(page: Page, api: Client, target: HttpTarget, text: str) -> None:
    project = api.post("/projects", {"name": text})["id"]
    service = api.add_service(
        text, target.url, description=text, tags=[text[:32]], project_id=project
    )["id"]
    page.reload()
    expect(page.get_by_role("heading", name=text, exact=True)).to_be_visible()
    expect(page.get_by_role("link", name=text, exact=True)).to_be_visible()

    page.goto(f"{api.url}/#/services/{service}")
    expect(heading(page)).to_have_text(text)
    expect(page.locator(".description")).to_have_text(text)
    page.get_by_role("link", name="Edit").click()
    expect(page.get_by_label("Description")).to_have_value(text)
    expect(page.get_by_label("Project")).to_contain_text(text)
    assert page.locator("img, script:not([src])").count() == 0


def test_deep_links_and_the_history(page: Page, api: Client, target: HttpTarget) -> None:
    service = api.add_service("Shop front", target.url)["id"]
    page.goto(f"{api.url}/#/services/{service}")
    page.reload()
    expect(heading(page)).to_have_text("Shop front")
    expect(page).to_have_title("Shop front · UptimeHunt")
    page.get_by_role("link", name="Edit").click()
    expect(heading(page)).to_have_text("Edit Shop front")
    expect(heading(page)).to_be_focused()

    page.go_back()
    expect(heading(page)).to_have_text("Shop front")
    page.go_forward()
    expect(heading(page)).to_have_text("Edit Shop front")


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("/services/999999", "This service does not exist"),
        ("/services/999999/edit", "This service does not exist"),
        ("/nowhere", "This page does not exist"),
    ],
)
def test_an_address_that_leads_nowhere_says_so(
    page: Page, api: Client, path: str, title: str
) -> None:
    page.goto(f"{api.url}/#{path}")

    expect(heading(page)).to_contain_text(title)
    expect(page.get_by_role("link", name="Back to the overview")).to_be_visible()


def test_a_page_of_a_version_that_is_gone_loads_the_new_one(page: Page) -> None:
    gone: list[str] = []

    def upgrade(route: Route) -> None:
        if gone:
            route.fallback()
            return
        gone.append(route.request.url)
        route.fulfill(status=404, json={})

    page.route("**/pages/service_edit.js", upgrade)
    page.get_by_role("link", name="Add the first service").click()

    expect(heading(page)).to_have_text("Add a service")
    expect(page.get_by_label("URL", exact=True)).to_be_visible()
    assert gone


def test_a_lost_connection_is_said_and_comes_back(
    page: Page, api: Client, target: HttpTarget
) -> None:
    api.add_service("Shop front", target.url)
    page.reload()
    expect(page.get_by_role("link", name="Shop front")).to_be_visible()

    def cannot_serve(route: Route) -> None:
        error = {"code": "RATE_LIMITED", "message": "Too many requests"}
        route.fulfill(status=429, json={"error": error})

    page.route("**/api/v1/**", cannot_serve)
    refresh(page)
    expect(page.get_by_text("Connection lost.").last).to_be_visible()
    expect(page.get_by_role("link", name="Shop front")).to_be_visible()

    page.unroute("**/api/v1/**")
    page.get_by_role("button", name="Try now").click()
    expect(page.get_by_role("button", name="Try now")).to_be_hidden()


def test_a_refresh_keeps_focus_selection_and_open_parts(
    page: Page, api: Client, target: HttpTarget
) -> None:
    first = api.add_service("Shop front", target.url)["id"]
    page.reload()
    page.get_by_role("link", name="Shop front").focus()
    api.add_service("A blog", target.url)
    api.call("PATCH", f"/services/{first}", {"tags": ["new"], "description": "Changed"})
    expect(page.get_by_role("link", name="A blog")).to_be_visible(timeout=WITHIN_A_REFRESH)
    expect(page.get_by_role("link", name="Shop front")).to_be_focused()

    page.keyboard.press("Enter")
    page.get_by_text("Show as a table").click()
    api.call("PATCH", f"/services/{first}", {"description": "Changed again"})
    refresh(page)
    expect(page.get_by_text("Changed again")).to_be_visible()
    expect(page.get_by_role("region", name="Response times as a table")).to_be_visible()


def test_the_chart_can_be_read_without_a_mouse(page: Page, api: Client, target: HttpTarget) -> None:
    service = api.add_service("Shop front", target.url)["id"]
    measure(api, service)
    page.goto(f"{api.url}/#/services/{service}")
    summary = page.locator(".summary")
    expect(summary).to_contain_text(re.compile(r"\d checks.* none failed"))
    chart = page.get_by_role("slider", name="Response time read-out")
    expect(chart).not_to_have_attribute("aria-valuemax", "0")
    expect(chart).to_have_attribute("aria-valuetext", re.compile("on average, .* check"))
    latest = chart.get_attribute("aria-valuetext")

    chart.focus()
    page.keyboard.press("ArrowLeft")
    expect(chart).not_to_have_attribute("aria-valuetext", latest or "")
    page.keyboard.press("End")
    expect(chart).to_have_attribute("aria-valuetext", re.compile("on average"))


def pages_of(api: Client, target: HttpTarget) -> list[str]:
    project = api.post("/projects", {"name": "A project with quite a long name " * 3})["id"]
    long = "A-name-without-any-space-in-it-" * 4
    service = api.add_service(long, f"{target.url}/{'path/' * 60}", project_id=project)["id"]
    api.add_service("Shop front", target.url, tags=["prod"], description="Words. " * 60)
    api.add_service("Wiki", target.url, enabled=False)
    return ["/", f"/services/{service}", f"/services/{service}/edit", "/services/new", "/account"]


def test_a_phone_needs_no_sideways_scrolling(
    open_page: OpenPage, api: Client, target: HttpTarget
) -> None:
    page = open_page(api.url, viewport=PHONE, has_touch=True, is_mobile=True)
    assert scroll_width(page) <= PHONE["width"]
    sign_in(page, api.url)
    for path in pages_of(api, target):
        page.goto(f"{api.url}/#{path}")
        page.reload()
        expect(heading(page)).to_be_attached()
        expect(page.locator("main [aria-busy]")).to_have_count(0)
        assert scroll_width(page) <= PHONE["width"], path


def scroll_width(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth"))


AUDIT = (Path(__file__).parent / "audit.js").read_text()
FOCUS_IS_VISIBLE = """() => {
    const outlined = (node) => node && getComputedStyle(node).outlineStyle !== "none";
    const node = document.activeElement;
    return node === document.body
        || [node, node.parentElement, node.nextElementSibling].some(outlined) || node.outerHTML;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_basics_of_accessibility(
    page: Page, api: Client, target: HttpTarget, scheme: str
) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    for path in pages_of(api, target):
        page.goto(f"{api.url}/#{path}")
        page.reload()
        expect(heading(page)).to_have_count(1)
        expect(page.locator("main [aria-busy]")).to_have_count(0)
        assert page.evaluate("document.documentElement.lang") == "en"
        assert page.evaluate(AUDIT) == [], path
        for _ in range(12):
            page.keyboard.press("Tab")
            assert page.evaluate(FOCUS_IS_VISIBLE) is True


def test_the_first_load_is_small(open_page: OpenPage, api: Client) -> None:
    sizes: list[int] = []

    def measure(page: Page) -> None:
        page.on("requestfinished", lambda sent: sizes.append(sent.sizes()["responseBodySize"]))

    page = open_page(api.url, prepare=measure)
    page.get_by_role("heading", name="Sign in").wait_for()

    assert 0 < sum(sizes) < 50_000
