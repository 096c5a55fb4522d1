"""The main job: add a service, see it go down and come back, pause it, change it, delete it."""

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import refresh
from tests.process import Client
from tests.targets.http import HttpTarget

WITHIN_A_CHECK = 20_000


def heading(page: Page) -> Locator:
    return page.get_by_role("heading", level=1)


def status(page: Page) -> Locator:
    return page.get_by_role("region", name="Status")


@pytest.fixture
def service(api: Client, target: HttpTarget) -> int:
    """A service that is up."""
    return int(api.add_service("Shop front", target.url, interval_seconds=60)["id"])


def test_add_a_service_and_see_it_go_down_and_come_back(
    page: Page, api: Client, target: HttpTarget
) -> None:
    page.get_by_role("link", name="Add the first service").click()
    page.get_by_label("Name", exact=True).fill("Shop front")
    page.get_by_label("URL", exact=True).fill(target.url)
    page.get_by_label("Check every").fill("5")
    page.get_by_label("Unit of the interval").select_option("seconds")
    page.get_by_text("Advanced", exact=True).click()
    page.get_by_label("Retries before down").fill("0")
    page.get_by_role("button", name="Add service").click()

    expect(heading(page)).to_have_text("Shop front")
    expect(status(page)).to_contain_text("Operational", timeout=WITHIN_A_CHECK)
    expect(page.get_by_text("every 5 seconds")).to_be_visible()

    (service,) = api.services()
    target.status = 503
    api.call("POST", f"/services/{service}/check", status=202)
    expect(status(page)).to_contain_text("Down", timeout=WITHIN_A_CHECK)
    expect(status(page)).to_contain_text("503")
    expect(page.get_by_role("cell", name="Unexpected status code").first).to_be_visible()
    page.get_by_role("link", name="Overview", exact=True).click()
    expect(page).to_have_title("(1 down) UptimeHunt")
    expect(page.locator("#favicon")).to_have_attribute("href", re.compile("favicon-down"))
    expect(heading(page)).to_have_text("Shop front is down")

    target.status = 200
    api.call("POST", f"/services/{service}/check", status=202)
    row = page.get_by_role("listitem").filter(has_text="Shop front")
    expect(row).to_contain_text("Operational", timeout=WITHIN_A_CHECK)
    expect(page).to_have_title("UptimeHunt")
    expect(page.locator("#favicon")).to_have_attribute("href", re.compile(r"favicon\.svg"))
    expect(page.get_by_role("status")).to_have_text("Shop front is operational.")


def test_pause_and_resume(page: Page, service: int) -> None:
    page.reload()
    row = page.get_by_role("listitem").filter(has_text="Shop front")
    row.get_by_role("button", name="Pause Shop front").click()
    expect(row).to_contain_text("Paused")
    expect(heading(page)).to_have_text("Nothing is being checked")

    row.click()
    expect(status(page)).to_contain_text("Paused for")
    page.get_by_role("button", name="Resume").click()
    expect(status(page)).to_contain_text("Operational", timeout=WITHIN_A_CHECK)
    expect(page.get_by_role("button", name="Pause")).to_be_visible()


def test_an_error_in_a_field_is_shown_at_the_field(
    page: Page, api: Client, service: int, target: HttpTarget
) -> None:
    page.goto(f"{api.url}/#/services/{service}/edit")
    expect(heading(page)).to_have_text("Edit Shop front")
    expect(page.get_by_label("URL", exact=True)).to_have_value(target.url)

    page.get_by_label("URL", exact=True).fill("nonsense")
    page.get_by_role("button", name="Add header").click()
    page.get_by_label("Value", exact=True).fill("without a name")
    page.get_by_role("button", name="Save changes").click()

    expect(page.get_by_label("URL", exact=True)).to_be_focused()
    expect(page.get_by_label("URL", exact=True)).to_have_accessible_description(
        re.compile("must be valid")
    )
    header = page.get_by_role("group", name="header 1")
    expect(header.get_by_label("Name")).to_have_accessible_description("Name is required")

    header.get_by_label("Name").fill("X-Shop")
    page.get_by_label("URL", exact=True).fill(f"{target.url}/echo")
    page.get_by_label("Expected status").fill("200, 2xx")
    page.get_by_role("button", name="Save changes").click()

    expect(heading(page)).to_have_text("Shop front")
    config = api.get(f"/services/{service}")["config"]
    assert config["url"] == f"{target.url}/echo"
    assert config["expected_status_code"] == [200, "2xx"]
    assert config["headers"] == [{"name": "X-Shop", "value": "without a name", "secret": False}]


def test_a_hidden_field_in_error_is_opened(page: Page, api: Client, service: int) -> None:
    page.goto(f"{api.url}/#/services/{service}/edit")
    page.get_by_text("Advanced", exact=True).click()
    page.get_by_label("Timeout").fill("999")
    page.get_by_text("Advanced", exact=True).click()
    expect(page.get_by_label("Timeout")).to_be_hidden()

    page.get_by_role("button", name="Save changes").click()

    expect(page.get_by_label("Timeout")).to_be_focused()
    expect(page.get_by_label("Timeout")).to_have_accessible_description(
        re.compile("Must be between 1 and 120")
    )


def test_a_secret_header_is_kept_when_it_is_left_alone(
    page: Page, api: Client, target: HttpTarget
) -> None:
    secret = {"name": "X-Key", "value": "hush", "secret": True}
    config = {"url": f"{target.url}/echo", "headers": [secret]}
    service = api.add_service("Shop front", target.url, config=config)["id"]
    page.goto(f"{api.url}/#/services/{service}/edit")
    value = page.get_by_label("Value", exact=True)
    expect(value).to_have_value("")
    expect(value).to_have_attribute("placeholder", re.compile("leave empty to keep"))

    page.get_by_label("Name", exact=True).first.fill("Renamed")
    page.get_by_role("button", name="Save changes").click()

    expect(heading(page)).to_have_text("Renamed")
    before = len(target.requests)
    api.call("PATCH", f"/services/{service}", {"enabled": False})
    api.call("PATCH", f"/services/{service}", {"enabled": True})
    expect(status(page)).to_contain_text("Operational", timeout=WITHIN_A_CHECK)
    assert {request.headers.get("x-key") for request in target.requests[before:]} <= {"hush"}


def test_delete_asks_first(page: Page, api: Client, service: int) -> None:
    page.goto(f"{api.url}/#/services/{service}")
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog", name="Delete this service?")
    expect(dialog).to_contain_text("Shop front")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name="Delete")).to_be_focused()

    page.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete service").click()

    expect(heading(page)).to_have_text("Nothing is being watched yet")
    assert api.services() == {}


def test_projects_group_services(page: Page, api: Client, service: int) -> None:
    page.reload()
    page.get_by_role("button", name="New project").click()
    dialog = page.get_by_role("dialog", name="New project")
    dialog.get_by_role("button", name="Create project").click()
    expect(dialog.get_by_label("Name")).to_have_accessible_description("Name is required")
    dialog.get_by_label("Name").fill("Shop")
    dialog.get_by_role("radio", name="Green").check()
    dialog.get_by_role("button", name="Create project").click()
    expect(page.get_by_role("heading", name="Shop", exact=True)).to_be_visible()

    page.goto(f"{api.url}/#/services/{service}/edit")
    page.get_by_role("combobox", name="Project").select_option(label="Shop")
    page.get_by_role("button", name="Save changes").click()
    page.get_by_role("link", name="Overview", exact=True).click()
    group = page.get_by_role("region", name="Shop")
    expect(group.get_by_role("link", name="Shop front")).to_be_visible()

    group.get_by_role("button", name="Edit project Shop").click()
    page.get_by_role("dialog").get_by_label("Name").fill("Market")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    group = page.get_by_role("region", name="Market")
    group.get_by_role("button", name="Edit project Market").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete project").click()
    expect(group).to_be_hidden()
    expect(page.get_by_role("link", name="Shop front")).to_be_visible()


def test_a_refresh_is_one_request_and_new_projects_still_show(
    page: Page, api: Client, service: int
) -> None:
    page.reload()
    expect(page.get_by_role("link", name="Shop front")).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda sent: asked.append(sent.url.rpartition("/")[2]))
    project = api.post("/projects", {"name": "Shop", "description": "Words"})["id"]
    api.call("PATCH", f"/services/{service}", {"project_id": project})
    refresh(page)

    group = page.get_by_role("region", name="Shop")
    expect(group.get_by_role("link", name="Shop front")).to_be_visible()
    assert asked and all(name.startswith("services?") for name in asked), asked

    group.get_by_role("button", name="Edit project Shop").click()
    page.get_by_role("dialog").get_by_label("Name").fill("Market")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_role("region", name="Market")).to_be_visible()
    assert api.get(f"/projects/{project}")["description"] == "Words"


def test_search_and_filter(page: Page, api: Client, target: HttpTarget) -> None:
    api.add_service("Shop front", target.url)
    api.add_service("Blog", f"{target.url}/echo", tags=["words"])
    api.add_service("Wiki", target.url, enabled=False)
    page.reload()
    rows = page.get_by_role("listitem")
    expect(rows).to_have_count(3)

    page.get_by_role("button", name="Paused 1").click()
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Wiki")
    page.get_by_role("button", name="All 3").click()
    page.get_by_label("Search services").fill("WORDS")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Blog")
    page.get_by_label("Search services").fill("nowhere")
    expect(page.get_by_role("heading", name="No service matches")).to_be_visible()
    page.get_by_role("button", name="Show all services").click()
    expect(rows).to_have_count(3)


def type_named(page: Page, name: str) -> Locator:
    return page.get_by_role("radio", name=name, exact=True)


@pytest.fixture
def new_page(page: Page, api: Client) -> Page:
    """The form for a new service."""
    page.goto(f"{api.url}/#/services/new")
    expect(type_named(page, "HTTP(S)")).to_be_checked()
    return page


def test_a_type_is_found_by_the_filter_and_picked_with_the_keyboard(
    new_page: Page, api: Client
) -> None:
    new_page.get_by_label("Name", exact=True).fill("Orders")
    new_page.get_by_label("Filter types").fill("database post")
    expect(new_page.get_by_role("radio")).to_have_count(1)

    new_page.keyboard.press("Enter")

    expect(type_named(new_page, "PostgreSQL")).to_be_checked()
    expect(type_named(new_page, "PostgreSQL")).to_be_focused()
    expect(new_page.get_by_label("Port", exact=True)).to_have_value("5432")
    expect(new_page.get_by_label("Name", exact=True)).to_have_value("Orders")
    expect(new_page.get_by_label("URL", exact=True)).to_be_hidden()
    assert api.services() == {}

    new_page.get_by_label("Filter types").fill("no such thing")
    expect(new_page.get_by_text("Nothing matches “no such thing”.")).to_be_visible()
    new_page.get_by_label("Filter types").fill("")
    type_named(new_page, "TCP port").focus()
    new_page.keyboard.press("ArrowDown")
    expect(type_named(new_page, "TLS certificate")).to_be_checked()
    expect(new_page.get_by_label("Port", exact=True)).to_have_value("443")


def test_what_was_filled_in_goes_along_to_another_type_but_its_usual_values_do_not(
    new_page: Page,
) -> None:
    type_named(new_page, "Redis").check(force=True)
    new_page.get_by_label("Host", exact=True).fill("db.lan")
    expect(new_page.get_by_label("Port", exact=True)).to_have_value("6379")

    type_named(new_page, "PostgreSQL").check(force=True)

    expect(new_page.get_by_label("Port", exact=True)).to_have_value("5432")
    expect(new_page.get_by_label("Host", exact=True)).to_have_value("db.lan")


def test_trying_out_shows_what_a_check_finds_and_saves_nothing(
    new_page: Page, api: Client, target: HttpTarget
) -> None:
    outcome = new_page.get_by_role("group", name="Outcome of the trial")
    new_page.get_by_label("URL", exact=True).fill(f"{target.url}/slow?s=0.2")

    new_page.get_by_role("button", name="Try it now").click()

    expect(outcome.get_by_role("heading")).to_have_text(re.compile(r"^Answered 200 in \d+ ms\.$"))
    expect(outcome).to_contain_text("127.0.0.1")
    phases = outcome.locator(".phases > div")
    expect(phases.filter(has_text="First byte")).to_have_text(re.compile(r"2\d\d ms"))
    widths = [
        bar.evaluate("bar => parseFloat(getComputedStyle(bar, '::before').width)")
        for bar in phases.locator(".bar").all()
    ]
    assert len(widths) == 5 and max(widths) == widths[3] > 4 * min(widths)
    expect(outcome.get_by_text("The form has changed since.")).to_be_hidden()

    new_page.get_by_label("URL", exact=True).fill(f"{target.url}/status/503")
    expect(outcome.get_by_text("The form has changed since.")).to_be_visible()
    new_page.get_by_role("button", name="Try it now").click()

    expect(outcome.get_by_role("heading")).to_have_text("Unexpected status code")
    expect(new_page.get_by_role("status").first).to_have_text(
        "Unexpected status code. Answered 503, expected 200-299."
    )
    expect(outcome).to_contain_text("Answered 503, expected 200-299.")
    assert api.services() == {}


def test_trying_out_what_cannot_work_shows_it_at_the_field(new_page: Page) -> None:
    new_page.get_by_label("URL", exact=True).fill("nonsense")

    new_page.get_by_role("button", name="Try it now").click()

    url = new_page.get_by_label("URL", exact=True)
    expect(url).to_be_focused()
    expect(url).to_have_accessible_description(re.compile("must be valid"))


def sent_config(page: Page, button: str, path: str) -> dict[str, Any]:
    """The config that a click on a button sends."""
    with page.expect_request(lambda sent: sent.url.endswith(path) and sent.method != "GET") as sent:
        page.get_by_role("button", name=button).click()
    body = sent.value.post_data_json
    assert body is not None
    config: dict[str, Any] = body["config"]
    return config


def test_a_password_is_kept_replaced_and_removed(page: Page, api: Client) -> None:
    config = {"host": "127.0.0.1", "port": 9, "password": "hush"}
    body = {"name": "Cache", "type": "redis", "config": config, "enabled": False}
    service = api.post("/services", body)["id"]
    path = f"/services/{service}"
    password = page.get_by_role("textbox", name="Password")

    def save() -> dict[str, Any]:
        sent = sent_config(page, "Save changes", path)
        expect(heading(page)).to_have_text("Cache")
        return sent

    def edit() -> None:
        page.goto(f"{api.url}/#{path}/edit")
        expect(heading(page)).to_have_text("Edit Cache")

    edit()
    expect(password).to_have_value("")
    expect(password).to_have_attribute("type", "password")
    expect(password).to_have_attribute("placeholder", "Unchanged")
    assert "password" not in save()
    assert api.get(path)["config"]["has_password"] is True

    edit()
    password.fill("a new one")
    assert save()["password"] == "a new one"

    edit()
    page.get_by_role("button", name="Remove Password").click()
    expect(password).to_be_disabled()
    assert save()["password"] is None
    assert "has_password" not in api.get(path)["config"]


def test_a_field_is_sent_only_while_it_is_shown(new_page: Page) -> None:
    type_named(new_page, "DNS").check(force=True)
    new_page.get_by_label("Host", exact=True).fill("localhost")
    expect(new_page.get_by_label("Path", exact=True)).to_be_hidden()
    new_page.get_by_label("Transport").select_option(label="DNS over HTTPS")
    new_page.get_by_label("Path", exact=True).fill("/query")
    new_page.get_by_role("textbox", name="Server (optional)", exact=True).fill("127.0.0.1")
    new_page.get_by_label("Port (optional)").fill("9")

    assert sent_config(new_page, "Try it now", "/services/test")["path"] == "/query"
    expect(new_page.get_by_role("heading", name="Connection refused")).to_be_visible()

    new_page.get_by_label("Transport").select_option("UDP")
    expect(new_page.get_by_label("Path", exact=True)).to_be_hidden()
    assert "path" not in sent_config(new_page, "Try it now", "/services/test")


def test_assertions_are_written_a_row_each(new_page: Page, api: Client, target: HttpTarget) -> None:
    new_page.get_by_label("Name", exact=True).fill("Shop front")
    new_page.get_by_label("URL", exact=True).fill(target.url)
    new_page.get_by_role("button", name="Add assertion").click()
    row = new_page.get_by_role("group", name="assertion 1")
    row.get_by_label("Source").select_option("Status code")
    row.get_by_label("Operator").select_option("Less than")
    row.get_by_label("Value").fill("300")
    new_page.get_by_role("button", name="Add service").click()

    expect(heading(new_page)).to_have_text("Shop front")
    (service,) = api.services().values()
    assert service["config"]["assertions"] == [
        {"source": "status_code", "operator": "lt", "value": 300, "severity": "down"}
    ]


def test_the_members_of_a_group_are_ticked_by_name(
    new_page: Page, api: Client, service: int
) -> None:
    type_named(new_page, "Group").check(force=True)
    new_page.get_by_label("Name", exact=True).fill("Everything")
    expect(new_page.get_by_role("button", name="Try it now")).to_be_hidden()
    expect(new_page.get_by_label("Check every")).to_be_hidden()
    new_page.get_by_role("checkbox", name="Shop front").check()
    new_page.get_by_role("button", name="Add service").click()

    expect(heading(new_page)).to_have_text("Everything")
    (group,) = (one for one in api.services().values() if one["type"] == "group")
    assert group["config"]["service_ids"] == [service]
