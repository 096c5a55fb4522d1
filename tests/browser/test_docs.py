"""The page of the API: what the OpenAPI document says, to be read and searched."""

import json
from typing import Any

import pytest
import requests
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import OpenPage
from tests.browser.test_pages import AUDIT, PHONE, scroll_width
from tests.process import Program

METHODS = {"get", "post", "put", "patch", "delete"}
OPENED = """() => [...document.querySelectorAll(".operation")].map((node) => {
    node.open = true;
    node.ontoggle();
    return [node.id, node.querySelector("h3").textContent, node.textContent];
})"""


@pytest.fixture
def docs(open_page: OpenPage, shared_program: Program) -> Page:
    page = open_page(f"{shared_program.url}/docs")
    expect(page.get_by_role("heading", level=1)).to_contain_text("UptimeHunt API")
    return page


@pytest.fixture(scope="module")
def operations(shared_program: Program) -> dict[str, dict[str, Any]]:
    """What the document says, by operationId; the path and the method with it."""
    document = requests.get(f"{shared_program.url}/api/v1/openapi.json", timeout=10).json()
    return {
        about["operationId"]: {**about, "path": path, "method": method}
        for path, methods in document["paths"].items()
        for method, about in methods.items()
        if method in METHODS
    }


def operation(page: Page, name: str) -> Locator:
    return page.locator(f"#{name}")


def test_every_operation_is_there_with_all_that_is_said_of_it(
    docs: Page, operations: dict[str, dict[str, Any]]
) -> None:
    shown = {name: (line, text) for name, line, text in docs.evaluate(OPENED)}

    assert shown.keys() == operations.keys()
    for name, about in operations.items():
        line, text = shown[name]
        assert line.startswith(f"{about['method'].upper()} {about['path']} {about['summary']}")
        assert about["description"].replace("`", "") in text
        for parameter in about["parameters"]:
            assert parameter["name"] in text
        for status in about["responses"]:
            assert status in text
        for wrong in ("undefined", "[object", "$ref", "NaN"):
            assert wrong not in text, name


def test_a_body_is_shown_with_its_nested_fields_and_a_command(
    open_page: OpenPage, shared_program: Program, operations: dict[str, dict[str, Any]]
) -> None:
    page = open_page(f"{shared_program.url}/docs#deliver_results_checks")
    shown = operation(page, "deliver_results_checks")
    expect(shown).to_have_attribute("open", "")
    expect(shown.locator("summary")).to_be_focused()
    expect(shown).to_be_in_viewport()
    results = shown.get_by_role("listitem").filter(has_text="results").first
    expect(results).to_contain_text("1 to 1000 items")
    status = results.get_by_role("listitem").filter(has_text="status").first
    expect(status).to_contain_text("string required")
    expect(status).to_contain_text("success failure")

    page.evaluate("location.hash = 'create_service'")
    shown = operation(page, "create_service")
    expect(shown.get_by_role("listitem").filter(has_text="retries").first).to_contain_text(
        "0 to 10. Default 1"
    )
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    shown.get_by_role("button", name="Copy").click()
    expect(shown.get_by_role("button", name="Copied")).to_be_visible()
    command = page.evaluate("navigator.clipboard.readText()")
    assert command.startswith(f"curl -X POST '{shared_program.url}/api/v1/services' ")
    body = operations["create_service"]["requestBody"]["content"]["application/json"]
    sent = command.partition("-d '")[2].removesuffix("'")
    assert json.loads(sent) == body["example"]


def test_filter(docs: Page, operations: dict[str, dict[str, Any]]) -> None:
    shown = docs.locator(".operation:visible")
    expect(shown).to_have_count(len(operations))

    docs.get_by_label("Filter operations").fill("post bulk")
    expect(shown).to_have_count(1)
    expect(docs.get_by_role("status")).to_have_text(f"1 of {len(operations)} operations")
    expect(docs.get_by_role("heading", name="users", exact=True)).to_be_hidden()

    shown.locator("summary").click()
    assert docs.url.endswith("#change_many_services")
    docs.get_by_label("Filter operations").fill("nothing like this")
    expect(shown).to_have_count(0)
    docs.evaluate("location.hash = 'tag-users'")
    expect(docs.get_by_role("heading", name="users", exact=True)).to_be_in_viewport()
    expect(shown).to_have_count(len(operations))


def test_on_paper_everything_is_open(docs: Page, operations: dict[str, dict[str, Any]]) -> None:
    docs.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(docs.locator(".operation[open] .statuses")).to_have_count(len(operations))
    docs.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(docs.locator(".operation[open]")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_basics_of_accessibility_and_a_phone(docs: Page, scheme: str) -> None:
    docs.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    for name in ("list_services", "create_service", "delete_project"):
        docs.evaluate("(name) => { location.hash = name }", name)
        expect(operation(docs, name).locator(".statuses")).to_be_visible()
    assert docs.evaluate(AUDIT) == []

    docs.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    assert scroll_width(docs) <= PHONE["width"]
    docs.evaluate(OPENED)
    assert scroll_width(docs) <= PHONE["width"]


def test_the_first_load_is_small(open_page: OpenPage, shared_program: Program) -> None:
    sizes: dict[str, int] = {}

    def measure(page: Page) -> None:
        page.on(
            "requestfinished",
            lambda sent: sizes.update({sent.url: sent.sizes()["responseBodySize"]}),
        )

    page = open_page(f"{shared_program.url}/docs", prepare=measure)
    expect(page.locator(".operation").first).to_be_visible()

    own = [size for url, size in sizes.items() if not url.endswith("openapi.json")]
    assert len(own) < len(sizes)
    assert 0 < sum(own) < 50_000


def test_a_document_that_does_not_come_is_said(
    open_page: OpenPage, shared_program: Program
) -> None:
    def refuse(route: Route) -> None:
        error = {"code": "RATE_LIMITED", "message": "Too many requests"}
        route.fulfill(status=429, json={"error": error})

    page = open_page(
        f"{shared_program.url}/docs",
        prepare=lambda page: page.route("**/openapi.json", refuse),
    )

    expect(page.get_by_role("heading", level=1)).to_have_text("The document cannot be shown")
    expect(page.get_by_text("Too many requests")).to_be_visible()
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
