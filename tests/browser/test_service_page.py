"""A service's page: why it is as it is, its errors, and what is said of what one does."""

import re
import typing
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import refresh
from tests.browser.test_services import WITHIN_A_CHECK, status
from tests.process import Client, wait_until
from tests.targets.http import HttpTarget
from tests.targets.tls import https_target
from uptimehunt.checks.base import ErrorKind

ERROR_WORDS = """async () => {
    const app = document.querySelector("script[type=module]").src;
    return (await import(new URL("components/causes.js", app))).ERRORS;
}"""
SCROLLED = """() => [...document.querySelectorAll("main *")].filter((node) =>
    getComputedStyle(node).overflowY === "auto" && node.scrollHeight > node.clientHeight).length"""


def note(page: Page) -> Locator:
    return page.locator(".note")


def test_every_error_has_words(page: Page) -> None:
    words = page.evaluate(ERROR_WORDS)

    assert set(words) == set(typing.get_args(ErrorKind))
    assert all(re.fullmatch("[A-Z][A-Za-z ]+", word) for word in words.values())


def test_errors_come_a_few_at_a_time(page: Page, api: Client, target: HttpTarget) -> None:
    target.status = 503
    service = api.add_service("Shop front", target.url, interval_seconds=3600, retries=0)["id"]

    def has_failed(times: int) -> bool:
        if len(target.requests) < times:
            api.call("POST", f"/services/{service}/check", status=202)
        return len(target.requests) >= times

    for times in range(1, 8):
        wait_until(lambda: has_failed(times), 20)  # noqa: B023
    errors = f"/services/{service}/errors"
    wait_until(lambda: api.call("GET", errors)["meta"]["total"] >= 7, 20)
    page.goto(f"{api.url}/#/services/{service}")
    rows = page.locator(".errors tbody tr")
    expect(rows).to_have_count(5)
    assert page.evaluate(SCROLLED) == 0

    more = page.get_by_role("button", name=re.compile("Show .* more"))
    more.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text(re.compile("All .* are shown"))).to_be_visible()
    assert rows.count() >= 7
    assert page.evaluate(SCROLLED) == 0
    fewer = page.get_by_role("button", name="Show fewer")
    expect(fewer).to_be_focused()
    fewer.press("Enter")
    expect(rows).to_have_count(5)


def test_a_paused_service_keeps_what_was_measured(
    page: Page, api: Client, target: HttpTarget
) -> None:
    service = api.add_service("Shop front", target.url)["id"]
    api.first_verdict(service)
    page.goto(f"{api.url}/#/services/{service}")
    page.get_by_role("button", name="Pause").click()

    expect(status(page)).to_contain_text("Paused just now.")
    figure = page.locator(".figures > div").filter(has_text="Response time")
    expect(figure).to_contain_text(re.compile(r"\d ms"))
    expect(status(page)).to_contain_text(re.compile(r"Paused for \d seconds\."))
    expect(status(page)).not_to_contain_text("Next")


def test_how_much_of_a_period_was_seen(page: Page, api: Client, target: HttpTarget) -> None:
    service = api.add_service("Shop front", target.url)["id"]
    api.first_verdict(service)

    def was_seen(share: float) -> Callable[[Route], None]:
        def answer(route: Route) -> None:
            told = api.get(f"/services/{service}/metrics/uptime?period=7d")
            route.fulfill(json={"data": told | {"coverage_percentage": share}})

        return answer

    page.route("**/metrics/uptime?period=7d", was_seen(92.6))
    page.route("**/metrics/uptime?period=30d", was_seen(99.5))
    page.goto(f"{api.url}/#/services/{service}")

    figures = page.locator(".figures > div")
    expect(figures.filter(has_text="7 days")).to_contain_text("seen 93% of the time")
    expect(figures.filter(has_text="30 days")).to_contain_text(re.compile(r"\d failed$"))


def test_a_note_goes_with_its_cause(page: Page, api: Client, target: HttpTarget) -> None:
    service = api.add_service("Shop front", target.url)["id"]
    api.first_verdict(service)
    page.goto(f"{api.url}/#/services/{service}")
    page.get_by_role("button", name="Pause").click()
    expect(note(page)).to_have_text("Shop front is paused until you resume it.")
    page.get_by_role("button", name="Resume").click()
    expect(note(page)).to_have_text("Shop front is operational.", timeout=WITHIN_A_CHECK)

    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete service").click()
    expect(note(page)).to_have_text("Shop front is deleted.")


@pytest.mark.parametrize("width", [375, 768, 1280])
def test_a_note_covers_nothing_of_the_page(
    page: Page, api: Client, target: HttpTarget, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    service = api.add_service("Shop front", target.url)["id"]
    page.goto(f"{api.url}/#/services/{service}")
    page.get_by_role("button", name="Pause").click()
    expect(note(page)).to_be_visible()
    note(page).evaluate("(node) => Promise.all(node.getAnimations().map((one) => one.finished))")

    shown, content, account = (
        one.bounding_box()
        for one in (note(page), page.locator(".crumbs"), page.locator(".account"))
    )
    assert shown and content and account
    assert shown["y"] + shown["height"] <= content["y"]
    assert shown["x"] + shown["width"] <= account["x"]


def test_why_it_is_degraded(page: Page, api: Client, target: HttpTarget) -> None:
    slow = api.add_service("Slow", f"{target.url}/slow?s=0.05", degraded_after_ms=10)["id"]
    page.goto(f"{api.url}/#/services/{slow}")
    expect(status(page)).to_contain_text("Slower than 10 ms.", timeout=WITHIN_A_CHECK)

    with https_target("expiring") as server:
        config = {"url": server.url, "verify_tls": False}
        expiring = api.add_service("Shop front", server.url, config=config)["id"]
        page.goto(f"{api.url}/#/services/{expiring}")
        expect(status(page)).to_contain_text(
            re.compile(r"Degraded for .*\. The certificate expires in 5 days\."),
            timeout=WITHIN_A_CHECK,
        )
    assert api.get(f"/services/{expiring}/status")["warning"] == "certificate_expiring"


def test_words_that_age_need_no_request(page: Page, api: Client, target: HttpTarget) -> None:
    service = api.add_service("Shop front", target.url, interval_seconds=3600)["id"]
    api.first_verdict(service)
    page.goto(f"{api.url}/#/services/{service}")
    expect(status(page)).to_contain_text("Operational")
    refresh(page)
    page.route("**/api/v1/**", lambda route: route.fulfill(status=429, json={}))

    for seconds in (4, 5, 6):
        expect(status(page)).to_contain_text(f"Last check {seconds} seconds ago")


def test_a_heartbeat_service_shows_what_to_call_and_what_called(page: Page, api: Client) -> None:
    config = {"schedule": "period", "period_seconds": 600}
    job = api.post("/services", {"name": "Backup", "type": "heartbeat", "config": config})
    address = f"{api.url}/heartbeat/{job['heartbeat_key']}"

    page.goto(f"{api.url}/#/services/{job['id']}")
    expect(page.get_by_text("Nothing has called yet.")).to_be_visible()
    expect(page.get_by_text(address)).to_be_visible()
    api.http.post(f"{address}/3", data="disk full", timeout=5)

    beats = page.get_by_role("region", name="Last heartbeats")
    expect(beats.get_by_text("Failure, exit code 3")).to_be_visible(timeout=15_000)
    expect(beats.get_by_text("disk full")).to_be_visible()
