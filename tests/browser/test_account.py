"""Getting in: first run, sign in, staying signed in, sign out, another password."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import OpenPage, sign_in
from tests.process import EMAIL, PASSWORD, Client, Program, running

SECRETS_IN_REACH = """() => JSON.stringify(
    [document.cookie, {...localStorage}, {...sessionStorage}, history.state, location.href])"""


@pytest.fixture
def fresh_program(tmp_path: Path) -> Iterator[Program]:
    """An instance that nobody has an account on."""
    with running(tmp_path / "data") as program:
        yield program


def fill_in(page: Page, email: str, password: str) -> None:
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password", exact=True).fill(password)


def test_the_first_run_creates_the_admin(fresh_program: Program, open_page: OpenPage) -> None:
    page = open_page(fresh_program.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Welcome to UptimeHunt")

    fill_in(page, "not an address", "short")
    page.get_by_role("button", name="Create the account").click()

    expect(page.get_by_label("Email")).to_be_focused()
    expect(page.get_by_label("Email")).to_have_accessible_description("Email must be valid")
    expect(page.get_by_label("Password", exact=True)).to_have_attribute("aria-invalid", "true")

    fill_in(page, EMAIL, PASSWORD)
    page.get_by_label("First name").fill("Alice")
    page.get_by_role("button", name="Create the account").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing is being watched yet")
    page.get_by_role("button", name="Account and appearance").click()
    expect(page.get_by_text("Alice", exact=True)).to_be_visible()
    expect(page.get_by_text(EMAIL)).to_be_visible()


def test_sign_in_lasts_over_a_reload_and_ends_with_sign_out(
    open_page: OpenPage, shared_program: Program
) -> None:
    page = open_page(shared_program.url)
    expect(page).to_have_title("Sign in · UptimeHunt")
    fill_in(page, EMAIL, "not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()

    fill_in(page, EMAIL, PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing is being watched yet")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing is being watched yet")

    page.get_by_role("button", name="Account and appearance").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_signing_out_in_one_tab_signs_out_the_other(page: Page) -> None:
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.get_by_role("heading", level=1)).to_have_text("Nothing is being watched yet")

    page.get_by_role("button", name="Account and appearance").click()
    page.get_by_role("button", name="Sign out").click()

    expect(other.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_a_new_password_signs_out_everywhere_else(
    fresh_program: Program, open_page: OpenPage
) -> None:
    elsewhere = Client(fresh_program.url).register()
    page = open_page(
        f"{fresh_program.url}/#/account", prepare=lambda page: sign_in(page, fresh_program.url)
    )
    sessions = page.get_by_role("region", name="Sessions").get_by_role("listitem")
    expect(sessions).to_have_count(2)

    page.get_by_label("Current password", exact=True).fill(PASSWORD)
    page.get_by_label("New password", exact=True).fill("another horse battery")
    page.get_by_role("button", name="Change password").click()

    expect(page.get_by_text("Your password is changed.").last).to_be_visible()
    expect(page.get_by_label("New password", exact=True)).to_have_value("")
    expect(sessions).to_have_count(1)
    elsewhere.call("GET", "/auth/me", status=401)


def test_a_deep_link_survives_the_sign_in(open_page: OpenPage, shared_program: Program) -> None:
    page = open_page(f"{shared_program.url}/#/services/new")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")

    fill_in(page, EMAIL, PASSWORD)
    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Add a service")


def test_no_token_is_in_reach_of_a_script(page: Page) -> None:
    in_reach = page.evaluate(SECRETS_IN_REACH)

    assert "eyJ" not in in_reach
    cookies = page.context.cookies()
    assert [cookie["httpOnly"] for cookie in cookies] == [True]
    assert cookies[0]["sameSite"] == "Strict"
    assert cookies[0]["value"] not in in_reach


def test_an_access_token_that_was_refused_is_renewed_once(page: Page) -> None:
    renewals: list[str] = []
    page.on("request", lambda sent: renewals.append(sent.url) if "refresh" in sent.url else None)
    refused: list[str] = []

    def refuse_once(route: Route) -> None:
        if refused:
            route.fallback()
            return
        refused.append(route.request.url)
        route.fulfill(status=401, json={"error": {"code": "UNAUTHORIZED", "message": "Too old"}})

    page.route("**/api/v1/services?*", refuse_once)
    with page.expect_response(lambda answer: "services?" in answer.url and answer.status != 401):
        page.get_by_role("link", name="Add the first service").click()
        page.go_back()

    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing is being watched yet")
    assert refused and len(renewals) == 1
