"""Chromium in front of the real program.

A test gets `page`: signed in, at the overview of an empty instance. Whatever the page writes to the
console as an error, every violation of the content security policy and every request to another
host fails the test. A failed test leaves a screenshot in build/test-artifacts/.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Generator, Iterator
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, sync_playwright

from tests.process import EMAIL, PASSWORD, ROOT, Client, Program, running, wait_until
from tests.targets.http import HttpTarget, http_target

ARTIFACTS = ROOT / "build" / "test-artifacts"
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# The browser itself reports every answer of 400 and more; that one came is what some tests want.
ANSWER = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d")

OpenPage = Callable[..., Page]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """One browser for all tests here, each of which has a profile of its own in it."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no chromium on the PATH: `sh packaging/test.sh` installs it")
    flags = [*FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def shared_program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """One run of the program, with an account."""
    with running(tmp_path_factory.mktemp("browser")) as program:
        Client(program.url).register()
        yield program


@pytest.fixture(scope="package")
def admin(shared_program: Program) -> Client:
    """The API of that program as its admin."""
    return Client(shared_program.url).login()


@pytest.fixture
def api(admin: Client) -> Iterator[Client]:
    """The API of that program as its admin; what a test adds is gone after it."""
    client = admin
    yield client
    for service_id in client.services():
        client.call("DELETE", f"/services/{service_id}", status=204)
    for project in client.get("/projects"):
        client.call("DELETE", f"/projects/{project['id']}", status=204)


@pytest.fixture
def open_page(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[OpenPage]:
    """Open a page of a program in a fresh profile."""
    pages: list[Page] = []
    faults: list[str] = []

    def open_one(url: str, *, prepare: Callable[[Page], None] = lambda _: None, **how: Any) -> Page:
        context = chromium.new_context(**{"locale": "en-GB", **how})
        context.set_default_timeout(10_000)
        page = context.new_page()
        pages.append(page)
        _watch(page, urlsplit(url).netloc, faults)
        prepare(page)
        page.goto(url)
        return page

    yield open_one
    if any(report.failed for report in request.node.stash.get(REPORTS, [])) or faults:
        ARTIFACTS.mkdir(parents=True, exist_ok=True)
        for at, page in enumerate(pages):
            name = re.sub(r"\W+", "-", f"{request.node.name}-{at}")
            page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)
    for page in pages:
        # Or the next sign-ins would end the session of `admin`: a user has so many at most.
        with contextlib.suppress(Error):  # the program may be what failed
            page.request.post(urljoin(page.url, "api/v1/auth/logout"), data={})
        page.context.close()
    assert not faults, "\n".join(faults)


def _watch(page: Page, host: str, faults: list[str]) -> None:
    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error" and not ANSWER.match(message.text):
            faults.append(f"console: {message.text}")

    page.on("console", on_console)
    page.on("pageerror", lambda error: faults.append(f"page: {error.stack or error}"))
    page.on("dialog", lambda dialog: faults.append(f"dialog: {dialog.message}"))
    page.on(
        "request",
        lambda sent: (
            None
            if urlsplit(sent.url).netloc in {host, ""}
            else faults.append(f"request to another host: {sent.url}")
        ),
    )


def sign_in(page: Page, url: str) -> None:
    """Sign in without the form, which a test of its own covers."""
    answer = page.request.post(
        f"{url}/api/v1/auth/login",
        data={"email": EMAIL, "password": PASSWORD, "session": "cookie"},
    )
    assert answer.ok, answer.text()


def refresh(page: Page) -> None:
    """Let the page ask the server now, where waiting for it to do so is not the point."""
    page.evaluate("dispatchEvent(new Event('online'))")


def measure(api: Client, service: int, points: int = 2) -> None:
    """Have a service checked until its chart has so many points: its rhythm would take longer."""
    path = f"/services/{service}"
    span = {"from": api.get(path)["created_at"], "interval_seconds": 1}
    api.first_verdict(service)

    def measured() -> bool:
        parts = api.get(f"{path}/metrics/response-times?{urlencode(span)}")
        if sum(part["checks"] > 0 for part in parts) >= points:
            return True
        api.call("POST", f"{path}/check", status=202)
        return False

    wait_until(measured)


@pytest.fixture
def page(open_page: OpenPage, api: Client) -> Page:
    """Signed in, at the overview of an instance without services."""
    page = open_page(api.url, prepare=lambda page: sign_in(page, api.url))
    page.get_by_role("heading", name="Nothing is being watched yet").wait_for()
    return page


@pytest.fixture
def target() -> Iterator[HttpTarget]:
    """A web server to be watched."""
    with http_target() as server:
        yield server


REPORTS = pytest.StashKey[list[pytest.TestReport]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember how a test went, for the screenshot."""
    report = yield
    item.stash.setdefault(REPORTS, []).append(report)
    return report
