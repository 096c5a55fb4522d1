"""The chart of response times: honest scales, and a history that is seen from its first minute."""

import itertools
import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import refresh
from tests.process import Client
from tests.targets.http import HttpTarget

MODULE = """async ([name, most]) => {
    const app = document.querySelector("script[type=module]").src;
    const { valueTicks, valueLabel } = await import(new URL(`components/${name}.js`, app));
    const ticks = valueTicks(most);
    return ticks.map((tick) => [tick, valueLabel(tick, ticks.at(-1))]);
}"""


def milliseconds(label: str) -> float:
    number, unit = label.split(" ")
    return float(number) * {"ms": 1, "s": 1000}[unit]


@pytest.mark.parametrize(
    "most", [1, 1.3, 2, 3.9, 4, 9, 12, 99, 180, 950, 1000, 4321, 30_000, 120_000]
)
def test_a_tick_is_what_it_says(page: Page, most: float) -> None:
    ticks = page.evaluate(MODULE, ["scale", most])
    values = [value for value, _ in ticks]
    steps = {after - before for before, after in itertools.pairwise(values)}

    assert [milliseconds(label) for _, label in ticks] == pytest.approx(values)
    assert values[0] == 0 and most < values[-1] <= max(most * 2.2, 2)
    assert len(steps) == 1 and 3 <= len(values) <= 7
    assert re.fullmatch("(1|2|25|5)0*", str(steps.pop()))


def test_a_new_service_has_a_chart_at_once(page: Page, api: Client, target: HttpTarget) -> None:
    service = api.add_service("Shop front", target.url)["id"]
    page.goto(f"{api.url}/#/services/{service}")
    expect(page.locator(".summary")).to_contain_text("since it was added", timeout=20_000)
    api.first_verdict(service)
    api.call("POST", f"/services/{service}/check", status=202)
    line = page.locator(".chart .line")

    expect(line).to_be_visible(timeout=20_000)

    plot, drawn = page.locator(".plot").bounding_box(), line.bounding_box()
    assert plot and drawn
    assert drawn["x"] - plot["x"] < 0.2 * plot["width"]


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
    page.goto(f"{api.url}/#/services/{service}")
    two = re.compile("[2-9] checks")
    expect(page.locator(".summary")).to_contain_text(two, timeout=20_000)
    chart = page.get_by_role("slider", name="Response time read-out")
    chart.focus()
    page.keyboard.press("Home")
    first = chart.get_attribute("aria-valuetext")
    before = page.locator(".summary").inner_text()

    refresh(page)

    expect(page.locator(".summary")).not_to_have_text(before, timeout=20_000)
    expect(chart).to_have_attribute("aria-valuetext", first or "")
