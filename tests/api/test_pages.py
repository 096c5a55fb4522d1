"""The dashboard's files, as the program serves them."""

import gzip
import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeClient, RecordingEngine
from tests.contract import Client, Contract
from uptimehunt.api.parts import Parts
from uptimehunt.app import create_app
from uptimehunt.domain.tokens import Tokens
from uptimehunt.errors import StartError
from uptimehunt.paths import static_dir
from uptimehunt.store.database import Store


def asset(client: Client, name: str, **headers: str) -> Any:
    """One of the page's files, from where the page says that they are."""
    found = re.search(r"assets/\w+", client.simulate_get("/").text)
    assert found
    return client.simulate_get(f"/{found[0]}/{name}", headers=headers)


def test_the_page_is_asked_for_anew_each_time_and_its_files_are_kept(client: Client) -> None:
    page, file = client.simulate_get("/"), asset(client, "app.js")

    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Cache-Control"] == "no-cache"
    assert file.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert file.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert file.text == "export {};\n" * 50
    assert asset(client, "icons/icon.svg").headers["Content-Type"] == "image/svg+xml"


def test_a_browser_that_has_it_is_not_sent_it_again(client: Client) -> None:
    page = client.simulate_get("/")

    again = client.simulate_get("/", headers={"If-None-Match": page.headers["ETag"]})
    file = asset(client, "app.js")

    assert (again.status_code, again.content) == (304, b"")
    assert asset(client, "app.js", If_None_Match="x").status_code == 200
    assert page.headers["ETag"] != file.headers["ETag"]


def test_files_are_sent_packed_to_those_who_can_unpack(client: Client) -> None:
    packed = asset(client, "app.js", **{"Accept-Encoding": "br, gzip"})

    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.content) == b"export {};\n" * 50
    assert "Content-Encoding" not in asset(client, "app.js").headers
    assert packed.headers["Vary"] == "Accept-Encoding"


def test_the_page_runs_nothing_but_its_own_files(client: Client) -> None:
    headers = client.simulate_get("/").headers

    policy = dict(
        rule.strip().split(" ", 1) for rule in headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert "Access-Control-Allow-Origin" not in headers


def test_the_documentation_is_a_page_too(
    client: Client, make_client: MakeClient, static: Path
) -> None:
    assert client.simulate_get("/docs").status_code == 404  # `static` has none.
    (static / "docs.html").write_text("<script src='{{assets}}/docs.js'></script>")
    (static / "docs.js").write_text("export {};")
    client = make_client()

    page, overview = client.simulate_get("/docs"), client.simulate_get("/")
    named = re.search(r"assets/\w+/docs.js", page.text)

    assert named
    assert client.simulate_get(f"/{named[0]}").text == "export {};"
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    for name in ("Content-Security-Policy", "Cache-Control", "X-Frame-Options"):
        assert page.headers[name] == overview.headers[name]
    assert page.headers["ETag"] != overview.headers["ETag"]
    assert asset(client, "docs.html").status_code == 404


def test_files_of_another_version_are_gone_after_a_change(
    client: Client, make_client: MakeClient, static: Path
) -> None:
    old = re.search(r"assets/\w+", client.simulate_get("/").text)
    (static / "app.js").write_text("other")
    changed = make_client()

    assert old
    assert changed.simulate_get(f"/{old[0]}/app.js").status_code == 404
    assert asset(changed, "app.js").text == "other"


@pytest.mark.parametrize(
    "name",
    ["nothing.js", "", "..%2f..%2fsecret.key", "%2e%2e/%2e%2e/secret.key", "index.html",
     "app.js%00", "/etc/passwd", "icons", "..%5c..%5csecret.key", "../app.js"],
)  # fmt: skip
def test_nothing_but_the_files_is_there(client: Client, name: str) -> None:
    assert asset(client, name).status_code == 404


def test_pages_are_only_for_reading(client: Client) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert client.simulate_request(method, "/").status_code == 405
    assert client.simulate_head("/").status_code == 200


def test_a_program_packaged_without_the_dashboard_does_not_start(
    make_client: MakeClient, static: Path
) -> None:
    (static / "index.html").unlink()

    with pytest.raises(StartError, match="missing"):
        make_client()


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_everything_the_real_pages_name_is_there(
    store: Store, tokens: Tokens, contract: Contract, path: str
) -> None:
    parts = Parts(store, tokens, RecordingEngine(), "first", dict)
    client = Client(create_app(parts, static_dir()), contract)

    page = client.simulate_get(path).text
    named = re.findall(r'(?:src|href)="(assets/[^"]+)"', page)

    assert len(named) > 5
    for name in named:
        assert client.simulate_get(f"/{name}").status_code == 200, name
    assert "{{" not in page
