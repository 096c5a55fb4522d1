"""The account page: profile, password, API tokens, sessions."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.process import EMAIL, Client

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def account(page: Page, api: Client) -> Iterator[Page]:
    """The account page; what a test says of its user is unsaid after it."""
    page.get_by_role("button", name="Account and appearance").click()
    page.get_by_role("link", name="Account", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Account")
    yield page
    api.call("PUT", "/users/profile", {"email": EMAIL})


def section(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name)


def test_change_the_profile(account: Page, api: Client) -> None:
    account.get_by_label("First name").fill("Alice")
    account.get_by_label("Time zone").select_option("Europe/Berlin")
    account.get_by_label("Theme").select_option("Dark")
    account.get_by_role("button", name="Save profile").click()

    expect(account.get_by_text("Your profile is saved.").last).to_be_visible()
    expect(account.locator("html")).to_have_attribute("data-theme", "dark")
    profile = api.get("/users/profile")
    assert profile["timezone"] == "Europe/Berlin"
    account.get_by_role("button", name="Account and appearance").click()
    expect(account.get_by_text("Alice", exact=True)).to_be_visible()
    expect(account.get_by_role("radio", name="Dark")).to_be_checked()


def test_another_email_needs_the_password(account: Page, api: Client) -> None:
    profile = section(account, "Profile")
    expect(profile.get_by_label("Your password", exact=True)).to_be_hidden()
    profile.get_by_label("Email").fill("not an address")
    profile.get_by_role("button", name="Save profile").click()
    expect(profile.get_by_label("Email")).to_have_accessible_description("Email must be valid")

    profile.get_by_label("Email").fill("bob@example.com")
    profile.get_by_label("Your password", exact=True).fill("wrong")
    profile.get_by_role("button", name="Save profile").click()

    password = profile.get_by_label("Your password", exact=True)
    expect(password).to_be_focused()
    expect(password).to_have_accessible_description(re.compile("wrong"))
    assert api.get("/users/profile")["email"] == EMAIL


def test_a_wrong_current_password_is_said_at_the_field(account: Page) -> None:
    account.get_by_label("Current password", exact=True).fill("wrong")
    account.get_by_label("New password", exact=True).fill("another horse battery")
    account.get_by_role("button", name="Change password").click()

    expect(account.get_by_label("Current password", exact=True)).to_be_focused()
    expect(account.get_by_label("Current password", exact=True)).to_have_accessible_description(
        "Current password is wrong"
    )


def test_a_token_is_shown_once_works_and_goes(account: Page, api: Client) -> None:
    tokens = section(account, "API tokens")
    tokens.get_by_role("button", name="Create token").click()
    dialog = account.get_by_role("dialog")
    dialog.get_by_role("button", name="Create token").click()
    expect(dialog.get_by_label("Name")).to_have_accessible_description(re.compile("is required"))
    dialog.get_by_label("Name").fill("Backup script")
    dialog.get_by_role("button", name="Create token").click()

    dialog = account.get_by_role("dialog", name="Copy the token now")
    token = dialog.locator("code").inner_text()
    account.context.grant_permissions(["clipboard-read", "clipboard-write"])
    dialog.get_by_role("button", name="Copy").click()
    expect(dialog.get_by_role("button", name="Copied")).to_be_visible()
    assert account.evaluate("navigator.clipboard.readText()") == token
    dialog.get_by_role("button", name="Done").click()
    row = tokens.get_by_role("listitem")
    expect(row).to_contain_text("Backup script")
    expect(row).to_contain_text("Read only")
    assert token not in account.content()

    script = Client(api.url, token)
    assert script.get("/services") == []
    script.call("POST", "/projects", {"name": "Shop"}, status=403)

    row.get_by_role("button", name="Delete token Backup script").click()
    account.get_by_role("dialog").get_by_role("button", name="Delete token").click()
    expect(row).to_have_count(0)
    expect(tokens.get_by_role("heading")).to_be_focused()
    script.call("GET", "/services", status=401)


def test_sessions_show_this_one_and_end_others(account: Page, api: Client) -> None:
    other = Client(api.url)
    other.http.headers["User-Agent"] = FIREFOX
    other.login()
    account.reload()
    sessions = section(account, "Sessions").get_by_role("listitem")
    expect(sessions.first).to_contain_text("This browser")
    expect(sessions.first.get_by_role("button")).to_have_count(0)
    expect(sessions.filter(has_text="This browser")).to_have_count(1)

    account.get_by_role("button", name="End session of Firefox on Linux").click()

    expect(sessions.filter(has_text="Firefox on Linux")).to_have_count(0)
    other.call("GET", "/auth/me", status=401)
