"""The chart of response times: honest scales, and a history that is seen from its first minute."""

import itertools
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import measure
from tests.process import Client, Program
from tests.targets.http import HttpTarget

MODULE = """async ([name, most]) => {
    const app = document.querySelector("script[type=module]").src;
    const { valueTicks, valueLabel } = await import(new URL(`components/${name}.js`, app));
    const ticks = valueTicks(most);
    return ticks.map((tick) => [tick, valueLabel(tick, ticks.at(-1))]);
}"""

A_REFRESH_OF_FIGURES = 10_000
"""After so many milliseconds the page asks again for what the chart shows."""
# Geometry: a line of equal response times has no height, which Playwright calls hidden.
DRAWN = """(line) => {
    const chart = line.ownerSVGElement.getBoundingClientRect();
    const start = line.getPointAtLength(0).matrixTransform(line.getScreenCTM());
    return {
        shown: line.checkVisibility({ visibilityProperty: true, opacityProperty: true }),
        length: line.getTotalLength(),
        start: (start.x - chart.left) / chart.width,
    };
}"""


def milliseconds(label: str) -> float:
    number, unit = label.split(" ")
    return float(number) * {"ms": 1, "s": 1000}[unit]


@pytest.fixture(scope="module")
def dashboard(chromium: Browser, shared_program: Program) -> Iterator[Page]:
    """A page to import modules from, which nobody has signed in to."""
    with chromium.new_context() as context:
        page = context.new_page()
        page.goto(shared_program.url)
        yield page


@pytest.mark.parametrize(
    "most", [1, 1.3, 2, 3.9, 4, 9, 12, 99, 180, 950, 1000, 4321, 30_000, 120_000]
)
def test_a_tick_is_what_it_says(dashboard: Page, most: float) -> None:
    ticks = dashboard.evaluate(MODULE, ["scale", most])
    values = [value for value, _ in ticks]
    steps = {after - before for before, after in itertools.pairwise(values)}

    assert [milliseconds(label) for _, label in ticks] == pytest.approx(values)
    assert values[0] == 0 and most < values[-1] <= max(most * 2.2, 2)
    assert len(steps) == 1 and 3 <= len(values) <= 7
    assert re.fullmatch("(1|2|25|5)0*", str(steps.pop()))


def test_a_new_service_has_a_chart_at_once(page: Page, api: Client, target: HttpTarget) -> None:
    service = api.add_service("Shop front", target.url)["id"]
    page.clock.install()
    page.goto(f"{api.url}/#/services/{service}")
    expect(page.locator(".summary")).to_contain_text("since it was added", timeout=20_000)
    measure(api, service)
    page.clock.fast_forward(A_REFRESH_OF_FIGURES)
    line = page.locator(".chart .line")

    expect(line).to_have_attribute("d", re.compile("L"), timeout=20_000)

    expect(page.locator(".chart")).to_be_visible()
    drawn = line.evaluate(DRAWN)
    assert drawn["shown"] and drawn["length"] > 0
    assert 0 < drawn["start"] < 0.2


def test_a_slow_rhythm_is_a_line_too(page: Page, api: Client, target: HttpTarget) -> None:
    """Between two checks lie parts without any; only trouble and pauses part a line."""
    service = api.add_service("Shop front", target.url, interval_seconds=30)["id"]
    answer = api.call("GET", f"/services/{service}/metrics/response-times")
    for bucket in answer["data"]:
        bucket |= {"avg": None, "p95": None, "checks": 0, "failures": 0}
    for at in (5, 10, 15, 20):
        answer["data"][at] |= {"avg": 40, "p95": 50, "checks": 1}
    answer["data"][15] |= {"avg": None, "p95": None, "failures": 1}
    page.route("**/metrics/response-times?*", lambda route: route.fulfill(json=answer))

    def seen(interval: int) -> tuple[int, int]:
        api.call("PATCH", f"/services/{service}", {"interval_seconds": interval})
        page.goto(f"{api.url}/#/services/{service}")
        page.reload()
        expect(page.locator(".chart .failed")).to_have_count(1)
        return page.locator(".chart .line").count(), page.locator(".chart .lone").count()

    assert seen(1500) == (1, 1)
    assert seen(60) == (0, 3)


def test_the_read_out_stays_where_it_is(page: Page, api: Client, target: HttpTarget) -> None:
    service = api.add_service("Shop front", target.url)["id"]
    measure(api, service)
    page.clock.install()
    page.goto(f"{api.url}/#/services/{service}")
    expect(page.locator(".summary")).to_contain_text("checks")
    chart = page.get_by_role("slider", name="Response time read-out")
    chart.focus()
    page.keyboard.press("Home")
    first = chart.get_attribute("aria-valuetext")
    before = page.locator(".summary").inner_text()

    measure(api, service, points=3)
    page.clock.fast_forward(A_REFRESH_OF_FIGURES)

    expect(page.locator(".summary")).not_to_have_text(before, timeout=20_000)
    expect(chart).to_have_attribute("aria-valuetext", first or "")
